/* sema's own tables: names in scope, the resolved form between the tree and the index expression,
 * and what each file offers the others. */
#ifndef DGM_SEMA_INTERNAL_H
#define DGM_SEMA_INTERNAL_H

#include "sema/sema.h"

/* ---- names ------------------------------------------------------------------------------------ */
enum entry_kind {
	ENTRY_CONST,
	ENTRY_SIZE,
	ENTRY_VARIABLE,
	ENTRY_PARAM,
	ENTRY_LET,
	ENTRY_DEF,      /* an input or a let of a net: a symbol that is computed */
	ENTRY_INSTANCE, /* let enc = encoder(x) */
	ENTRY_NET,
	ENTRY_DIST,
	ENTRY_FN,
	ENTRY_DATA,
	ENTRY_MODEL
};
struct rt;
struct ix;
struct subscript_check;
struct let { /* a macro: its value over its axes */
	struct rt *body;
	struct ix **axis; /* the indices on its left, then the axes its value leaves open */
	int naxis;
	int lead;     /* of which the first so many are those that its net carries along */
	bool touches; /* mentions a variable or a parameter */
	struct subscript_check *check; /* of its body, waiting for the ranges of its indices */
	int ncheck;
	bool macro;      /* never computed on its own: it stands within an element */
	struct def *def; /* once it was computed for a factor or a net */
};
struct entry {
	enum entry_kind kind;
	const char *name;
	struct span span;
	bool bad;    /* an error has been given: whatever uses it is poisoned silently */
	double num;  /* CONST, SIZE */
	struct entry *pools; /* LET: it stands for the blocks of this variable */
	bool used;   /* VARIABLE, PARAM: stands in a term of the energy */
	const struct sym *sym;
	int lead, to; /* DEF: its first axes are lead..to-1 of those that its net carries along */
	const char *type; /* VARIABLE, PARAM: binary[784], for messages */
	struct variable *var;
	struct let *let;
	struct data_def *data;
	struct model_def *model;
	const struct ast_net *net; /* NET: a net or a layer; DIST */
	bool layer;
	const struct ast_fn *fn;
	const struct instance *instance;
	struct entry *other; /* DIST: the next of the name, of another domain or with other arguments */
};
struct scope {
	const struct scope *up;
	VEC(struct entry *) entry;
};

struct sema {
	struct cx *cx;
	struct arena *a;
	const struct ast_file *file;
	struct checked *out;
	struct scope prelude, top;
	const struct override *set;
	bool *set_bad; /* one an override: its key names nothing */
	int nset;
	bool broken; /* the parser left statements out */
	struct site *site;
	VEC(struct instance *) instance; /* of the model in hand */
	int depth;                       /* nets within nets */
	bool in_dist;                    /* the lets are a distribution's */
	VEC(const char *) imported;
	const struct sym *training;
};

struct entry *sema_lookup(const struct scope *sc, const char *name);
/* What an index of this name would hide; NULL: nothing, or what cannot stand in a formula anyway. */
const struct entry *sema_hidden_by_index(const struct scope *sc, const char *name);
/* Adds a name; a name the scope itself already has is an error, and NULL. */
struct entry *sema_declare(struct sema *s, struct scope *sc, enum entry_kind kind, const char *name,
                           struct span at);
const char *sema_kind_word(const struct entry *e);
/* The mend of a name that is not there: the nearest of the kinds in the mask (1 << ENTRY_...). */
void sema_suggest(struct sema *s, const struct scope *sc, unsigned kinds, const char *name,
                  struct span at);
void sema_suggest_word(struct sema *s, const char *name, const char *const *words, int n,
                       struct span at);
