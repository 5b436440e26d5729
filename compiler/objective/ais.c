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

/* E_base = - sum_i field[i]*v[i], field the base rate's, kept in "base.v". */
static energy base_energy(struct expansion *x, struct function *f)
{
	struct arena *a = x->cx->prog;
	energy base = {0};
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		const struct sym *s = sym_new(a, arena_printf(a, "base.%s", g->name), SYM_INPUT,
		                              VALUES_REAL, false, g->sym->rank, g->sym->dim, g->span);
		program_tensor(x->p, s, SPACE_STATE, -1, NULL);
		struct node *field = g->family->field_of_mean(a, ex_at(a, g->mean, NULL, at));
		assign(x, f, s, NULL, at, ex_scale(a, 1 / (g->family->hi - g->family->lo), field));
		struct node *t = ex_mul(a, ex_at(a, s, NULL, at), ex_at(a, g->sym, x->m->batch, at));
		energy_push(a, &base, ex_neg(a, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, t)),
		            g->span);
	}
	return base;
}

bool objective_ais(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	if (!without_given(x, "annealed importance sampling"))
		return false;
	struct walkers w = walkers_new(x, "ais", POP_AIS);
	struct function *f = program_function(x->p, "ais.base");
	energy base = base_energy(x, f), free, all, F0, F1;
	if (!model_sum_out(x->cx, x->m, &base, GROUP_HIDDEN, &free) ||
	    !model_sum_out(x->cx, x->m, &free, GROUP_VISIBLE, &all))
		return false;
	assign(x, f, out_sym(x, "ais.base", -1), NULL, NULL, ex_neg(a, energy_node(a, &all)));

	f = program_function(x->p, "ais.start");
	draw_independent(x, f, &w, GROUP_VISIBLE, true);

	struct node *b0 = ex_access(a, scalar_sym(x, "b0"), NULL, NULL);
	struct node *b1 = ex_access(a, scalar_sym(x, "b1"), NULL, NULL);
	energy E0 = tempered(x, &base, b0), E1 = tempered(x, &base, b1);
	if (!model_free_energy(x->cx, x->m, &E0, &F0) || !model_free_energy(x->cx, x->m, &E1, &F1))
		return false;
	f = program_function(x->p, "ais.step");
	struct node *lw = ex_sub(a, energy_node(a, &F0), energy_node(a, &F1));
	assign(x, f, out_sym(x, "ais.step", POP_AIS), w.batch, NULL, at_walkers(x, lw, &w));
	return sweep_role(x, f, &E1, &w, GROUP_HIDDEN) && sweep_role(x, f, &E1, &w, GROUP_VISIBLE);
}
