/* model: the energy calculus.  p(x) is proportional to exp(-E(x)); from the terms of E follow the
 * conditionals, the blocks that may be sampled together, and what remains of E when a group of
 * variables is summed out.  Everything is derived by finite differences and derivatives of the terms;
 * what does not come out in closed form is refused, naming the term.
 *
 * The conditional of a group x is read off the field of its element k, by the domain's shape:
 *     two-valued   f = E(x[k] = lo) - E(x[k] = hi)               p(hi) = sigmoid(f)
 *     blocks       f = E(block at base) - E(block at x[k] = 1)   p = softmax of f over the block
 *                  base: 0, or a block's first unit 1 where 0 is no state and a term is not defined there
 *     Gaussian     a = d2E/dx[k]2, f = -dE/dx[k] at x = 0        normal(f/a, 1/a)
 *     exponential  f = -dE/dx[k]                                 p proportional to base(x)*exp(f*x)
 *     total n      f = -dE/dx[k]                                 multinomial(n, softmax of f over the block)
 *     Gamma        f = -dE/dx[k], g = -dE/dlog x[k]              p proportional to x^g*exp(f*x)
 * and is closed when f (and a, g) are free of x.  The units of a block, of which one or at most one is 1 (or
 * whose counts have a total), are one unit in all of this: they are never coupled to each other.  Then E = E(x = base) + sum over the blocks of their
 * contributions, so that summing x out leaves E(x = base) - sum over blocks of the log-partition.
 *
 * The last layer that sees the AST (through sema). */
#ifndef DGM_MODEL_H
#define DGM_MODEL_H

#include "base/base.h"
#include "expr/expr.h"

enum group_role { GROUP_VISIBLE, GROUP_HIDDEN, GROUP_GIVEN };

enum shape { SHAPE_TWO, SHAPE_ONEHOT, SHAPE_GAUSS, SHAPE_EXPONENTIAL, SHAPE_TOTAL, SHAPE_GAMMA };

/* What a domain's conditional is, given the field (and, for Gaussians, the precision). */
struct conditional;
struct family {
	const char *domain, *rule; /* the constraint behind the domain; NULL: none */
	enum shape shape;
	bool empty; /* one-hot: a block may be all 0 */
	double lo, hi; /* the least and greatest value; the two of a two-valued unit */
	double start;  /* a mean to start chains at (one-hot: of any value, they are normalised) */
	struct node *(*mean)(struct arena *a, const struct conditional *c); /* over c->b */
	/* log of the sum (integral) over a block's values of exp(-energy), relative to x = base */
	struct node *(*log_partition)(struct arena *a, const struct conditional *c, double base);
	/* a draw of an element from a uniform u or a standard normal z; NULL: drawn by block */
	struct node *(*draw)(struct arena *a, const struct conditional *c, struct node *u, struct node *z);
	/* the energy of the base measure at x; NULL: 0 */
	struct node *(*base)(struct arena *a, struct node *x);
	/* the f (and precision *p) of the energy -f*x + p*x^2/2 of an independent unit with mean m, variance v */
	struct node *(*natural)(struct arena *a, struct node *m, struct node *v, struct node **p);
	bool continuous; /* the values fill an interval, so that a gradient can be followed in it */
};

struct group { /* a declared variable */
	const char *name;
	enum group_role role;
	const struct family *family;
	const char *domain;
	const struct sym *sym;
	const struct sym *mean; /* SYM_INPUT: its mean over the training data */
	const struct sym *var;  /* SYM_INPUT: its variance there, for Gaussian units; else NULL */
	int64_t block[MAX_RANK]; /* extent of a block in each axis, a divisor of it: 1 where none goes along it */
	const struct sym *log;   /* stands for log of it, Gamma shape; else NULL */
	const struct sym *total; /* of a block's counts, over the axes of blocks; NULL: none */
	double extra; /* in a part of a model: what the other groups add to its field counts 1 + extra times */
	struct span span;
};
struct weight { /* a declared parameter */
	const char *name;
	const struct sym *sym;
	const struct idx *at[MAX_RANK];
	struct node *init; /* over at[] */
	double orthonormal; /* then its rows or columns at right angles, with this norm; 0: as they are */
	struct span span;
};
struct term {
	struct node *node;
	struct span span;
};
typedef VEC(struct term) energy; /* the sum of its terms */

