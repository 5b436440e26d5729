/* Energies of steps that are independent of one another: E = sum over t of E_t(v[t], h[t]), t the
 * first axis of all variables; given variables and states of earlier steps may stand anywhere.  So
 * are the free energies that are made of it, term by term.
 *
 * requires: a built model. */
#include "model/directed.h"

int64_t model_steps(const struct model *m)
{
	int64_t T = 0;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role == GROUP_GIVEN)
			continue;
		if (!g->sym->rank || g->block[0] != 1 || (T && T != g->sym->dim[0]))
			return 1;
		T = g->sym->dim[0];
	}
	for (int i = 0; i < m->E.n; i++) {
		struct node **term;
		int n = ex_terms(m->E.at[i].node, &term);
		for (int k = 0; k < n; k++) {
			const struct affine *t = NULL;
			if (!directed_one_step(m, term[k], &t))
				return 1;
		}
	}
	return T;
}

static bool has_variables(const struct model *m, const struct node *x)
{
	bool has = false;
	for (int i = 0; i < m->group.n && !has; i++)
		has = m->group.at[i]->role != GROUP_GIVEN && ex_mentions(x, m->group.at[i]->sym);
	return has;
}

/* x with kid k another. */
static struct node *with_kid(struct arena *a, const struct node *x, int k, struct node *to)
{
	struct node **kid = arena_copy(a, x->kid, sizeof *kid * (size_t)x->nkid);
	kid[k] = to;
	if (x->kind == N_OP)
		return ex_op(a, x->op, kid, x->nkid);
	if (x->kind == N_MASK)
		return ex_mask(a, x->guard, x->nguard, to);
	return ex_reduce(a, x->red, x->bound, x->nbound, x->guard, x->nguard, to);
}

/* The sum x over t at t = at. */
static struct node *sum_at(struct arena *a, const struct node *x, const struct guard *here)
{
	struct guard *g = NEW_ARRAY(a, struct guard, x->nguard + 1);
	for (int k = 0; k < x->nguard; k++)
		g[k] = x->guard[k];
	g[x->nguard] = *here;
	return ex_reduce(a, RED_SUM, x->bound, x->nbound, g, x->nguard + 1, x->kid[0]);
}

struct node *model_at_step(const struct model *m, struct node *x, const struct idx *step)
{
	struct arena *a = m->a;
	struct node **term, *sum = ex_num(a, 0);
	int n = ex_terms(x, &term), with = -1;
	if (n > 1) {
		for (int k = 0; k < n && sum; k++) {
			struct node *part = model_at_step(m, term[k], step);
			sum = part ? ex_add(a, sum, part) : NULL;
		}
		return sum;
	}
	const struct affine *t = NULL;
	bool one = directed_one_step(m, x, &t);
	struct affine at = one && t ? *t : affine_const(0);
	struct guard here = {true, affine_add(a, at, affine_idx(a, step), -1)};
	if (one && !at.n)
		return ex_mask(a, &here, 1, x);
	for (int k = 0; one && k < x->nbound; k++)
		if (x->bound[k] == affine_single(at))
			return x->red == RED_SUM ? sum_at(a, x, &here) : NULL;
	for (int k = 0; k < x->nkid; k++) {
		if (has_variables(m, x->kid[k]) && with >= 0)
			return NULL;
		with = has_variables(m, x->kid[k]) ? k : with;
	}
	bool linear = x->kind == N_MASK || (x->kind == N_OP && x->op == OP_MUL) ||
	              (x->kind == N_REDUCE && x->red == RED_SUM);
	struct node *kid = linear && with >= 0 ? model_at_step(m, x->kid[with], step) : NULL;
	return kid ? with_kid(a, x, with, kid) : NULL;
}
