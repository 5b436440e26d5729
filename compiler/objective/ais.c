/* Annealed importance sampling (Neal 2001), from the base-rate model of Salakhutdinov & Murray
 * (2008): visible units independent at the data's mean, those of a prior that factors read at the
 * mean of the posterior's draws, everything else uniform.  With E_b = b*E +
 * (1 - b)*E_base,     F_b its free energy, a step from temperature b0 to b1 gives log-weight
 * F_b0(v) - F_b1(v) and one sweep of block Gibbs at b1, which begins with what F has summed out.
 * log Z of the base model is its free energy with the visible groups summed out too. */
#include "objective/flow.h"

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

/* posterior.G: a draw of G from the posterior of each example, in out.posterior.G. */
static bool posterior_draw(struct expansion *x, const struct group *g)
{
	struct arena *a = x->cx->prog;
	const char *name = arena_printf(a, "posterior.%s", g->name);
	struct flow *fl = flow_new(x, program_function(x->p, name), name, POP_DATA, 1);
	const struct idx *at[MAX_RANK];
	const struct sym *out = sym_new(a, arena_printf(a, "out.%s", name), SYM_TEMP, VALUES_REAL, true,
	                                g->sym->rank, g->sym->dim, g->span);
	int i = 0;
	if (!flow_posteriors(fl))
		return false;
	while (x->m->group.at[i]->sym != g->sym)
		i++;
	program_tensor(x->p, out, SPACE_STATE, POP_DATA, NULL);
	fresh_axes(a, out, at);
	assign(x, fl->f, out, fl->batch, at, flow_at(fl, ex_at(a, g->sym, x->m->batch, at)));
	return true;
}

/* The prior, with the means of its visible groups, which are those of the posterior's draws. */
static struct expansion *prior_with_means(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	struct expansion *p = expansion_prior(x);
	struct model *m = arena_copy(a, p->m, sizeof *p->m);
	p->m = m;
	m->group.at = arena_copy(a, m->group.at, sizeof *m->group.at * (size_t)m->group.n);
	for (int i = 0; i < m->group.n; i++) {
		struct group *g = arena_copy(a, m->group.at[i], sizeof *g);
		const char *name = arena_printf(a, "mean.%s", g->name);
		if (g->role != GROUP_VISIBLE)
			continue;
		if (!posterior_draw(x, g))
			return NULL;
		g->mean =
		    sym_new(a, name, SYM_INPUT, VALUES_REAL, false, g->sym->rank, g->sym->dim, g->span);
		program_tensor(x->p, g->mean, SPACE_STATE, -1, NULL);
		m->group.at[i] = g;
	}
	return p;
}

bool objective_ais(struct expansion *x)
{
	struct annealing n;
	if (!of_energy(x, "ais"))
		return false;
	if (objective_each(x->m))
		return objective_ais_each(x);
	if (x->m->prior && !(x = prior_with_means(x)))
		return false;
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
	if (!of_energy(x, "raise"))
		return false;
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
