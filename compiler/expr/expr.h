/* expr: the one intermediate representation, index expressions.
 *
 * A node is a real-valued function of the indices free in it.  Tensors are never values: W is always
 * seen through an access W[i, j] whose subscripts are affine in the indices, so a matrix product, a
 * convolution, a third-order term, a broadcast and a masked sum are one node kind with other maps:
 *     v@W@h          sum(i, j) v[i]*W[i,j]*h[j]
 *     convolution    sum(r, s) v[y+r, x+s]*W[k,r,s]
 *     strict causal  sum(i | d-i-1 >= 0) W[j,i]*x[i]
 * The batch is an index like any other (struct idx with pop >= 0): an access to a batched symbol
 * carries it in `batch`, a statistic over the batch is a sum that binds it.
 *
 * Nodes are immutable, built by the constructors ex_*, which keep this normal form:
 *   ADD and MUL are n-ary, flat, without nested ADD in ADD or MUL in MUL; a MUL has at most one
 *   constant factor, first; like terms are merged; x - y is x + (-1)*y, x / y is x * y^(-1);
 *   SUM distributes over ADD, swallows MASK, and factors free of its indices stand outside; an
 *   equality guard on a bound index is solved and gone; MASK(g){e} is e where every guard holds,
 *   else 0.
 * Two nodes are the same function when ex_same says so (up to the names of bound indices). */
#ifndef DGM_EXPR_H
#define DGM_EXPR_H

#include "base/base.h"

#define MAX_RANK 8
#define MAX_BOUND 16 /* indices of one reduction */

/* ---- symbols ---------------------------------------------------------------------------------- */
enum sym_kind {
	SYM_VAR,    /* a random variable of the model (batched) */
	SYM_PARAM,  /* learned, unbatched */
	SYM_INPUT,  /* filled by the runtime: data mean, example weights, ... */
	SYM_TEMP,   /* the result of a statement of a program */
	SYM_SCALAR  /* a number of the call: beta; unbatched, rank 0 */
};
enum values { /* what values its elements take; reaches code generation */
	VALUES_REAL,
	VALUES_BINARY, /* 0 or 1: may be kept as bits */
	VALUES_SPIN,   /* -1 or +1 */
	VALUES_INT8,   /* a parameter: -127 .. 127, kept in bytes */
	VALUES_BF16    /* a parameter: floats whose last 16 bits are 0, kept without them */
};
struct sym {
	const char *name;
	enum sym_kind kind;
	enum values values;
	bool batched;
	int rank;
	int64_t dim[MAX_RANK];
	struct span span; /* declaration */
	int id;           /* unique */
	void *info;       /* the owner's: sema's variable or parameter */
};
struct sym *sym_new(struct arena *a, const char *name, enum sym_kind kind, enum values values,
                    bool batched, int rank, const int64_t *dim, struct span span);
int64_t sym_items(const struct sym *s); /* the product of dim */

/* ---- indices and affine maps -------------------------------------------------------------------- */
struct idx {
	const char *name;
	int64_t size; /* runs over 0..size-1; -1 for a batch index */
	int pop;      /* batch index: number of its population; else -1 */
	int id;       /* unique */
};
struct idx *idx_new(struct arena *a, const char *name, int64_t size);
struct idx *idx_batch(struct arena *a, const char *name, int pop);

struct affine { /* c + sum coef[k]*ix[k]; ix sorted by id, no zero coefficients */
	int64_t c;
	int n;
	const struct idx *const *ix;
	const int64_t *coef;
};
struct affine affine_const(int64_t c);
struct affine affine_idx(struct arena *a, const struct idx *i);
struct affine affine_add(struct arena *a, struct affine x, struct affine y, int64_t scale_y);
bool affine_same(struct affine x, struct affine y);
bool affine_uses(struct affine x, const struct idx *i);
/* Is it exactly index i?  (c == 0, coefficient 1) */
const struct idx *affine_single(struct affine x);

