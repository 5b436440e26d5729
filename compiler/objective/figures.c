/* Figures of a batch, one number a row: free energy, reconstruction error, pseudo-likelihood; and
 * the sums over all states that make log Z and the exact likelihood's gradient. */
#include "objective/internal.h"

bool objective_free_energy(struct expansion *x)
{
	energy F;
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct function *f = program_function(x->p, "free_energy");
	struct node *e = energy_node(x->cx->prog, &F);
	assign(x, f, out_sym(x, "free_energy", POP_DATA), x->m->batch, NULL, e);
	return true;
}

/* sum_i (v[i] - E[v[i] | h = E[h | v]])^2 over the visible groups. */
bool objective_reconstruction(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	struct function *f = program_function(x->p, "reconstruction");
	struct walkers data = walkers_data(x);
	struct walkers up = walkers_means(x, "up", &data, GROUP_HIDDEN);
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		energy E = x->m->E;
		if (g->role != GROUP_HIDDEN)
			continue;
		if (model_joined(x->m, &E, g) && !model_sum_out_others(x->cx, x->m, &x->m->E, g, false, &E))
			return false;
		if (!mean_group(x, f, &E, g, &data, up.state[i]))
			return false;
	}
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		struct conditional c;
		if (g->role != GROUP_VISIBLE)
			continue;
		if (!model_conditional(x->cx, x->m, &x->m->E, g, &c))
			return false;
		struct node *v = ex_at(a, g->sym, x->m->batch, c.at);
		struct node *d = ex_op2(a, OP_POW, ex_sub(a, v, at_walkers(x, c.mean, &up)), ex_num(a, 2));
		sum = ex_add(a, sum, ex_reduce(a, RED_SUM, c.at, g->sym->rank, NULL, 0, d));
	}
	assign(x, f, out_sym(x, "reconstruction", POP_DATA), x->m->batch, NULL, sum);
	return true;
}

/* log p(v[k] | rest) = -softplus(F(v) - F(v with v[k] flipped)), summed over k. */
bool objective_pseudo_likelihood(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	energy F;
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct function *f = program_function(x->p, "pseudo_likelihood");
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct affine k[MAX_RANK];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		for (int r = 0; r < g->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *v = ex_at(a, g->sym, x->m->batch, at);
		struct node *flipped = ex_sub(a, ex_num(a, g->family->hi + g->family->lo), v);
		struct node *gap = ex_num(a, 0);
		for (int t = 0; t < F.n; t++)
			gap = ex_add(a, gap, ex_delta(a, F.at[t].node, g->sym, k, v, flipped));
		struct node *lp = ex_neg(a, ex_op1(a, OP_SOFTPLUS, gap));
		sum = ex_add(a, sum, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, lp));
	}
	assign(x, f, out_sym(x, "pseudo_likelihood", POP_DATA), x->m->batch, NULL, sum);
	return true;
}

/* ---- enumeration
 * ---------------------------------------------------------------------------------------- */
static int64_t units_of(const struct model *m, enum group_role role)
{
	int64_t n = 0;
	for (int i = 0; i < m->group.n; i++) {
		int64_t items = 1;
		for (int k = 0; k < m->group.at[i]->sym->rank; k++)
			items *= m->group.at[i]->sym->dim[k];
		n += m->group.at[i]->role == role ? items : 0;
	}
	return n;
}

bool objective_enumerated(struct cx *cx, const struct model *m, enum group_role *side,
                          int64_t *units)
{
	int64_t nv = units_of(m, GROUP_VISIBLE), nh = units_of(m, GROUP_HIDDEN);
	energy F;
	*side = GROUP_HIDDEN;
	*units = nh;
	if (nh < nv && model_sum_out(NULL, m, &m->E, GROUP_VISIBLE, &F))
		return true;
	*side = GROUP_VISIBLE;
	*units = nv;
	return model_sum_out(cx, m, &m->E, GROUP_HIDDEN, &F);
}

bool objective_enumerate(struct expansion *x, bool gradient)
{
	struct arena *a = x->cx->prog;
	enum group_role side, other;
	int64_t units;
	energy F;
	if (!without_given(x, "enumeration") || !objective_enumerated(x->cx, x->m, &side, &units))
		return false;
	other = side == GROUP_HIDDEN ? GROUP_VISIBLE : GROUP_HIDDEN;
	if (!model_sum_out(x->cx, x->m, &x->m->E, other, &F))
		return false;
	struct walkers w = walkers_new(x, "states", POP_STATES);
	struct function *f = program_function(x->p, "enum.energy");
	assign(x, f, out_sym(x, "enum.energy", POP_STATES), w.batch, NULL,
	       at_walkers(x, energy_node(a, &F), &w));
	if (!gradient)
		return true;
	const struct sym *weight = out_sym(x, "enum.weight", POP_STATES);
	struct walkers mean = walkers_means(x, "states.mean", &w, other);
	f = program_function(x->p, "enum.grad");
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role == other && !model_joined(x->m, &x->m->E, g) &&
		    !mean_group(x, f, &x->m->E, g, &w, mean.state[i]))
			return false;
	}
	for (int i = 0; i < x->m->weight.n; i++) {
		const struct weight *wt = x->m->weight.at[i];
		struct stmt s = {.dst = x->grad[i], .accumulate = true};
		fresh_axes(a, wt->sym, s.at);
		s.rhs = ex_neg(
		    a, statistic(x, &F, wt, s.at, &mean, other, ex_access(a, weight, w.batch, NULL)));
		program_stmt(x->p, f, s);
	}
	return true;
}
