/* Contrastive divergence and stochastic maximum likelihood.  The gradient of the mean negative
 * log-likelihood is
 *     d L / d theta = <dF/dtheta>_data - <dF/dtheta>_model,      F the free energy,
 * whose second mean is estimated at chains: started at the batch and run for k sweeps (CD-k, Hinton
 * 2002), or kept from update to update (SML, Younes 1999; PCD, Tieleman 2008).  dF/dtheta is
 * dE/dtheta at the hidden groups' conditional means where E allows, so no free energy is evaluated;
 * with `statistics = samples` the drawn states stand in for the means.
 *
 * The last half-sweep needs means only, so that CD-1 costs three products and two statistics:
 *     first   h | v                     sweep (k-1 times)   v | h, h | v        final   v | h,
 * means of h | v For persistent chains the state is h, drawn again at the end of final. */
#include "objective/internal.h"

/* Means of the hidden groups that no term joins to another; the statistics read no others. */
static bool hidden_means(struct expansion *x, struct function *f, const struct walkers *w,
                         const struct walkers *mean)
{
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role == GROUP_HIDDEN && !model_joined(x->m, g, model_role(x->m, GROUP_HIDDEN)) &&
		    !mean_group(x, f, &x->m->E, g, w, mean->state[i]))
			return false;
	}
	return true;
}

static void copy_role(struct expansion *x, struct function *f, const struct walkers *from,
                      const struct walkers *to, enum group_role role)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != role)
			continue;
		fresh_axes(a, g->sym, at);
		assign(x, f, to->state[i], to->batch, at, ex_at(a, from->state[i], from->batch, at));
	}
}

/* The means are known of all hidden groups, or of those that no term joins to another. */
static void see(struct expansion *x, const struct walkers *means, bool all)
{
	bool known = true;
	for (int i = 0; i < x->m->group.n && !all; i++)
		known = known && !(x->m->group.at[i]->role == GROUP_HIDDEN &&
		                   model_joined(x->m, x->m->group.at[i], model_role(x->m, GROUP_HIDDEN)));
	if (known)
		x->seen = arena_copy(x->cx->prog, means, sizeof *means);
}

static void gradients(struct expansion *x, struct function *f, const energy *F,
                      const struct walkers *pos, const struct walkers *neg)
{
	struct arena *a = x->cx->prog;
	struct node *inv_n = ex_access(a, scalar_sym(x, "inv_n"), NULL, NULL);
	struct node *inv_m = neg ? ex_access(a, scalar_sym(x, "inv_m"), NULL, NULL) : NULL;
	for (int i = 0; i < x->m->weight.n; i++) {
		const struct weight *wt = x->m->weight.at[i];
		const struct idx *at[MAX_RANK];
		fresh_axes(a, wt->sym, at);
		struct node *g = statistic(x, F, wt, at, pos, model_role(x->m, GROUP_HIDDEN), inv_n);
		if (neg)
			g = ex_sub(a, g, statistic(x, F, wt, at, neg, model_role(x->m, GROUP_HIDDEN), inv_m));
		set_gradient(x, f, i, at, g);
	}
}

/* Does a visible unit's conditional read other visible units?  Then chains need the batch's to
 * start from. */
static bool visible_coupled(struct expansion *x)
{
	for (int i = 0; i < x->m->group.n; i++) {
		struct conditional c;
		if (x->m->group.at[i]->role != GROUP_VISIBLE)
			continue;
		model_field(x->m, &x->m->E, x->m->group.at[i], &c);
		for (int k = 0; k < x->m->group.n; k++)
			if (x->m->group.at[k]->role == GROUP_VISIBLE &&
			    (ex_mentions(c.field, x->m->group.at[k]->sym) ||
			     (c.precision && ex_mentions(c.precision, x->m->group.at[k]->sym))))
				return true;
	}
	return false;
}

static bool begin_chains(struct expansion *x, const energy *E, const struct walkers *chain)
{
	struct function *f = program_function(x->p, "chains.begin");
	return draw_independent(x, f, chain, GROUP_VISIBLE, true) &&
	       sweep_role(x, f, E, chain, GROUP_HIDDEN);
}