/* What is computed once and used by name: rhs over at[] and the batch index; noise: a draw alone. */
struct definition {
	const struct sym *sym;
	const struct idx *at[MAX_RANK];
	struct node *rhs;
	bool state; /* computed step by step along at[0], each step from those before it */
	const struct sym *average; /* in training: the mean of rhs over the batch; this parameter keeps a running
	                              mean of it, which it is elsewhere.  NULL: rhs */
	struct span span;
};
struct net { /* one that the model calls, and its value */
	const char *name;
	const struct sym *value;
};
/* A directed factor: the distribution of a group given others, by element or by block. */
struct factor {
	const struct group *group;
	const char *dist;               /* NULL: the group is computed, not drawn */
	const struct idx *at[MAX_RANK]; /* all axes of the group */
	int block;                      /* of which the last so many make one draw */
	struct node *log_density;       /* over the other axes, times `where`; NULL where computed */
	struct node *where;             /* NULL: 1 */
	struct node *draw;              /* over all axes, from noise; NULL: one of the block, by its means */
	struct node *mean, *variance;   /* over all axes; NULL: no closed form */
	struct node *lowest, *highest;  /* over the other axes: the ends of what has a density; NULL: those of the domain */
	struct node *total;             /* of a block where the density is on those with this sum alone; NULL: it is not */
	struct node *const *argument;   /* of the distribution, over the other axes and their own */
	int nargument;
	const struct sym *order;        /* its elements read those before them in the order of these values; NULL: of
	                                   their indices */
	struct span span;
};

struct from { /* an input of initial values: a parameter of another model */
	const char *model, *weight;
	const struct sym *sym;
	struct span span;
};

struct model {
	struct arena *a;
	const char *name;
	VEC(struct group *) group;
	VEC(struct weight *) weight;
	VEC(struct from) from;
	energy E;
	const struct idx *batch; /* of every access to a group */
	const struct sym *training; /* in formulas: 1 while gradients are computed, else 0 */
	VEC(struct definition *) def; /* each uses those before it */
	VEC(struct net) net;
	VEC(struct group *) absent; /* of a part: the groups left out */
	VEC(struct factor *) factor, posterior; /* each reads groups of those before it, and itself in order */
	/* Where some groups have factors and the energy is of the others: those others, p(z) proportional to
	 * exp(-E(z)); the ones that a posterior draws are visible in it.  Else NULL. */
	bool walk; /* of a hidden group there is but a posterior: x -> hidden -> x -> ..., and p(x) what that comes to */
	struct model *prior;
};

struct model_def; /* sema/sema.h */
struct model *model_build(struct cx *cx, const struct model_def *def);

/* ---- a part of a model (part.c) ----------------------------------------------------------------------
 * The energy with the groups that are not in `keep` at 0; those in `data` are visible, whatever they were.  A
 * group hears fewer of its neighbours than in the whole model: what it hears of them counts neighbours/present
 * times (Salakhutdinov & Hinton 2009: doubled for a layer between two of which one is absent).  These conditionals
 * have in general no common energy.  NULL: refused. */
struct model *model_part(struct cx *cx, const struct model *m, const bool *keep, const bool *data, struct span at);
bool model_whole(const struct model *m); /* do all groups hear all neighbours? */

/* ---- directed factors (directed.c) ------------------------------------------------------------------ */
const struct factor *model_factor(const struct model *m, const struct group *g);    /* NULL: none */
const struct factor *model_posterior(const struct model *m, const struct group *g); /* NULL: none */
/* The factor and those of its kind that depend on it as it does on them, in their order: they alternate, step by
 * step.  Returns how many; out has room for all. */
