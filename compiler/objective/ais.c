/* Annealed importance sampling (Neal 2001), from the base-rate model of Salakhutdinov & Murray
 * (2008): visible units independent at the data's mean, everything else uniform.  With E_b = b*E +
 * (1 - b)*E_base,     F_b its free energy, a step from temperature b0 to b1 gives log-weight
 * F_b0(v) - F_b1(v) and one sweep of block Gibbs at b1, which begins with what F has summed out.
 * log Z of the base model is its free energy with the visible groups summed out too. */
#include "objective/internal.h"

/* The groups that the weights have summed out.  A transition has to draw them anew, at its own
 * temperature, before it reads them: it is one of the other groups then, and leaves their
 * distribution alone.  Of all hidden groups where that can be, else greedily of all; where groups
 * are moved along the gradient, of those that the mover sums out, if it begins with the move. */
static const bool *weighed_out(struct expansion *x, const energy *E, const struct walkers *w)
{
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	bool *may = NEW_ARRAY(x->cx->prog, bool, x->m->group.n + 1);
	energy F;
	for (int i = 0; w->mover && i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_VISIBLE && !w->mover->moved[i])
			return may;
	if (w->mover)
		return w->mover->out;
	if (model_sum_out(NULL, x->m, E, hidden, &F))
		return hidden;
	for (int i = 0; i < x->m->group.n; i++)
		may[i] = x->m->group.at[i]->role != GROUP_GIVEN;
	return summed_out(x, E, may);
}

bool objective_ais(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	if (x->m->prior)
		x = expansion_prior(x);
	if (!without_given(x, "annealed importance sampling"))
		return false;
	struct walkers w = walkers_new(x, "ais", POP_AIS);
	struct function *f = program_function(x->p, "ais.base");
	energy base = base_energy(x, f, true), free, all, F0, F1;
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
	if (!mover_new(x, "ais.base", &E1, &w))
		return false;
	const bool *out = weighed_out(x, &E1, &w);
	if (!model_sum_out(x->cx, x->m, &E0, out, &F0) || !model_sum_out(x->cx, x->m, &E1, out, &F1))
		return false;
	f = program_function(x->p, w.mover ? "ais.step.begin" : "ais.step");
	struct node *lw = ex_sub(a, energy_node(a, &F0), energy_node(a, &F1));
	assign(x, f, out_sym(x, "ais.step", POP_AIS), w.batch, NULL, at_walkers(x, lw, &w));
	return w.mover ? transition(x, "ais.step", &E1, &w) : sweep_after(x, f, &E1, &w, out);
}
