/* work: the state the passes of plan_build share.  Private to compiler/plan.
 *
 * While it is being planned a function is one list of kernels in an order that is right; operands
 * are symbols.  Slots are numbered last, when it is known which temporaries live. */
#ifndef DGM_PLAN_WORK_H
#define DGM_PLAN_WORK_H
#include "plan/plan.h"

#define MAX_FREE 32 /* free indices of one expression */

struct work_tensor {
	struct tensor t;
	enum repr repr;
};
struct work_kernel {
	struct kernel k;
	const struct sym *a, *b, *c; /* MATMUL */
};
struct work_function {
	const char *name;
	VEC(struct work_kernel *) kernel;
};

/* What is known to be stored at the current place of a function: sym[batch, at..] = rhs, or the
 * product of two whole tensors.  Forgotten when sym or anything rhs reads is written. */
struct known_value {
	const struct sym *sym;
	const struct idx *batch;
	const struct idx *at[MAX_RANK];
	struct node *rhs;
};
struct known_product {
	const struct sym *a, *b, *c;
	bool ta, tb;
	int nk; /* axes summed over */
	bool rows, summed; /* a product a row, their sum */
	struct cut b_cut;
};

/* A copy of a tensor whose axis `axis` is the last. */
struct known_rows {
	const struct sym *of, *to;
	int axis;
};

/* Two whole tensors with the same elements: `to` was copied from `of`. */
struct known_copy {
	const struct sym *of, *to;
};

struct work {
	struct cx *cx;
	struct arena *a;
	const struct program *prog;
	VEC(struct work_tensor) tensor; /* the program's, then the temporaries made here */
	VEC(struct work_function *) function;
	struct work_function *f; /* the function being built */
	VEC(struct known_value) value;
	VEC(struct known_product) product;
	VEC(struct known_rows) rows;
	VEC(struct known_copy) copy;
	int ntemp;
};

/* A list of indices; of a layout: the batch index, if any, first. */
struct seq {
	const struct idx *ix[MAX_FREE];
	int n;
};
bool seq_has(const struct seq *s, const struct idx *i);
void seq_push(struct seq *s, const struct idx *i);
bool seq_same(const struct seq *x, const struct seq *y);
int seq_batches(const struct seq *s); /* how many batch indices */
/* Can a tensor have these indices, one batch index the rows, another its first axis? */
bool plan_storable(const struct work *w, const struct seq *s);
double seq_size(const struct seq *s); /* elements; a population counts as BATCH_ROWS */
#define BATCH_ROWS 128.0

/* work.c */
struct work_tensor *plan_tensor(const struct work *w, const struct sym *s); /* BUG when unknown */
/* Calls fn for every access below x until one returns false; says whether none did. */
bool plan_each_access(const struct node *x, bool (*fn)(const struct node *access, void *arg),
                      void *arg);
bool plan_reads(const struct work_kernel *k, const struct sym *s);
bool plan_writes(const struct work_kernel *k, const struct sym *s);
/* Must the order of p and q be kept? */
bool plan_conflict(const struct work_kernel *p, const struct work_kernel *q);
/* Is the access element [k.batch, k.at..] of its symbol? */
bool plan_own_element(const struct kernel *k, const struct node *access);
struct seq plan_free(const struct node *x);
/* x with other kids; x itself when they are the same. */
struct node *plan_rebuild(struct work *w, struct node *x, struct node **kid);
/* May x be computed for all values of its indices, whatever guards stand around it? */
bool plan_in_bounds(struct work *w, const struct node *x);
/* Do the guards hold subscript e within 0..size-1? */
bool plan_guarded(struct work *w, struct affine e, int64_t size, const struct guard *g, int n);

/* temps.c */
const struct sym *plan_temp(struct work *w, const struct seq *layout, enum values values);
struct node *plan_access(struct work *w, const struct sym *s, const struct seq *layout);
void plan_emit_loop(struct work *w, const struct sym *dst, const struct seq *layout,
                    bool accumulate, struct node *rhs);
