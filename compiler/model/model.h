/* model: the energy calculus.  p(x) is proportional to exp(-E(x)); from the terms of E follow the
 * conditionals, the blocks that may be sampled together, and what remains of E when a group of
 * variables is summed out.  Everything is derived by finite differences and derivatives of the terms;
 * what does not come out in closed form is refused, naming the term.
 *
 *     field of x[k]         f[k] = E(x[k] = lo) - E(x[k] = hi)          (log-odds of hi against lo)
 *     conditional           p(x[k] = hi | rest) = sigmoid(f[k]),   if f[k] is free of x
 *     marginal              -log sum_x exp(-E) = E(x = base) - sum_k (log-partition of f[k])
 *
 * The last layer that sees the AST (through sema). */
#ifndef DGM_MODEL_H
#define DGM_MODEL_H

#include "base/base.h"
#include "expr/expr.h"

enum group_role { GROUP_VISIBLE, GROUP_HIDDEN, GROUP_GIVEN };

/* What a domain's conditional is, given the field.  One row a domain in family.c. */
struct family {
	const char *domain;
	double lo, hi; /* the two values */
	/* expectation, and a draw from a uniform number u in (0, 1) */
	struct node *(*mean)(struct arena *a, struct node *field);
	struct node *(*draw)(struct arena *a, struct node *field, struct node *u);
	/* log sum over both values of exp(-energy), relative to the base value 0 when the energy is affine
	 * in the group, to lo otherwise */
	struct node *(*log_partition)(struct arena *a, struct node *field, bool affine);
	/* the field whose mean is m, and the value that undoes a flip: hi + lo - x */
	struct node *(*field_of_mean)(struct arena *a, struct node *m);
};

struct group { /* a declared variable */
	const char *name;
	enum group_role role;
	const struct family *family; /* NULL: no closed-form conditional is known for its domain */
	const char *domain;
	const struct sym *sym;
	const struct sym *mean; /* SYM_INPUT: its mean over the training data */
	struct span span;
};
struct weight { /* a declared parameter */
	const char *name;
	const struct sym *sym;
	const struct idx *at[MAX_RANK];
	struct node *init; /* over at[] */
	struct span span;
};
struct term {
	struct node *node;
	struct span span;
};
typedef VEC(struct term) energy; /* the sum of its terms */

struct model {
	struct arena *a;
	const char *name;
	VEC(struct group *) group;
	VEC(struct weight *) weight;
	energy E;
	const struct idx *batch; /* of every access to a group */
};

struct model_def; /* sema/sema.h */
struct model *model_build(struct cx *cx, const struct model_def *def);

/* ---- the calculus ------------------------------------------------------------------------------- */
struct conditional {
	const struct group *group;
	const struct idx *at[MAX_RANK]; /* the element */
	struct node *field;             /* over at[] and the batch index; free of the group */
	struct node *mean;
	struct span *term;              /* the terms it stems from */
	int nterm;
};
/* false: refused, with a diagnostic that names the term. */
bool model_conditional(struct cx *cx, const struct model *m, const energy *E, const struct group *g,
                       struct conditional *out);
/* E with every group of the role summed out, one after the other; false: refused, likewise (cx NULL:
 * without a word). */
bool model_sum_out(struct cx *cx, const struct model *m, const energy *E, enum group_role role, energy *out);
/* E with every hidden group summed out. */
bool model_free_energy(struct cx *cx, const struct model *m, const energy *E, energy *out);
/* Does the conditional of g depend on another group of its role? */
bool model_joined(const struct model *m, const energy *E, const struct group *g);
/* E with the other groups of g's role summed out: all of them, or those declared before g.  Drawing
 * the groups of a role from the last to the first, each given the later ones with the earlier ones
 * summed out, is a draw of all of them together. */
bool model_sum_out_others(struct cx *cx, const struct model *m, const energy *E,
                          const struct group *g, bool before, energy *out);
struct node *energy_node(struct arena *a, const energy *E); /* the sum as one expression */
void energy_push(struct arena *a, energy *E, struct node *x, struct span s);

struct block {
	VEC(const struct group *) group;
};
typedef VEC(struct block) block_vec;
/* Groups that may be drawn together: no term holds two groups of one block.  In the order of a sweep: blocks
 * of hidden groups first, blocks with visible groups last.  false: refused. */
bool model_blocks(struct cx *cx, const struct model *m, block_vec *out);

/* d F / d theta, F being E with the groups of `role` summed out: the conditional expectation of
 * dE/dtheta. `at` are the parameter's indices.  Where dE/dtheta is affine in each of those groups,
 * and those in it depend on no other group of the role, it is dE/dtheta with the groups left in it,
 * to be read at their conditional means (*at_means true), else the derivative of F. */
struct node *model_gradient(const struct model *m, const energy *E, const energy *F, enum group_role role,
                            const struct weight *w, const struct idx *const *at, bool *at_means);

/* Fresh indices over the axes of a symbol. */
void fresh_axes(struct arena *a, const struct sym *s, const struct idx **at);
void model_print(struct cx *cx, const struct model *m, FILE *out); /* dgm emit --stage=model */

#endif
