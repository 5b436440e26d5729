/* Figures of a batch, one number a row: free energy, reconstruction error, pseudo-likelihood; and
 * the sums over all states that make log Z and the exact likelihood's gradient. */
#include "objective/internal.h"

/* The energy of the visible groups' base measures at the examples: sum of log n! for counts. */
struct node *base_measure(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != GROUP_VISIBLE || g->family->base == NULL)
			continue;
		fresh_axes(a, g->sym, at);
		struct node *b = g->family->base(a, ex_at(a, g->sym, x->m->batch, at));
		sum = ex_add(a, sum, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, b));
	}
	return sum;
}

bool objective_free_energy(struct expansion *x)
{
	energy F;
	if (x->m->prior)
		return objective_prior_bound(x);
	if (x->m->factor.n)
		return objective_directed_nll(x, "free_energy");
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct function *f = program_function(x->p, "free_energy");
	own_states(x, f);
	struct node *e = ex_add(x->cx->prog, energy_node(x->cx->prog, &F), base_measure(x));
	assign(x, f, out_sym(x, "free_energy", POP_DATA), x->m->batch, NULL, e);
	return true;
}

/* sum_i (v[i] - E[v[i] | h = E[h | v]])^2 over the visible groups. */
bool objective_reconstruction(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	if (x->m->factor.n)
		return objective_posterior_reconstruction(x);
	struct function *f = program_function(x->p, "reconstruction");
	own_states(x, f);
	struct walkers data = walkers_data(x);
	struct walkers up = walkers_means(x, "up", &data, GROUP_HIDDEN);
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		energy E = x->m->E;
		if (g->role != GROUP_HIDDEN)
			continue;
		bool *others = NEW_ARRAY(a, bool, x->m->group.n);
		for (int k = 0; k < x->m->group.n; k++)
			others[k] = k != i && x->m->group.at[k]->role == GROUP_HIDDEN;
		if (model_joined(x->m, g, model_role(x->m, GROUP_HIDDEN)) &&
		    !model_sum_out(x->cx, x->m, &x->m->E, others, &E))
			return false;
		if (!mean_group(x, f, &E, g, &data, up.state[i]))
			return false;
	}
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		struct conditional c;
		if (g->role != GROUP_VISIBLE)
			continue;
		if (!model_element(x->cx, x->m, &x->m->E, g, &c))
			return false;
		struct node *v = ex_at(a, g->sym, x->m->batch, c.at);
		struct node *d = ex_op2(a, OP_POW, ex_sub(a, v, at_walkers(x, c.mean, &up)), ex_num(a, 2));
		sum = ex_add(a, sum, ex_reduce(a, RED_SUM, c.at, g->sym->rank, NULL, 0, d));
	}
	assign(x, f, out_sym(x, "reconstruction", POP_DATA), x->m->batch, NULL, sum);
	return true;
}

/* F(v) - F(v with v[at] flipped) */
struct node *flip_gap(struct expansion *x, const energy *F, const struct group *g,
                      const struct idx *const *at)
{
	struct arena *a = x->cx->prog;
	struct affine k[MAX_RANK];
	for (int r = 0; r < g->sym->rank; r++)
		k[r] = affine_idx(a, at[r]);
	struct node *v = ex_at(a, g->sym, x->m->batch, at);
	struct node *flipped = ex_sub(a, ex_num(a, g->family->hi + g->family->lo), v);
	struct node *gap = ex_num(a, 0);
	for (int t = 0; t < F->n; t++)
		gap = ex_add(a, gap, ex_delta(a, F->at[t].node, g->sym, k, v, flipped));
	return gap;
}

/* Two values: log p(v[k] | rest) = -softplus(F(v) - F(v with v[k] flipped)), summed over k. */
static struct node *flip_score(struct expansion *x, const energy *F, const struct group *g)
{
	struct arena *a = x->cx->prog;
	const struct idx *at[MAX_RANK];
	fresh_axes(a, g->sym, at);
	struct node *miss = ex_op1(a, OP_SOFTPLUS, flip_gap(x, F, g, at));
	return ex_neg(a, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, miss));
}

/* Blocks: log p(block | rest) = sum over its units of v*f - log-partition, f the field in F. */
static struct node *onehot_score(struct expansion *x, const energy *F, const struct group *g)
{
	struct arena *a = x->cx->prog;
	struct conditional c;
	model_element(x->cx, x->m, F, g, &c);
	struct node *score = ex_mul(a, ex_at(a, g->sym, x->m->batch, c.at), c.field);
	struct node *total = ex_reduce(a, RED_SUM, c.at, g->sym->rank, NULL, 0, score);
	struct node *norm = g->family->log_partition(a, &c, 0);
	return ex_sub(a, total, ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, norm));
}