struct work_kernel *plan_loop(struct work *w, const struct sym *dst,
                              const struct seq *layout); /* no stores */
void plan_emit(struct work *w, struct work_kernel *k);   /* appends; forgets what it overwrites */
/* x as an access to a temporary with this layout, computed now or already known. */
struct node *plan_materialise(struct work *w, struct node *x, const struct seq *layout);
/* An access to a symbol that is known to hold x, any layout; NULL: none. */
struct node *plan_known(struct work *w, struct node *x);
void plan_learn(struct work *w, const struct sym *s, const struct seq *layout, struct node *rhs);

/* matmul.c: C[m.., n..] = sum(k..) x*y */
struct factor {
	struct node *e;
	struct seq ix; /* its indices; of a plain access: in the order of storage */
	bool plain;    /* an access to a whole tensor, every subscript a different index */
};
struct product {
	struct factor x, y;
	struct seq m, n, k;
	/* NULL, or a batch index in none of these: a product for each of its rows; summed: their sum */
	const struct idx *row;
	bool summed;
	struct seq x_layout, y_layout;
	bool x_made, y_made; /* x (y) must be materialised in its layout */
	bool ta, tb;         /* stored [k, m], [n, k] */
	struct cut y_cut;    /* of y[k, n] */
	double cost;
};
struct factor plan_factor(struct node *e);
/* Is the sum over k of x*y a matrix product worth it?  Indices of `order` come in that order where
 * there is a choice; guarded: x and y stand under guards. */
bool plan_match(struct work *w, const struct factor *x, const struct factor *y, const struct seq *k,
                const struct seq *order, bool guarded, struct product *out);
struct seq plan_product_layout(const struct product *p); /* the row, m, n */
/* Computes p into a temporary, or finds it; an access to it. */
struct node *plan_product(struct work *w, struct product *p);
/* Can p be written to dst, stored as layout?  May swap x and y to make it so. */
bool plan_product_fits(struct product *p, const struct sym *dst, const struct seq *layout);
/* Does the guard make p's result zero outside of a cut? */
bool plan_product_cut(const struct product *p, const struct guard *g, struct cut *out);
/* cut: of the result; none where p goes onto dst. */
void plan_product_into(struct work *w, struct product *p, const struct sym *dst, struct node *alpha,
                       bool accumulate, struct cut cut);
bool plan_product_known(struct work *w, struct product *p);

/* The passes, in order. */
struct node *plan_merge(struct work *w, struct node *rhs);
void plan_contract(struct work *w);
/* turn: what is being assigned in turn, so that nothing that reads it is moved; else NULL */
struct node *plan_hoist(struct work *w, const struct seq *space, struct node *rhs,
                        const struct sym *turn);
bool plan_heavy(const struct node *x);
/* The kernel of a sequential statement whose right side is contracted. */
void plan_emit_turn(struct work *w, const struct stmt *s, const struct seq *layout,
                    struct node *rhs);
struct node *plan_expand(struct work *w, struct node *x); /* expand.c: a statement's right side */
/* convolve.c: a sum over the places of a smaller tensor instead of those of a larger one. */
struct node *plan_shift(struct work *w, struct node *x);
/* A sum that reads a tensor at places which shift with its result, from products with all of it; NULL: none. */
struct node *plan_spread(struct work *w, struct node *x);
/* scan.c, steps.c: running sums.  The statements of f, temporaries that hold running sums put back into what reads them. */
struct function plan_unfold(struct work *w, const struct function *f);
/* rhs with sums over running sums computed into temporaries; indices of `order` come in that order. */
struct node *plan_scan(struct work *w, const struct seq *order, struct node *rhs);
/* A sequential statement in which running sums can be kept: emits it; false: it is none. */
bool plan_steps_turn(struct work *w, const struct stmt *s);
void plan_repeat(struct work *w);
void plan_repr(struct work *w);
void plan_fuse(struct work *w);
void plan_regions(struct work *w, struct plan *p);
void plan_slots(struct work *w, struct plan *p);

#endif