struct guard { /* e >= 0, or e == 0 */
	bool equal;
	struct affine e;
};

/* ---- nodes ------------------------------------------------------------------------------------------ */
enum op {
#define OP(id, name, arity, flags, eval, da, db, emit) OP_##id,
#include "expr/op.def"
#undef OP
	OP_COUNT
};
enum op_flag {
	OPF_DRAW = 1, /* a random number: never merged, moved or evaluated twice */
	OPF_LIBRARY = 4, /* its code is a function of the runtime or of libm */
	OPF_PARTIAL = 8, /* it is not finite at all finite operands */
	OPF_KINK = 2  /* its derivative does not tell what it is: it has corners or steps */
};

enum node_kind { N_CONST, N_INDEX, N_ACCESS, N_OP, N_REDUCE, N_MASK };
enum reduce { RED_SUM, RED_PROD, RED_MAX, RED_MIN, RED_LOGSUMEXP };

struct node {
	enum node_kind kind;
	struct span span; /* of the term it stems from, for explain and messages */
	uint64_t hash;    /* equal for ex_same nodes */

	double num;          /* N_CONST; a draw: its stream number */
	struct affine index; /* N_INDEX: the value of an affine form */

	const struct sym *sym; /* N_ACCESS */
	const struct idx *batch; /* N_ACCESS of a batched symbol: which row; else NULL */
	struct affine *map;      /* N_ACCESS: sym->rank subscripts */

	enum op op; /* N_OP */
	struct node **kid;
	int nkid; /* N_OP: operands; N_REDUCE, N_MASK: kid[0] the body */

	enum reduce red; /* N_REDUCE */
	const struct idx **bound;
	int nbound;

	struct guard *guard; /* N_REDUCE (restricts the range), N_MASK */
	int nguard;
};

/* ---- constructors (normalising) ------------------------------------------------------------------------ */
struct node *ex_num(struct arena *a, double x);
struct node *ex_index(struct arena *a, struct affine x);
struct node *ex_access(struct arena *a, const struct sym *s, const struct idx *batch, const struct affine *map);
/* the access s[ix[0], ix[1], ...] */
struct node *ex_at(struct arena *a, const struct sym *s, const struct idx *batch, const struct idx *const *ix);
struct node *ex_op(struct arena *a, enum op op, struct node *const *kid, int n);
struct node *ex_op1(struct arena *a, enum op op, struct node *x);
struct node *ex_op2(struct arena *a, enum op op, struct node *x, struct node *y);
struct node *ex_draw(struct arena *a, enum op op, int stream); /* OP_UNIFORM, OP_NORMAL */
struct node *ex_add(struct arena *a, struct node *x, struct node *y);
struct node *ex_sub(struct arena *a, struct node *x, struct node *y);
struct node *ex_mul(struct arena *a, struct node *x, struct node *y);
struct node *ex_neg(struct arena *a, struct node *x);
struct node *ex_scale(struct arena *a, double c, struct node *x);
struct node *ex_reduce(struct arena *a, enum reduce r, const struct idx *const *bound, int nbound,
                       const struct guard *g, int ng, struct node *body);
struct node *ex_sum(struct arena *a, const struct idx *i, struct node *body);
struct node *ex_mask(struct arena *a, const struct guard *g, int ng, struct node *body);
struct node *ex_with_span(struct arena *a, struct node *x, struct span s); /* a copy that carries s */

/* ---- questions ------------------------------------------------------------------------------------------- */
bool ex_is_num(const struct node *x, double c);
bool ex_same(const struct node *x, const struct node *y);
bool ex_mentions(const struct node *x, const struct sym *s);
bool ex_has_draw(const struct node *x);
bool ex_has_op(const struct node *x, enum op op);
bool ex_uses_idx(const struct node *x, const struct idx *i);
/* Free indices (bound ones left out), each once, batch indices too. */
int ex_free(const struct node *x, const struct idx **out, int max);
/* The polynomial degree in the elements of s, taken together; -1: not a polynomial. */
int ex_degree(const struct node *x, const struct sym *s);
/* Is nothing of s under an operation or reduction with corners or steps? */
bool ex_smooth(const struct node *x, const struct sym *s);
/* Terms of a sum (itself when it is no ADD). */
int ex_terms(struct node *x, struct node ***terms);
bool ex_entire(const struct node *x, const struct sym *s); /* is it finite at all finite values of s? */

