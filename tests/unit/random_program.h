/* Random programs over a few tensors: products, sums, guards, shifted accesses, draws. */
#ifndef RANDOM_PROGRAM_H
#define RANDOM_PROGRAM_H
#include "plan_case.h"

static const int64_t kind_size[] = {8, 6, 4};

struct scope { /* the indices a random expression may use: of each kind one or two, and one batch
	              index */
	const struct idx *ix[16];
	int nix;
	const struct idx *n;
	int depth;
};

static const struct idx *scope_idx(struct scope *s, int64_t size, struct scope *bound)
{
	for (int tries = 0; tries < 6 && s->nix; tries++) {
		const struct idx *x = s->ix[pick(s->nix)];
		if (x->size == size && pick(4))
			return x;
	}
	const struct idx *x = ix(size == 8 ? "p" : size == 6 ? "q" : "r", size);
	s->ix[s->nix++] = x;
	bound->ix[bound->nix++] = x;
	return x;
}

/* A random access; indices that nothing binds yet are added to both scopes. */
static struct node *random_access(const struct sym *skip, struct scope *s, struct scope *bound)
{
	const struct tensor *t;
	do
		t = &prog->tensor.at[pick(prog->tensor.n)];
	while (t->sym == skip || t->space == SPACE_GRAD || s->nix + t->sym->rank > 6 ||
	       (t->pop >= 0 && s->n && s->n->pop != t->pop));
	if (t->pop >= 0 && !s->n)
		s->n = bound->n = batch("m", t->pop);
	struct affine at[MAX_RANK];
	struct guard g[2 * MAX_RANK];
	int ng = 0;
	for (int i = 0; i < t->sym->rank; i++) {
		int64_t size = t->sym->dim[i];
		at[i] = affine_idx(cx.prog, scope_idx(s, size, bound));
		if (pick(12))
			continue;
		at[i] = affine_add(cx.prog, at[i], affine_const(1), 1);
		g[ng++] = (struct guard){false, affine_add(cx.prog, affine_const(size - 1), at[i], -1)};
	}
	return ex_mask(cx.prog, g, ng, ex_access(cx.prog, t->sym, t->pop >= 0 ? s->n : NULL, at));
}

/* A random product, summed over what it binds. */
static struct node *random_sum(const struct sym *skip, struct scope outer)
{
	struct scope s = outer, bound = {.nix = 0};
	struct node *x = ex_num(cx.prog, 0.3);
	s.depth++;
	for (int n = 1 + pick(4); n > 0; n--) {
		struct node *f = random_access(skip, &s, &bound);
		if (!pick(5))
			f = add(f, random_access(skip, &s, &bound));
		if (!pick(5))
			f = sigmoid(f);
		if (!pick(8) && s.depth < 2)
			f = sigmoid(random_sum(skip, s));
		x = mul(x, f);
	}
	const struct idx *b[MAX_BOUND];
	int nb = 0;
	struct guard g;
	for (int i = 0; i < bound.nix; i++)
		b[nb++] = bound.ix[i];
	if (bound.n)
		b[nb++] = bound.n;
	bool guarded = nb > 0 && s.nix > 1 && !pick(5);
	if (guarded) {
		struct affine d = affine_add(cx.prog, affine_idx(cx.prog, s.ix[pick(s.nix)]),
		                             affine_idx(cx.prog, s.ix[pick(s.nix)]), -1);
		g = (struct guard){!pick(4), affine_add(cx.prog, d, affine_const(pick(2)), 1)};
	}
	return ex_reduce(cx.prog, !guarded && !pick(12) && nb ? RED_MAX : RED_SUM, b, nb, &g, guarded,
	                 x);
}

static void random_stmt(void)
{
	if (fun->nstmt && !pick(4)) { /* the same again, of what is there by now */
		program_stmt(prog, fun, fun->stmt[pick(fun->nstmt)]);
		return;
	}
	const struct tensor *t;
	do
		t = &prog->tensor.at[pick(prog->tensor.n)];
	while (t->space == SPACE_SCALAR);
	struct scope s = {.nix = 0};
	struct stmt st = {.dst = t->sym,
	                  .accumulate =
	                      t->space != SPACE_TEMP && t->sym->values == VALUES_REAL && !pick(3)};
	for (int i = 0; i < t->sym->rank; i++)
		st.at[i] = s.ix[s.nix++] = ix(i == 0 ? "i" : i == 1 ? "j" : "k", t->sym->dim[i]);
	st.batch = s.n = t->pop >= 0 ? batch("n", t->pop) : NULL;
	st.sequential = t->pop >= 0 && t->sym->rank > 0 && !pick(3);
	st.inner = st.sequential ? pick(t->sym->rank + 1) : 0;
	const struct sym *skip = st.sequential ? NULL : t->sym;
	struct node *x = random_sum(skip, s);
	for (int n = pick(3); n > 0; n--)
		x = add(x, ex_scale(cx.prog, 1 + pick(3), random_sum(skip, s)));
	if (t->space != SPACE_TEMP && !pick(4) && t->sym->values == VALUES_REAL)
		x = add(x, ex_scale(cx.prog, 0.5, ex_at(cx.prog, t->sym, st.batch, st.at)));
	if (pick(2) || t->space != SPACE_GRAD)
		x = ex_op1(cx.prog, OP_TANH, ex_scale(cx.prog, 0.1, x));
	if (t->sym->values == VALUES_BINARY)
		x = bernoulli(sigmoid(x));
	st.rhs = x;
	program_stmt(prog, fun, st);
}

static void random_tensors(void)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "l", "o", "s", "t"};
	for (int i = 0; i < 12; i++) {
		int64_t dim[3];
		int rank = i < 5 ? 1 + pick(3) : i < 10 ? pick(8) > 0 ? 1 : pick(3) : pick(3);
		for (int k = 0; k < rank; k++)
			dim[k] = kind_size[pick(3)];
		if (i < 4) {
			const struct sym *p =
			    tensor(names[i], SPACE_PARAM, -1, VALUES_REAL, NULL, (size_t)rank, dim);
			tensor(arena_printf(cx.prog, "g%s", names[i]), SPACE_GRAD, -1, VALUES_REAL, p,
			       (size_t)rank, dim);
		} else
			tensor(names[i], SPACE_STATE,
			       i < 5         ? -1
			       : pick(4) > 0 ? data
			                     : chains,
			       pick(2) && i >= 5 ? VALUES_BINARY : VALUES_REAL, NULL, (size_t)rank, dim);
	}
	tensor("beta", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
}

static inline void random_functions(int *stmts)
{
	for (int f = 0; f < 2; f++) {
		fun = program_function(prog, f ? "f1" : "f0");
		for (int n = 1 + pick(6); n > 0; n--, ++*stmts)
			random_stmt();
	}
}

#endif
