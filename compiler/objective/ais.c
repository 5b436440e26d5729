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
const bool *weighed_out(struct expansion *x, const energy *E, const struct walkers *w)
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

struct annealing { /* what both directions share */
	struct walkers w;
	energy E1, F0, F1;
	const bool *out;
};

/* NAME.base; energies at b0 and b1. */
static bool anneal(struct expansion *x, const char *name, struct annealing *n)
{
	struct arena *a = x->cx->prog;
	const char *base_name = arena_printf(a, "%s.base", name);
	n->w = walkers_new(x, name, POP_AIS);
	struct function *f = program_function(x->p, base_name);
	energy base = base_energy(x, f, true), free, all;
	if (!model_sum_out(x->cx, x->m, &base, model_role(x->m, GROUP_HIDDEN), &free) ||
	    !model_sum_out(x->cx, x->m, &free, model_role(x->m, GROUP_VISIBLE), &all))
		return false;
	assign(x, f, out_sym(x, base_name, -1), NULL, NULL, ex_neg(a, energy_node(a, &all)));

	struct node *b0 = ex_access(a, scalar_sym(x, "b0"), NULL, NULL);
	struct node *b1 = ex_access(a, scalar_sym(x, "b1"), NULL, NULL);
	energy E0 = tempered(x, &base, b0);
	n->E1 = tempered(x, &base, b1);
	if (!mover_new(x, base_name, &n->E1, &n->w))
		return false;
	n->out = weighed_out(x, &n->E1, &n->w);
	return model_sum_out(x->cx, x->m, &E0, n->out, &n->F0) &&
	       model_sum_out(x->cx, x->m, &n->E1, n->out, &n->F1);
}

static void gain(struct expansion *x, struct function *f, const char *name,
                 const struct annealing *n)
{
	struct arena *a = x->cx->prog;
	struct node *lw = ex_sub(a, energy_node(a, &n->F0), energy_node(a, &n->F1));
	assign(x, f, out_sym(x, name, POP_AIS), n->w.batch, NULL, at_walkers(x, lw, &n->w));
}

bool objective_ais(struct expansion *x)
{
	struct annealing n;
	if (objective_each(x->m))
		return objective_ais_each(x);
	if (x->m->prior)
		x = expansion_prior(x);
	if (!without_given(x, "annealed importance sampling") || !anneal(x, "ais", &n))
		return false;
	struct function *f = program_function(x->p, "ais.start");
	if (!draw_independent(x, f, &n.w, GROUP_VISIBLE, true) ||
	    !draw_independent(x, f, &n.w, GROUP_HIDDEN, false))
		return false;
	f = program_function(x->p, n.w.mover ? "ais.step.begin" : "ais.step");
	gain(x, f, "ais.step", &n);
	return n.w.mover ? transition(x, "ais.step", &n.E1, &n.w)
	                 : sweep_after(x, f, &n.E1, &n.w, n.out, false);
}

/* Can transitions be reversed, from an example on: all hidden groups summed out, visible ones drawn
 * by blocks? */
static bool reversible(struct expansion *x, const struct annealing *n)
{
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		struct conditional c;
		model_field(x->m, &x->m->E, g, &c);
		if (!n->w.mover && n->out[i] == (g->role == GROUP_HIDDEN) &&
		    (g->role == GROUP_HIDDEN || !c.coupled))
			continue;
		diag(x->cx->diags, DIAG_RAISE, g->span, g->name);
		return false;
	}
	return true;
}

bool objective_raise(struct expansion *x)
{
	struct annealing n;
	if (x->m->prior || x->m->factor.n) {
		diag(x->cx->diags, DIAG_RAISE, x->m->group.at[0]->span, x->m->group.at[0]->name);
		return false;
	}
	if (!without_given(x, "reverse annealing") || !anneal(x, "raise", &n) || !reversible(x, &n))
		return false;
	struct function *f = program_function(x->p, "raise.step");
	if (!sweep_after(x, f, &n.E1, &n.w, n.out, true))
		return false;
	gain(x, f, "raise.step", &n);
	return true;
}