struct node *pseudo_log_likelihood(struct expansion *x, const energy *F)
{
	struct arena *a = x->cx->prog;
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role != GROUP_VISIBLE)
			continue;
		if (g->family->shape == SHAPE_TWO) {
			sum = ex_add(a, sum, flip_score(x, F, g));
		} else if (g->family->shape == SHAPE_ONEHOT) {
			sum = ex_add(a, sum, onehot_score(x, F, g));
		} else {
			diag(x->cx->diags, DIAG_PSEUDO, g->span, g->name, g->domain);
			return NULL;
		}
	}
	return sum;
}

bool of_energy(struct expansion *x, const char *what)
{
	if (x->m->E.n || !x->m->factor.n)
		return true;
	diag(x->cx->diags, DIAG_OF_ENERGY, x->m->factor.at[0]->span, what, x->m->name);
	return false;
}

bool objective_pseudo_likelihood(struct expansion *x)
{
	energy F;
	if (!of_energy(x, "pseudo_likelihood") || !model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct node *sum = pseudo_log_likelihood(x, &F);
	struct function *f = program_function(x->p, "pseudo_likelihood");
	own_states(x, f);
	if (sum)
		assign(x, f, out_sym(x, "pseudo_likelihood", POP_DATA), x->m->batch, NULL, sum);
	return sum != NULL;
}

/* ---- enumeration ---- */
int64_t group_units(const struct group *g)
{
	int64_t n = 1;
	for (int k = 0; k < g->sym->rank; k++)
		n *= g->sym->dim[k];
	return n;
}

/* Tries to enumerate the two-valued groups of the roles, of none as well, everything else summed
 * out. */
static bool try_states(const struct model *m, bool visible, bool hidden, struct states *out)
{
	struct states s = {.F = {0}};
	bool *listed = NEW_ARRAY(m->a, bool, m->group.n), *rest = NEW_ARRAY(m->a, bool, m->group.n);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		bool role = g->role == GROUP_VISIBLE ? visible : g->role == GROUP_HIDDEN && hidden;
		listed[i] = role && g->family->shape == SHAPE_TWO;
		rest[i] = !listed[i] && g->role != GROUP_GIVEN;
		s.units += listed[i] ? group_units(g) : 0;
	}
	s.listed = listed;
	s.rest = rest;
	if ((s.units == 0 && (visible || hidden)) || (out->listed && s.units >= out->units) ||
	    !model_sum_out(NULL, m, &m->E, rest, &s.F))
		return false;
	*out = s;
	return true;
}

bool objective_states(struct cx *cx, const struct model *m, struct states *out)
{
	*out = (struct states){.units = 0};
	try_states(m, false, false, out);
	try_states(m, true, false, out);
	try_states(m, false, true, out);
	try_states(m, true, true, out);
	if (out->listed)
		return true;
	bool *rest = NEW_ARRAY(m->a, bool, m->group.n);
	for (int i = 0; i < m->group.n; i++)
		rest[i] = m->group.at[i]->role != GROUP_GIVEN && m->group.at[i]->family->shape != SHAPE_TWO;
	diag(cx->diags, DIAG_ENUMERATE, m->group.at[0]->span, m->name);
	model_sum_out(cx, m, &m->E, rest, &out->F); /* names the term in the way */
	return false;
}

bool objective_enumerate(struct expansion *x, bool gradient)
{
	struct arena *a = x->cx->prog;
	struct states st;
	if (x->m->prior)
		x = expansion_prior(x);
	if (!without_given(x, "enumeration") || !objective_states(x->cx, x->m, &st))
		return false;
	struct walkers w = walkers_new(x, "states", POP_STATES);
	struct function *f = program_function(x->p, "enum.energy");
	assign(x, f, out_sym(x, "enum.energy", POP_STATES), w.batch, NULL,
	       at_walkers(x, energy_node(a, &st.F), &w));
	if (!gradient)
		return true;
	x->exact = true;
	const struct sym *weight = out_sym(x, "enum.weight", POP_STATES);
	struct walkers mean = w;
	const struct sym **state = NEW_ARRAY(a, const struct sym *, x->m->group.n);
	f = program_function(x->p, "enum.grad");
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		state[i] = w.state[i];
		if (!st.rest[i] || model_joined(x->m, g, st.rest))
			continue;
		state[i] = mean_sym(x, g, "states.mean", POP_STATES);
		if (!mean_group(x, f, &x->m->E, g, &w, state[i]))
			return false;
	}
	mean.state = state;
	for (int i = 0; i < x->m->weight.n; i++) {
		const struct weight *wt = x->m->weight.at[i];
		struct stmt s = {.dst = x->grad[i], .accumulate = true};
		if (x->frozen[i])
			continue;
		fresh_axes(a, wt->sym, s.at);
		s.rhs = ex_scale(
		    a, -x->scale,
		    statistic(x, &st.F, wt, s.at, &mean, st.rest, ex_access(a, weight, w.batch, NULL)));
		program_stmt(x->p, f, s);
	}
	return true;
}