int model_company(const struct model *m, const struct factor *f, const struct factor **out);
/* Has every group but the given ones a factor?  Then log Z is 0. */
bool model_normalised(const struct model *m);
/* How many draws the factor is made of; of all those in an order of values: sample.element runs so many times. */
int64_t factor_elements(const struct factor *f);
int64_t model_in_order(const struct model *m);
/* x with all it uses by name put in its place, as it is outside training. */
struct node *model_inline(const struct model *m, struct node *x);
struct node *model_inline_when(const struct model *m, struct node *x, bool training);
/* x in training, or outside it. */
struct node *model_when(const struct model *m, struct node *x, bool training);
/* Does x read the group or the parameter, through what it uses by name too? */
bool model_reads(const struct model *m, const struct node *x, const struct sym *s);
bool model_reads_states(const struct model *m); /* does the energy? */
/* steps.c: of an energy that is a sum of energies of steps, each with variables of its own, their number; 1: there is
 * but one.  The part of x, made of such an energy or of what variables are summed out of, at a step; NULL: not found. */
int64_t model_steps(const struct model *m);
struct node *model_at_step(const struct model *m, struct node *x, const struct idx *step);
/* log of the density of a factor, summed over its elements. */
struct node *factor_log_density(const struct model *m, const struct factor *f);
bool factor_drawn(const struct factor *f); /* has it a draw, or the means of a block to draw by? */

/* ---- the calculus ------------------------------------------------------------------------------- */
struct blocks { /* an element by its block and its place in it: element k[i] = size*block + in */
	int n, m;
	const struct idx *block[MAX_RANK]; /* one an axis along which there are several blocks */
	const struct idx *in[MAX_RANK];    /* one an axis along which a block has several units */
	struct affine k[MAX_RANK];
};
struct conditional {
	const struct group *group;
	const struct idx *at[MAX_RANK]; /* the element */
	struct blocks b;                /* the same element; block[i] is at[i] where blocks are single units */
	struct node *field;             /* over at[] and the batch index; free of the group */
	struct node *inner;             /* the same over b */
	struct node *total;             /* over b.block; NULL: none */
	struct node *precision;         /* Gaussian shape: d2E/dx2; Gamma shape: g; else NULL */
	bool coupled;                   /* the field mentions other units of the group */
	struct node *mean;              /* over at[] */
	struct node *inner_mean;        /* over b */
	struct span *term;              /* the terms it stems from */
	int nterm;
};
/* The element at[] by its block and its place in it. */
struct blocks model_places(struct arena *a, const struct group *g, const struct idx *const *at);
double block_units(const struct group *g); /* units of a block */
/* An expression over the block and the place in it as one over the element. */
struct node *model_at_element(struct arena *a, const struct conditional *c, struct node *x);
/* The conditional that an element has if it is closed, given all others, its own group's too. */
void model_field(const struct model *m, const energy *E, const struct group *g, struct conditional *out);
/* A term with the group at its base: `base`, but one-hot blocks at the state that their field is measured from. */
struct node *model_at_base(const struct model *m, const struct group *g, struct node *t, double base);
/* Has an element given all others a conditional in closed form: f (and a) free of the element?  false: *why is the
 * term in the way (why may be NULL). */