/* From the hidden groups' states on: sweeps, the last of them without its second half. */
static bool sweep_chains(struct expansion *x, struct function *sweep, struct function *final,
                         const energy *moving, const struct walkers *chain)
{
	return mover_begin(x, sweep->name, moving, chain) &&
	       sweep_role(x, sweep, moving, chain, GROUP_VISIBLE) &&
	       sweep_role(x, sweep, moving, chain, GROUP_HIDDEN) &&
	       sweep_role(x, final, &x->m->E, chain, GROUP_VISIBLE);
}

bool descend_log_z(struct expansion *x, struct walkers *chain, bool persistent)
{
	struct arena *a = x->cx->prog;
	const energy *E = &x->m->E;
	energy F;
	struct function *sweep = program_function(x->p, "train.sweep");
	struct function *final = program_function(x->p, "train.final");
	struct walkers mean = walkers_means(x, "chain.mean", chain, GROUP_HIDDEN);
	energy moving = persistent ? tempering(x, "chains.begin", false, chain) : *E;
	if (!model_free_energy(x->cx, x->m, E, &F) || !mover_new(x, "chains.begin", &moving, chain))
		return false;
	if (persistent ? !begin_chains(x, &moving, chain)
	               : !sweep_role(x, program_function(x->p, "train.first"), E, chain, GROUP_HIDDEN))
		return false;
	if (!sweep_chains(x, sweep, final, &moving, chain) || !hidden_means(x, final, chain, &mean) ||
	    (persistent && !sweep_role(x, final, E, chain, GROUP_HIDDEN)))
		return false;
	struct node *inv_m = ex_access(a, scalar_sym(x, "inv_m"), NULL, NULL);
	x->begun = true;
	for (int i = 0; i < x->m->weight.n; i++) {
		const struct weight *wt = x->m->weight.at[i];
		const struct idx *at[MAX_RANK];
		fresh_axes(a, wt->sym, at);
		struct node *g = statistic(x, &F, wt, at, &mean, model_role(x->m, GROUP_HIDDEN), inv_m);
		set_gradient(x, final, i, at, ex_neg(a, g));
	}
	return true;
}

/* What mends a free energy that has no closed form. */
static void note_mend(struct expansion *x, bool persistent)
{
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		struct conditional c;
		if (g->role != GROUP_HIDDEN)
			continue;
		model_field(x->m, &x->m->E, g, &c);
		bool closed = model_closed(x->m, &x->m->E, g, NULL);
		if (closed && c.coupled)
			break;
		if (closed)
			continue;
		if (g->family->continuous)
			diag(x->cx->diags, DIAG_HIDDEN_CLOSED, g->span, g->name, g->name);
		return;
	}
	if (persistent && meanfield_allowed(NULL, x->m, model_role(x->m, GROUP_HIDDEN)))
		diag(x->cx->diags, DIAG_NEEDS_POSTERIOR, x->m->group.at[0]->span);
}

