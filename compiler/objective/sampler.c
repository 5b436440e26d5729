/* Samples: chains start at independent units, or at data; a sweep draws the hidden blocks, then the
 * visible ones, or moves groups along the gradient (sweep.c); sample.mean gives the visible groups'
 * conditional means, which pictures show, or their states where they have no such mean.  Units that
 * are held keep their state, so that the chains' distribution is that of the others given them. */
#include "objective/internal.h"

static const struct sym *beside(struct expansion *x, const struct group *g, const char *suffix,
                                enum values values)
{
	struct arena *a = x->cx->prog;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", g->name, suffix), SYM_VAR, values,
	                              true, g->sym->rank, g->sym->dim, g->span);
	program_tensor(x->p, s, SPACE_STATE, POP_SAMPLES, NULL);
	return s;
}

/* state := known*data + (1 - known)*state; the symbol of `known` */
static const struct sym *start_at_data(struct expansion *x, struct function *f,
                                       const struct walkers *w, int i)
{
	struct arena *a = x->cx->prog;
	const struct group *g = x->m->group.at[i];
	const struct sym *data = beside(x, g, "data", g->sym->values);
	const struct sym *known = beside(x, g, "known", VALUES_REAL);
	const struct idx *at[MAX_RANK];
	fresh_axes(a, g->sym, at);
	struct node *k = ex_at(a, known, w->batch, at), *own = ex_at(a, w->state[i], w->batch, at);
	struct node *unknown = ex_sub(a, ex_num(a, 1), k);
	assign(x, f, w->state[i], w->batch, at,
	       ex_add(a, ex_mul(a, k, ex_at(a, data, w->batch, at)), ex_mul(a, unknown, own)));
	return known;
}

/* Is each block held whole, or not at all? */
static bool whole_blocks(struct expansion *x, const struct held *h)
{
	const struct group *g = h->group;
	const struct env env = {.load = NULL};
	int64_t units = group_units(g);
	double *seen =
	    NEW_ARRAY(x->cx->tmp, double, units); /* per block: 0 not seen yet, else 1 + held */
	for (int64_t e = 0; e < units && block_units(g) > 1; e++) {
		struct binding b[MAX_RANK];
		int64_t rest = e, block = 0, stride = 1;
		for (int r = g->sym->rank - 1; r >= 0; r--) {
			b[r] = (struct binding){h->at[r], rest % g->sym->dim[r]};
			block += b[r].value / g->block[r] * stride;
			stride *= g->sym->dim[r] / g->block[r];
			rest /= g->sym->dim[r];
		}
		double held = 1 + ex_eval(h->where, &env, b, g->sym->rank);
		if (seen[block] != 0 && seen[block] != held)
			return false;
		seen[block] = held;
	}
	return true;
}

/* GROUP.held := where the group is held and has a value; NULL: nowhere. */
static bool hold(struct expansion *x, struct function *f, struct walkers *w, int i,
                 const struct sym *known)
{
	struct arena *a = x->cx->prog;
	const struct group *g = x->m->group.at[i];
	const struct idx *at[MAX_RANK];
	struct node *free = NULL;
	if (g->role == GROUP_GIVEN)
		return true;
	fresh_axes(a, g->sym, at);
	for (int k = 0; k < x->held.n; k++) {
		const struct held *h = &x->held.at[k];
		struct node *where = h->where;
		if (h->group != g)
			continue;
		if (!whole_blocks(x, h)) {
			diag(x->cx->diags, DIAG_HELD_BLOCK, where->span, g->name);
			return false;
		}
		for (int r = 0; r < g->sym->rank; r++)
			where = ex_subst_idx(a, where, h->at[r], affine_idx(a, at[r]));
		where = ex_sub(a, ex_num(a, 1), where);
		free = free ? ex_mul(a, free, where) : where;
	}
	if (free == NULL)
		return true;
	struct node *held = ex_sub(a, ex_num(a, 1), free);
	if (known)
		held = ex_mul(a, held, ex_at(a, known, w->batch, at));
	w->held[i] = beside(x, g, "held", VALUES_REAL);
	assign(x, f, w->held[i], w->batch, at, held);
	return true;
}

static bool not_held(struct expansion *x)
{
	if (x->held.n == 0)
		return true;
	diag(x->cx->diags, DIAG_HELD_DIRECTED, x->held.at[0].where->span, x->m->name);
	return false;
}

static bool markov(struct expansion *x, struct walkers w)
{
	if (!without_states(x, "sampling"))
		return false;
	energy E = tempering(x, "sample.begin", false, &w);
	struct walkers mean = walkers_means(x, "sample.mean", &w, GROUP_VISIBLE);
	struct function *f = program_function(x->p, "sample.begin");
	bool hidden = false;
	for (int i = 0; i < x->held.n; i++)
		hidden = hidden || x->held.at[i].group->role == GROUP_HIDDEN;
	if (!draw_independent(x, f, &w, GROUP_VISIBLE, false) ||
	    (hidden && !draw_independent(x, f, &w, GROUP_HIDDEN, false)))
		return false;
	for (int i = 0; i < x->m->group.n; i++) {
		bool data = x->bound[i] && x->m->group.at[i]->role == GROUP_VISIBLE;
		const struct sym *known = data ? start_at_data(x, f, &w, i) : NULL;
		if (!hold(x, f, &w, i, known))
			return false;
	}
	if (!mover_new(x, f->name, &E, &w))
		return false;
	if (w.mover && ((!hidden && !draw_independent(x, f, &w, GROUP_HIDDEN, false)) ||
	                !sweep_role(x, f, &E, &w, GROUP_HIDDEN)))
		return false;
	if (!transition(x, "sample.sweep", &E, &w))
		return false;
	f = program_function(x->p, "sample.mean");
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(x->cx->prog, g->sym, at);
		if (w.mover && w.mover->moved[i])
			assign(x, f, mean.state[i], w.batch, at, ex_at(x->cx->prog, w.state[i], w.batch, at));
		else if (!mean_group(x, f, &x->m->E, g, &w, mean.state[i]))
			return false;
	}
	return true;
}

bool objective_sampler(struct expansion *x)
{
	struct walkers w = walkers_new(x, "sample", POP_SAMPLES);
	if (x->m->factor.n == 0)
		return markov(x, w);
	if (!not_held(x))
		return false;
	if (x->m->walk) {
		struct function *f = program_function(x->p, "sample.begin");
		if (!draw_independent(x, f, &w, GROUP_VISIBLE, false))
			return false;
		for (int i = 0; i < x->m->group.n; i++)
			if (x->bound[i] && x->m->group.at[i]->role == GROUP_VISIBLE)
				start_at_data(x, f, &w, i);
	}
	if (x->m->prior) {
		struct expansion *p = expansion_prior(x);
		if (!markov(p, walkers_part(p, x, &w)))
			return false;
	}
	return objective_ancestral(x, &w);
}
