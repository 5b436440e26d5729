/* sema: a checked program.  Names are resolved, constants and sizes are numbers, index ranges agree,
 * energies are index expressions in normal form, every clause of a block is one that exists with
 * arguments of the right kind.  What a data set or an objective means is not known here. */
#ifndef DGM_SEMA_H
#define DGM_SEMA_H

#include "expr/expr.h"
#include "syntax/ast.h"

enum domain {
#define DOMAIN(id, name, values, note) DOMAIN_##id,
#include "sema/domain.def"
#undef DOMAIN
	DOMAIN_COUNT
};
const char *domain_name(enum domain d);
enum values domain_values(enum domain d);

/* What is said of a variable behind its type: in atmostone(2,2) */
enum rule {
	RULE_NONE,
#define RULE(id, name, domain, what) RULE_##id,
#include "sema/rule.def"
#undef RULE
	RULE_COUNT
};
const char *rule_name(enum rule r); /* NULL: none */

enum role { ROLE_VISIBLE, ROLE_HIDDEN, ROLE_GIVEN };

struct variable {
	const char *name;
	enum role role;
	enum domain domain;
	struct sym *sym; /* SYM_VAR, batched, sym->info is this */
	enum rule rule;
	int64_t block[MAX_RANK]; /* extent of a block in each axis, a divisor of it: 1 where no block goes along it */
	const struct variable *total; /* RULE_TOTAL: over the axes but the last one */
	struct span span, name_span;
};
struct parameter {
	const char *name;
	struct sym *sym; /* SYM_PARAM, sym->info is this */
	const struct idx *at[MAX_RANK];
	struct node *init; /* over at[]; may hold draws (stream = the parameter's number) and means of data */
	double orthonormal; /* its rows or columns begin at right angles to one another, with this norm; 0: as drawn */
	struct span span, name_span;
};
/* mean(v) in an initialiser: the mean of variable v over the training data, smoothed for binary
 * (n1 + 1)/(n + 2) so that its logit is finite.  A SYM_INPUT named "mean.v" of v's shape. */
struct data_mean {
	struct variable *of;
	struct sym *sym;
};
/* dbn.W in an initialiser: a parameter of another model as its training left it.  A SYM_INPUT named
 * "from.dbn.W" of its shape. */
struct handed {
	const struct model_def *model;
	const struct parameter *param;
	struct sym *sym;
	struct span span;
};
/* What is computed once and used by name: a layer's value, a let of a net, the noise of a draw. */
struct def {
	struct sym *sym; /* SYM_TEMP, sym->info is this; batched where rhs depends on examples */
	const struct idx *at[MAX_RANK];
	struct node *rhs; /* over at[] and the batch index; noise: a draw and nothing else */
	bool state;       /* its elements are computed step by step along at[0], each from those before it */
	struct node *start; /* of a state: over at[1..], what it is at step -1 */
	const struct parameter *average; /* in training it is the mean of rhs over the batch, of which this keeps a
	                                    running mean for all else; NULL: it is rhs */
	struct span span;
};
struct net_value { /* of a net that the model calls */
	const char *name;
	const struct sym *sym;
};
/* x ~ dist(...): one element, or one block over the last axes, given other variables. */
struct factor_def {
	struct variable *var;
	const char *dist;              /* NULL: x = draw, deterministic */
	const struct idx *at[MAX_RANK]; /* all axes of var */
	int block;                     /* of which the last so many make one draw */
	struct node *log_density;      /* over the other axes */
	struct node *draw;             /* over all axes, from noise; NULL: by inversion of mean, one of the block */
	struct node *mean, *variance;  /* over all axes; NULL: not known */
	struct node *where;            /* over the other axes: what the log-density is multiplied by; NULL: 1 */
	struct node *lowest, *highest; /* over the other axes: the ends of what has a density; NULL: those of the domain */
	struct node *total;            /* of a block where the density is on those with this sum alone; NULL: it is not */
	VEC(struct node *) argument;   /* of the distribution, over the other axes and their own */
	struct span span;
};
struct energy_term { /* the energy is their sum, in the file's order */
	struct node *node; /* over the model's batch index only */
	struct span span;
};
struct model_def {
	const char *name;
	struct span span;
	struct size {
		const char *name;
		int64_t value;
	} *size;
	int nsize;
	VEC(struct variable *) var;
	VEC(struct parameter *) param;
	VEC(struct data_mean) mean;
	VEC(struct handed) handed;
	VEC(struct energy_term) term;
	VEC(struct def *) def; /* each uses those before it */
	VEC(struct net_value) value;
	VEC(struct factor_def *) factor, posterior;
	bool directed; /* has factors or posteriors */
	const struct sym *training; /* 1 while gradients are computed, else 0 */
	const struct idx *batch; /* the batch index of every access in the terms: population 0 */
};