/* ---- rewrites ----------------------------------------------------------------------------------------------- */
struct subst { /* each may be left zero */
	const struct idx *idx; /* index idx := the affine form at */
	struct affine at;
	const struct sym *from; /* symbol from := symbol to of the same shape (same subscripts), or ... */
	const struct sym *to;
	const struct idx *batch;                                            /* its batch index; NULL: keep */
	struct node *(*fn)(struct arena *a, const struct node *access, void *arg); /* ... := fn(access) */
	void *arg;
};
struct node *ex_subst(struct arena *a, struct node *x, const struct subst *s);
struct node *ex_subst_idx(struct arena *a, struct node *x, const struct idx *i, struct affine at);
/* x over at[0..n-1] at map[]. */
struct node *ex_subst_at(struct arena *a, struct node *x, const struct idx *const *at, const struct affine *map, int n);
struct node *ex_rename_batch(struct arena *a, struct node *x, const struct idx *from, const struct idx *to);
/* Every op(s[map]), op of one operand, becomes to[map]: a statistic of s as a symbol of its own. */
struct node *ex_apart(struct arena *a, struct node *x, enum op op, const struct sym *s, const struct sym *to);
/* Every element of s set to the constant c. */
struct node *ex_set_all(struct arena *a, struct node *x, const struct sym *s, double c);
/* E with element s[k] set to `hi`, minus E with it set to `lo`; the other elements as they are.  The
 * result mentions s only if another element of s (or s[k] itself) remains in it. */
struct node *ex_delta(struct arena *a, struct node *x, const struct sym *s, const struct affine *k,
                      struct node *hi, struct node *lo);
/* x with the one element s[k] set to v. */
struct node *ex_set_one(struct arena *a, struct node *x, const struct sym *s, const struct affine *k, struct node *v);
/* d x / d s[k]: reverse accumulation over the expression; for a batched s the row is s's batch index in x. */
struct node *ex_diff(struct arena *a, struct node *x, const struct sym *s, const struct affine *k);

/* Is every operator in x one with a known derivative?  false: *op names one that is not. */
bool ex_differentiable(const struct node *x, const char **op);

/* ---- the slow, double-precision reference evaluator ------------------------------------------------------------ */
struct env {
	/* value of an element: row is the value of the batch index (0 when unbatched), at the subscripts */
	double (*load)(void *arg, const struct sym *s, int64_t row, const int64_t *at);
	double (*draw)(void *arg, const struct node *draw); /* NULL: a draw is a BUG */
	int64_t (*pop_size)(void *arg, int pop);            /* NULL: batch indices may not be bound */
	void *arg;
};
struct binding { /* values of the free indices */
	const struct idx *idx;
	int64_t value;
};
double ex_eval(const struct node *x, const struct env *env, const struct binding *b, int nb);
double op_eval(enum op op, double a, double b); /* elementwise ops of arity 1 and 2 */
double op_eval3(enum op op, double a, double b, double c);
const char *op_name(enum op op);
int op_arity(enum op op); /* -1: n-ary */
int op_flags(enum op op);

/* ---- text ---------------------------------------------------------------------------------------------------------- */
/* In the language's own notation, e.g. "sum(i) v[i]*W[i,j] + c[j]"; the batch index is not written. */
void ex_print(const struct node *x, struct buf *out);
void ex_latex(const struct node *x, struct buf *out);
const char *ex_text(struct arena *a, const struct node *x);

#endif