void sema_note(struct sema *s, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *sema_shape(struct arena *a, const int64_t *dim, int rank); /* [784,500] */

/* ---- constants ---------------------------------------------------------------------------------- */
/* Folds a constant expression over the constants and sizes of a scope; false: an error was given. */
bool sema_const(struct sema *s, const struct scope *sc, const struct ast *e, double *out);
/* A whole number of at least 1; `what` begins the message: "size 'D'". */
bool sema_size(struct sema *s, const struct scope *sc, const struct ast *e, const char *what,
               int64_t *out);
bool sema_op_by_name(const char *name, int arity, enum op *op); /* arity < 0: any */

/* ---- indices ---------------------------------------------------------------------------------------
 * An ix is an index while its range is being found out: each axis it stands at alone is a use, and
 * all uses must agree.  Two that must be the same index are joined by `same`. */
struct aff { /* c + sum coef[k]*ix[k] */
	int64_t c;
	int n;
	struct ix **ix;
	int64_t *coef;
};
struct cond { /* e >= 0, e == 0 or e != 0 */
	enum { COND_GE, COND_EQ, COND_NE } rel;
	struct aff e;
};
struct use {
	int64_t size;
	const char *of; /* the array and its axis, from 1 */
	int axis;
	struct span span;
	struct span decl;      /* no place: not declared by name */
	const char *decl_text; /* real[784,500] */
};
struct ix {
	const char *name; /* NULL: an open axis, named at the end of the term */
	struct span span;
	int64_t size; /* 0: not known yet */
	struct ix *same;
	VEC(struct use) use;
	const char *of; /* an open axis: of which array, which axis */
	int axis;
	bool closed; /* a subscript has taken its place: it needs no name */
	bool poison; /* an error about it was given */
	bool left;   /* named on the left of a let: its range may stay open */
	struct affine now; /* while nodes are built: what it stands for */
};
struct ix *sema_ix(struct ix *i); /* the index that i has become */

/* ---- the resolved form ---------------------------------------------------------------------------- */
enum rt_kind {
	RT_NUM,
	RT_INDEX,  /* the value of an affine form */
	RT_ACCESS, /* sym[map] */
	RT_OP,     /* an operator (sign) or a function (op) of kid[] */
	RT_REDUCE, /* over bound[], where cond[] hold, of kid[0] */
	RT_AT,     /* kid[0] with its axes at[] replaced by map[] */
	RT_WHERE,  /* 1 where cond[0] holds, else 0 */
	RT_DRAW    /* noise: op */
};
struct rt {
	enum rt_kind kind;
	struct ix **axis; /* the axes it leaves open */
	int naxis;
	double num;
	char sign; /* RT_OP: + - * / ^ < and n for negation; 0: op */
	enum op op;
	enum reduce red;
	bool mean; /* RT_REDUCE: the sum over the number of elements */
	const struct sym *sym;
	struct aff *map;
	struct rt **kid;
	int nkid;
	struct ix **bound; /* RT_REDUCE; RT_AT: the axes replaced; RT_DRAW: the indices of a distribution's let */
	int nbound;
	struct cond *cond;
	int ncond;
	struct def *def; /* RT_DRAW: the noise, once it is built */
};

/* One expression on its way from the tree to nodes. */
enum term_mode { TERM_ENERGY, TERM_LET, TERM_DEF, TERM_INIT, TERM_UNITS };
struct subscript_check { /* an affine subscript, or a range, checked when all ranges are known */
	const char *over; /* the reduction whose range it is; NULL: a subscript */
	struct ix **bound;
	int nbound, own; /* the first conditions are its own */
	struct aff e;
	int64_t size;
	struct use use;
	struct cond *cond; /* those in force there */
	int ncond;
	bool waits; /* for the range of an index on the left of a let */
};
struct term {
	struct sema *s;
	struct arena *a;
	const struct scope *scope;
	struct model_def *model;
	enum term_mode mode;
	bool bad;     /* an error was given: no nodes */
	bool touches; /* mentions a variable or a parameter */
	VEC(struct ix *) all;
	VEC(struct ix *) active; /* named indices in force, innermost last */
	VEC(struct cond) cond;   /* conditions in force */
	VEC(struct cond) mask;   /* of the comparisons that multiply what is resolved */
	VEC(struct subscript_check) check;
	VEC(const char *) name; /* names of indices in this term, so that none is given twice */
	const struct idx *const *at; /* the element that is being computed: noise has its shape */
	int nat, block; /* its last `block` axes make one draw */
	const char *about; /* its name */
	int stream;        /* TERM_INIT: of draws */
	struct ix **lead;  /* the axes that the net carries along, once one is used */
	const struct instance *called; /* whose names are resolved; NULL: none */
	int aligned;       /* so many of its first axes are those of what a name stands for, the rest open axes */
};
/* A model, or a net called in it: what the names of its parameters begin with, the uses of layers. */
struct site {
	const char *path; /* "" or "decoder." */
	int nlead; /* axes carried along: of the inputs, before those that the net declares */
	const int64_t *lead;
	VEC(const char *) layer;
};
struct instance { /* a net called: its scope has its lets, value is NULL where it has none */
	const struct ast_net *net;
	/* Axes carried along: first those of the net that calls it, where an argument has them, then the ranges of
	 * the indices in its arguments that are bound outside them, at[]: it is called for each of their values. */
	int64_t lead[MAX_RANK];
	int nlead, outer, nat;
	struct ix **at;
	struct scope scope;
	struct entry *value;
	const struct sym **arg;
};
void sema_term_init(struct term *t, struct sema *s, const struct scope *sc, struct model_def *m,
                    enum term_mode mode);
/* Resolves one expression; NULL: poisoned, t->bad is set. */
struct rt *sema_resolve(struct term *t, const struct ast *e);
/* Settles the ranges, checks the affine subscripts and names the open axes. */
void sema_term_finish(struct term *t);
struct affine sema_now(struct arena *a, struct aff x); /* what it stands for, while nodes are built */
/* The nodes of a resolved expression whose open axes stand for what their `now` says. */
struct node *sema_build(struct term *t, const struct rt *r);

/* index.c */
struct ix *sema_ix_new(struct term *t, const char *name, struct span at);
struct ix *sema_active(const struct term *t, const char *name);
void sema_use(struct term *t, struct ix *i, struct use u);
struct aff sema_aff_const(int64_t c);
struct aff sema_aff_ix(struct arena *a, struct ix *i);
struct aff sema_aff_add(struct arena *a, struct aff x, struct aff y, int64_t scale);
bool sema_affine(struct term *t, const struct ast *e, struct aff *out);
/* The subscript e at an axis: a range for a single index, a check for the rest. */
void sema_subscript(struct term *t, struct aff e, struct use u);
/* The check alone. */
void sema_subscript_within(struct term *t, struct aff e, struct use u);
/* sum(i < 10) gives i a range where no axis does. */
void sema_bounded(struct ix *i, const struct cond *c, int n);
/* empty.c: r, written at e, has an element wherever the first `outer` conditions in force and the masks hold. */
void sema_range(struct term *t, const struct rt *r, const struct ast *e, int outer);
void sema_check_range(struct term *t, struct subscript_check *c);
/* The checks that a let has left over, for one use of it with its axes replaced by map. */
void sema_check_again(struct term *t, const struct let *l, const struct aff *map);
/* A name for an index that no declared name and no index of the term has. */
const char *sema_fresh_name(struct term *t);
/* resolve_reduce.c */
struct rt *sema_resolve_reduce(struct term *t, const struct ast *e);
struct rt *sema_resolve_over_axes(struct term *t, const struct ast *e, struct rt *body);
bool sema_is_reduction(const char *name, enum reduce *red, bool *mean);
bool sema_condition(struct term *t, const struct ast *e, struct cond *out);
/* resolve.c */
struct rt *sema_rt(struct term *t, enum rt_kind kind, const struct rt *axes_of);
struct rt *sema_poison(struct term *t);
/* access.c: names and subscripted names, mean(v) in an initialiser */
struct rt *sema_resolve_name(struct term *t, const struct ast *e);
struct rt *sema_resolve_index(struct term *t, const struct ast *e);
/* dbn.W, a parameter of a model before this one: the model; NULL: the field is none of a model. */
const struct entry *sema_model_of(struct sema *s, const struct ast *field);
struct rt *sema_resolve_handed(struct term *t, const struct ast *e);
struct rt *sema_resolve_data_mean(struct term *t, const struct ast *e);

/* ---- declarations, data, blocks ---------------------------------------------------------------------- */
void sema_model(struct sema *s, const struct ast_model *m, struct model_def *def);
/* Does the type name a domain?  false: an error was given. */
bool sema_is_domain(struct sema *s, const struct ast_type *y);
/* The constraint behind a variable's type; what it speaks of is declared. */
void sema_constrain(struct sema *s, struct scope *sc, const struct ast_decl *d, struct entry *e);
void sema_param_init(struct sema *s, const struct scope *sc, struct model_def *m,
                     struct parameter *p, const struct ast_decl *d);
/* let.c */
void sema_bind_left(struct term *t, const struct ast_decl *d, struct let *l);
void sema_let(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d);
/* def.c: computed symbols */
struct def *sema_def_new(struct sema *s, struct model_def *m, const char *name, const struct idx *const *at,
                         int nat, struct node *rhs, struct span span);
/* The value of e in a scope, computed: a symbol of its shape.  NULL: an error was given.  lead: its first axes that
 * the net carries along. */
const struct sym *sema_computed(struct sema *s, const struct scope *sc, struct model_def *m, const struct ast *e,
                                const char *name, int *lead);
/* The same in two steps, for arguments of a call: resolved, then computed over the axes lead[], those of the net and
 * indices that are bound outside of it, which come first. */
struct rt *sema_resolve_argument(const struct term *t, const struct ast *e, struct term *own);
const struct sym *sema_compute(struct term *t, struct rt *r, struct ix *const *lead, int nlead, const char *name,
                               struct span at);
/* The let as a computed symbol; NULL: it is none (indices without ranges, nothing to compute). */
struct def *sema_let_def(struct term *t, const struct entry *n);
bool sema_reduces(const struct rt *r); /* is there a sum or noise in it? */
struct node *sema_noise(struct term *t, struct rt *draw);
void sema_state(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d);
/* argument.c: the inputs and sizes of a call, in the scope of the instance; inputs that were computed for a use of a
 * layer named after it. */
bool sema_bind_arguments(struct term *t, const struct ast *call, const struct entry *n, struct instance *in);
void sema_name_arguments(struct term *t, const struct entry *n, const struct instance *in, const char *path);
bool sema_made_of(const struct cond *c, struct ix *const *at, int nat); /* of these indices alone, and a guard? */
/* The access to a state, its start where the first subscript is -1. */
struct node *sema_state_at(struct arena *a, const struct def *d, const struct idx *batch, const struct affine *map);
/* let m = batch_mean(x, start): the let as a computed symbol. */
void sema_average(struct term *t, struct model_def *m, struct entry *n, double start);
/* net.c */
bool sema_is_net_call(const struct scope *sc, const struct ast *e);
struct ast *sema_pipe_call(struct sema *s, const struct ast *pipe); /* x |> f(a) as f(x, a); NULL: an error */
const struct instance *sema_instance(struct term *t, const struct ast *call);
struct rt *sema_resolve_net(struct term *t, const struct ast *call);
/* The value of a net called, with the subscripts of e where it is not NULL; in NULL: poisoned. */
struct rt *sema_resolve_instance(struct term *t, const struct instance *in, const struct ast *e, struct span at);
struct rt *sema_resolve_field(struct term *t, const struct ast *e);
struct rt *sema_resolve_fn(struct term *t, const struct ast *call, const struct entry *fn);
/* A value with some of its axes left open, as a let. */
struct let *sema_let_of(struct term *t, struct rt *body, struct ix *const *axis, int naxis);
/* A symbol whose first axes are lead..to-1 of those carried along, with the subscripts of e; NULL: whole. */
struct rt *sema_resolve_sym(struct term *t, const struct sym *sym, int lead, int to, const struct ast *e,
                            struct span at);
/* Axis k of those that the net carries along; NULL: it is an open axis here. */
struct ix *sema_lead(struct term *t, int k);
/* model.c */
void sema_declare_const(struct sema *s, struct scope *sc, const struct ast_decl *d);
void sema_declare_param(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d);
/* check.c */
void sema_top_const(struct sema *s, struct scope *sc, const struct ast_data *d);
/* dist.c */
void sema_factor(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d);
/* A draw from e = dist(...) for each element of a parameter; NULL: an error was given. */
struct node *sema_initial_draw(struct sema *s, const struct scope *sc, struct model_def *m,
                               struct parameter *p, int stream, const struct ast *e);
/* prelude.c: the items of the prelude and of imported files */
void sema_prelude(struct sema *s);
void sema_import(struct sema *s, struct scope *sc, const struct ast_file *f);
void sema_data(struct sema *s, const struct ast_data *d);
void sema_block(struct sema *s, const struct ast_block *b);

/* A value or a call of a block or a data set, constants of the scope folded; false: an error. */
bool sema_value(struct sema *s, const struct scope *sc, const struct ast *e, struct value *out);
struct call *sema_call(struct sema *s, const struct scope *sc, const struct ast *e);

/* v, or v[y,x] with conditions on its indices: some units of a variable; NULL: an error was given. */
struct units *sema_units(struct sema *s, const struct scope *sc, struct model_def *m,
                         struct ast *const *arg, int narg);

/* Checks arguments against a signature (see call_bind); a bare word where a call is wanted becomes
 * one, in arg too.  `what` is the call's or the clause's name. */
bool sema_bind(struct cx *cx, const char *what, struct span at, struct value *arg,
               const char *const *key, int narg, const char *signature, struct value *out,
               int *nrest);
/* Does the signature's word stand alone, as "+" in "what:call... +"? */
bool sema_signature_has(const char *signature, const char *word);

/* enc.dense1.W as one name; NULL: it is none. */
const char *sema_dotted(struct sema *s, const struct ast *e);

struct clause_row {
	const char *name, *blocks, *arguments;
};
extern const struct clause_row sema_clauses[];
extern const int sema_nclauses;
const struct clause_row *sema_clause_row(const char *name);
const char *sema_block_word(enum block_kind k); /* train, evaluate, sample */

/* ---- --set -------------------------------------------------------------------------------------------------- */
/* Marks the overrides whose key names nothing, with an error each. */
void sema_override_check(struct sema *s);
/* What stands instead of a constant or data set, of a size, of a clause (or binding); NULL: nothing. */
const struct ast *sema_override_top(const struct sema *s, const char *name);
const struct ast *sema_override_size(const struct sema *s, const char *model, const char *name);
/* Of a stage (NULL: of the whole block). */
const struct ast_setting *sema_override_clause(const struct sema *s, const struct ast_block *b,
                                       const char *stage, const char *name);

#endif