static bool expand_chains(struct expansion *x, const struct objective_args *args, bool persistent)
{
	const energy *E = &x->m->E;
	energy F;
	if (!model_free_energy(x->cx, x->m, E, &F)) {
		note_mend(x, persistent);
		return false;
	}
	if (persistent && !without_given(x, "sml"))
		return false;
	struct walkers data = walkers_data(x);
	struct walkers chain = walkers_new(x, "chain", persistent ? POP_CHAINS : POP_DATA);
	struct walkers pos_mean = walkers_means(x, "mean", &data, GROUP_HIDDEN);
	struct walkers neg_mean = walkers_means(x, "chain.mean", &chain, GROUP_HIDDEN);
	struct walkers pos_draw = data;
	if (args->samples)
		for (int i = 0; i < x->m->group.n; i++)
			if (x->m->group.at[i]->role == GROUP_HIDDEN)
				program_tensor(x->p, data.state[i], SPACE_STATE, POP_DATA, NULL);
	energy moving = persistent ? tempering(x, "chains.begin", true, &chain) : *E;
	if (!mover_new(x, "chains.begin", &moving, &chain) ||
	    (persistent && !begin_chains(x, &moving, &chain)))
		return false;

	struct function *first = program_function(x->p, "train.first");
	struct function *sweep = program_function(x->p, "train.sweep");
	struct function *final = program_function(x->p, "train.final");
	struct function *positive = persistent ? final : first;
	bool states = model_reads_states(x->m);
	own_states(x, first);
	if (!persistent && (chain.mover || visible_coupled(x)))
		copy_role(x, positive, &data, &chain, GROUP_VISIBLE);
	if (args->samples) {
		if (!sweep_role(x, positive, E, &pos_draw, GROUP_HIDDEN))
			return false;
		if (!persistent)
			copy_role(x, positive, &pos_draw, &chain, GROUP_HIDDEN);
	} else {
		struct walkers start = chain; /* hidden chains drawn from the examples */
		start.batch = data.batch;
		if (!states && !hidden_means(x, positive, &data, &pos_mean))
			return false;
		if (!persistent) {
			const struct sym **state = NEW_ARRAY(x->cx->prog, const struct sym *, x->m->group.n);
			for (int i = 0; i < x->m->group.n; i++)
				state[i] = x->m->group.at[i]->role == GROUP_HIDDEN ? chain.state[i] : data.state[i];
			start.state = state;
			if (!sweep_role(x, positive, E, &start, GROUP_HIDDEN))
				return false;
		}
	}
	if (!sweep_chains(x, sweep, final, &moving, &chain))
		return false;
	if (!args->samples && !states && !hidden_means(x, final, &chain, &neg_mean))
		return false;
	if ((args->samples || persistent) && !sweep_role(x, final, E, &chain, GROUP_HIDDEN))
		return false;
	if (states) {
		struct node *e = energy_node(x->cx->prog, args->samples ? E : &F);
		e = ex_sub(x->cx->prog, e, at_walkers(x, e, &chain));
		return descend_states(x, final, e, &data);
	}
	gradients(x, final, &F, args->samples ? &pos_draw : &pos_mean,
	          args->samples ? &chain : &neg_mean);
	see(x, args->samples ? &pos_draw : &pos_mean, args->samples);
	return true;
}

/* Hidden groups joined by terms: the data's half at mean-field means, the model's at the chains'
 * states. */
static bool expand_meanfield(struct expansion *x, const struct objective_args *args)
{
	const energy *E = &x->m->E;
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	if (!meanfield_allowed(x->cx, x->m, hidden) || !without_given(x, "sml"))
		return false;
	struct walkers data = walkers_data(x), chain = walkers_new(x, "chain", POP_CHAINS);
	struct walkers q = walkers_means_of(x, "q", &data, hidden);
	struct function *begin = program_function(x->p, "chains.begin");
	if (!draw_independent(x, begin, &chain, GROUP_VISIBLE, true) ||
	    !draw_independent(x, begin, &chain, GROUP_HIDDEN, false))
		return false;
	if (!meanfield(x, "train.first", "train.pass", &q, hidden, args->damping))
		return false;
	energy moving = tempering(x, begin->name, true, &chain);
	if (!mover_new(x, begin->name, &moving, &chain) ||
	    !transition(x, "train.sweep", &moving, &chain))
		return false;
	struct function *f = program_function(x->p, "train.final");
	if (!transition_end(x, f, E, &chain))
		return false;
	gradients(x, f, NULL, &q, &chain);
	see(x, &q, true);
	return true;
}

bool expand_cd(struct expansion *x, const struct objective_args *args)
{
	return expand_chains(x, args, false);
}

bool expand_sml(struct expansion *x, const struct objective_args *args)
{
	return args->meanfield ? expand_meanfield(x, args) : expand_chains(x, args, true);
}

/* final gives the data's half of the gradient, enum.grad the model's. */
bool exact_likelihood(struct expansion *x)
{
	energy F;
	if (!without_given(x, "nll") || !model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct walkers data = walkers_data(x);
	struct walkers mean = walkers_means(x, "mean", &data, GROUP_HIDDEN);
	struct function *final = program_function(x->p, "train.final");
	if (!hidden_means(x, final, &data, &mean))
		return false;
	gradients(x, final, &F, &mean, NULL);
	see(x, &mean, false);
	return objective_enumerate(x, true);
}
