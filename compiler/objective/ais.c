/* Annealed importance sampling (Neal 2001), from the base-rate model of Salakhutdinov & Murray
 * (2008): visible units independent at the data's mean, everything else uniform.  With E_b = b*E +
 * (1 - b)*E_base,     F_b its free energy, a step from temperature b0 to b1 gives log-weight
 * F_b0(v) - F_b1(v) and one sweep of block Gibbs at b1. log Z of the base model is its free energy
 * with the visible groups summed out too. */
#include "objective/internal.h"

static void push_scaled(struct expansion *x, energy *out, const energy *E, struct node *scale)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < E->n; i++)
		energy_push(a, out, ex_mul(a, scale, E->at[i].node), E->at[i].span);
}

static energy tempered(struct expansion *x, const energy *base, struct node *b)
{
	struct arena *a = x->cx->prog;
	energy E = {0};
	push_scaled(x, &E, &x->m->E, b);
	push_scaled(x, &E, base, ex_sub(a, ex_num(a, 1), b));
	return E;
}

/* A symbol of the group's shape, set once to an expression. */
static struct node *kept(struct expansion *x, struct function *f, const struct group *g,
                         const char *name, const struct idx *const *at, struct node *value)
{
	struct arena *a = x->cx->prog;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", name, g->name), SYM_INPUT,
	                              VALUES_REAL, false, g->sym->rank, g->sym->dim, g->span);
	program_tensor(x->p, s, SPACE_STATE, -1, NULL);
	assign(x, f, s, NULL, at, value);
	return ex_at(a, s, NULL, at);
}

/* The energy of independent units: visible ones at the data's mean and variance, hidden Gaussians
 * standard (at b = 0 nothing else would bound them); the other hidden units have none. */
static energy base_energy(struct expansion *x, struct function *f)
{
	struct arena *a = x->cx->prog;
	energy base = {0};
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct node *n, *p;
		bool visible = g->role == GROUP_VISIBLE, real = g->family->shape == SHAPE_GAUSS;
		if (g->role == GROUP_GIVEN || (!visible && !real))
			continue;
		fresh_axes(a, g->sym, at);
		n = natural_at(x, g, at, visible, &p);
		n = visible ? kept(x, f, g, "base", at, n) : n;
		p = visible && p ? kept(x, f, g, "base.precision", at, p) : p;
		energy_push(a, &base, model_independent(x->m, g, at, n, p), g->span);
	}
	return base;
}

/* The groups that the weights have summed out: all hidden ones where that can be; else, greedily,
 * whatever groups can be, larger ones first. */
static const bool *summed_out(struct expansion *x, const energy *E)
{
	int n = x->m->group.n;
	bool *out = NEW_ARRAY(x->cx->prog, bool, n), *tried = NEW_ARRAY(x->cx->prog, bool, n);
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	energy F = *E;
	if (model_sum_out(NULL, x->m, E, hidden, &F))
		return hidden;
	for (int round = 0; round < n; round++) {
		int best = -1;
		for (int i = 0; i < n; i++)
			if (!tried[i] &&
			    (best < 0 || group_units(x->m->group.at[i]) > group_units(x->m->group.at[best])))
				best = i;
		tried[best] = true;
		out[best] = x->m->group.at[best]->role != GROUP_GIVEN &&
		            model_sum_out_group(x->m, &F, x->m->group.at[best], &F);
	}
	return out;
}

bool objective_ais(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	if (!without_given(x, "annealed importance sampling"))
		return false;
	struct walkers w = walkers_new(x, "ais", POP_AIS);
	struct function *f = program_function(x->p, "ais.base");
	energy base = base_energy(x, f), free, all, F0, F1;
	if (!model_sum_out(x->cx, x->m, &base, model_role(x->m, GROUP_HIDDEN), &free) ||
	    !model_sum_out(x->cx, x->m, &free, model_role(x->m, GROUP_VISIBLE), &all))
		return false;
	assign(x, f, out_sym(x, "ais.base", -1), NULL, NULL, ex_neg(a, energy_node(a, &all)));

	f = program_function(x->p, "ais.start");
	if (!draw_independent(x, f, &w, GROUP_VISIBLE, true) ||
	    !draw_independent(x, f, &w, GROUP_HIDDEN, false))
		return false;

	struct node *b0 = ex_access(a, scalar_sym(x, "b0"), NULL, NULL);
	struct node *b1 = ex_access(a, scalar_sym(x, "b1"), NULL, NULL);
	energy E0 = tempered(x, &base, b0), E1 = tempered(x, &base, b1);
	const bool *out = summed_out(x, &E1);
	if (!model_sum_out(x->cx, x->m, &E0, out, &F0) || !model_sum_out(x->cx, x->m, &E1, out, &F1))
		return false;
	f = program_function(x->p, "ais.step");
	struct node *lw = ex_sub(a, energy_node(a, &F0), energy_node(a, &F1));
	assign(x, f, out_sym(x, "ais.step", POP_AIS), w.batch, NULL, at_walkers(x, lw, &w));
	return sweep_role(x, f, &E1, &w, GROUP_HIDDEN) && sweep_role(x, f, &E1, &w, GROUP_VISIBLE);
}