/* ---- calls with arguments, for objectives, optimisers, monitors, data steps -------------------- */
enum value_kind { VAL_NUM, VAL_RAMP, VAL_NAME, VAL_STR, VAL_CALL, VAL_SUM, VAL_GIVEN, VAL_UNITS };
struct call;
struct value {
	enum value_kind kind;
	double num, to;    /* NUM; RAMP: from num to `to`; a term of a SUM: its coefficient */
	const char *name;  /* NAME, STR */
	struct call *call; /* CALL; GIVEN: its arguments are what stands before `given` */
	struct call *given; /* GIVEN: ... and behind it */
	struct value *term; /* SUM: calls */
	int nterm;
	struct units *units; /* UNITS */
	struct span span;
};
struct units { /* v[y,x], y < 14: some units of a variable */
	struct variable *var;
	const struct idx *at[MAX_RANK];
	struct node *held; /* over at: 1 at these units, else 0 */
};
struct call { /* cd(k = 25), rbf(2, 5) or a bare word: sgd */
	const char *name;
	struct span span, name_span;
	struct value *arg;
	const char **key; /* NULL: positional */
	int narg;
};
/* Binds a call's arguments to a signature, "k:intramp=1 rate:ramp[0,)=0.01 statistics:word=means path:str":
 * name:kind=default separated by blanks; no default: required; kinds num, int (a whole number), ramp (a number,
 * a -> b or a call, a schedule), intramp, each with its range behind it, as in num(0,1] or int(,), else any number and any whole
 * number >= 1; name, data, word, str, call, any; sum (calls with coefficients), subject (a name, or names
 * `given` others); `rest:kind...` last takes all further arguments.  out has one
 * value a parameter of the signature, in its order (rest: values follow, *nrest of them).  Positional arguments
 * bind in order.  Too many, unknown (with the nearest), missing or ill-typed: a diagnostic, false. */
bool call_bind(struct cx *cx, const struct call *c, const char *signature, struct value *out, int *nrest);

/* ---- data -------------------------------------------------------------------------------------------- */
struct data_def { /* idx("f.gz") / 255 |> binarize(resampled): reader, then steps in order */
	const char *name;
	struct span span;
	struct call *reader;
	struct data_step {
		char op;           /* '*' '/' '+' '-' with num, or 0: call */
		double num;
		struct call *call; /* binarize(resampled), rows(0, 50000), ... */
		struct span span;
	} *step;
	int nstep;
};

/* ---- blocks ---------------------------------------------------------------------------------------------- */
struct binding_def { /* v = digits; */
	struct variable *var;
	struct data_def *data;
	struct span span;
};
struct clause { /* objective sml(k = 1);  epochs 50;  monitor every 5 : a(x), b; */
	const char *name;
	struct span span, name_span;
	int64_t every; /* 1 where not written */
	struct value *arg;
	const char **key;
	int narg;
	bool outside; /* of the stages: it holds for all of them */
};
struct block_def { /* a block, or a stage of one */
	enum block_kind kind;
	struct model_def *model;
	struct span span;
	const char *stage;           /* its name; NULL: a block without stages */
	const struct ast_block *of;  /* the block, the same for all stages of one */
	struct binding_def *bind;
	int nbind;
	struct clause *clause; /* in the file's order; the names are those of sema/clause.def */
	int nclause;
};
const struct clause *block_clause(const struct block_def *b, const char *name); /* the last; NULL: none */

struct checked {
	VEC(struct model_def *) model;
	VEC(struct data_def *) data;
	VEC(struct block_def *) block; /* in the file's order */
};
struct override { /* --set key=value */
	const char *key;
	struct ast_setting *value;
};
/* requires: a parsed file (possibly with AST_BAD nodes, which are skipped silently); ensures: when
 * diags_errors is 0, everything above holds.  Never NULL. */
struct checked *sema_check(struct cx *cx, const struct ast_file *f, const struct override *set, int nset);
void sema_print(const struct checked *c, FILE *out); /* dgm emit --stage=sema */

#endif