bool model_closed(const struct model *m, const energy *E, const struct group *g, const struct term **why);
/* The conditional of one element given all others; false: it is not closed, or not bounded: refused. */
bool model_element(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                   struct conditional *out);
/* Is a polynomial in a real unit one that grows to both sides, as far as its highest power tells?  false: refused. */
/* Is no part of the energy or of a log-density infinite or no number, as far as constants and finite domains tell?  Else a diagnostic. */
bool model_finite(struct cx *cx, const struct model *m);
bool model_bounded(struct cx *cx, const struct model *m, const energy *E, const struct group *g);
/* The same where the group's blocks are independent given the rest; else refused, naming the term. */
bool model_conditional(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                       struct conditional *out);
/* Classes of blocks that are independent given the others, of a coupled group: (sum of weight[d]*b.block[d]) mod n. */
struct colouring {
	int n;
	int64_t weight[MAX_RANK];
};
/* false: none is found, or it has too many classes. */
bool model_colour(struct arena *a, const struct conditional *c, struct colouring *out);
/* What is taken mod n. */
struct affine model_class(struct arena *a, const struct conditional *c, const struct colouring *k);
/* The energy sum of -f*x + p*x^2/2 over the elements of g; f and p are expressions over at, p may be NULL. */
struct node *model_independent(const struct model *m, const struct group *g, const struct idx *const *at,
                               struct node *f, struct node *p);
/* An order in which groups can be summed out one after the other, each in closed form: slabs before spikes.
 * Drawn in the reverse order, each from the energy `before` it was summed out, they are a joint draw. */
struct elimination {
	int n;
	const struct group **group;
	energy *before;
	energy rest; /* with all summed out */
};
/* which: one a group of the model.  false: there is no such order. */
bool model_eliminate(const struct model *m, const energy *E, const bool *which, struct elimination *out);
const bool *model_role(const struct model *m, enum group_role role); /* the groups of a role */
/* E with the groups summed out; false: refused, naming the term (cx NULL: without a word). */
bool model_sum_out(struct cx *cx, const struct model *m, const energy *E, const bool *which, energy *out);
/* Does the group's conditional depend on another of the groups `which`? */
bool model_joined(const struct model *m, const struct group *g, const bool *which);
/* One group summed out; false, and out untouched, where that has no closed form. */
bool model_sum_out_group(const struct model *m, const energy *E, const struct group *g, energy *out);
/* E with every hidden group summed out. */
bool model_free_energy(struct cx *cx, const struct model *m, const energy *E, energy *out);
struct node *energy_node(struct arena *a, const energy *E); /* the sum as one expression */
void energy_push(struct arena *a, energy *E, struct node *x, struct span s);

/* Is each product of units of the group in x, a polynomial in them, one of different blocks, as the subscripts tell? */
bool model_apart(struct arena *a, const struct group *g, struct node *x);
/* May the expectation of E under independent units be had by putting means for the units of the groups
 * `which`?  It may where E is affine in each of them, or holds products of different units only; false:
 * refused, naming the term (cx NULL: without a word). */
bool model_factorises(struct cx *cx, const struct model *m, const energy *E, const bool *which);

struct block {
	VEC(const struct group *) group;
};
typedef VEC(struct block) block_vec;
/* Groups that may be drawn together: no term holds two groups of one block.  In the order of a sweep: blocks
 * of hidden groups first, blocks with visible groups last.  false: refused. */
bool model_blocks(struct cx *cx, const struct model *m, block_vec *out);

/* d F / d theta, F being E with the groups `which` summed out: the conditional expectation of dE/dtheta.
 * `at` are the parameter's indices.  Where dE/dtheta is affine in each of those groups it is dE/dtheta with
 * the groups left in it, to be read at their conditional means (*at_means true), else the derivative of F.  F NULL: dE/dtheta in any case. */
struct node *model_gradient(const struct model *m, const energy *E, const energy *F, const bool *which,
                            const struct weight *w, const struct idx *const *at, bool *at_means);

/* Fresh indices over the axes of a symbol. */
void fresh_axes(struct arena *a, const struct sym *s, const struct idx **at);
/* The same, with the names that the energy gives them. */
void model_axes(const struct model *m, const struct sym *s, const struct idx **at);
/* Is w a coupling and no bias?  dE/dw joins units, or a definition sums over products of w with what depends on
 * the example. */
bool model_coupling(const struct model *m, const struct weight *w);
void model_print(struct cx *cx, const struct model *m, FILE *out); /* dgm emit --stage=model */

#endif
