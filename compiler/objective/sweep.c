/* What a sweep is.  Block Gibbs sampling draws one group after the other from its conditional:
 * hidden groups jointly where they can be summed out one after the other, else block after block.
 * Groups that a mover takes along the gradient (hmc.c) are moved with the hidden groups that it has
 * summed out; those are drawn before anything reads them, jointly, and the others given them:
 *
 *     NAME.begin  visible groups that are not moved;  momenta
 *     NAME.step   a leapfrog step
 *     NAME        accept or reject;  groups summed out;  other hidden groups */
#include "objective/internal.h"

/* The groups of an elimination, drawn in its reverse order: a joint draw. */
static bool draw_jointly(struct expansion *x, struct function *f, const struct elimination *el,
                         const struct walkers *w)
{
	for (int i = el->n - 1; i >= 0; i--)
		if (!draw_group(x, f, &el->before[i], el->group[i], w))
			return false;
	return true;
}

/* Block after block, the groups of the role that are not `done` (NULL: none is). */
static bool draw_blocks(struct expansion *x, struct function *f, const energy *E,
                        const struct walkers *w, enum group_role role, const struct mover *done)
{
	block_vec blocks = {0};
	if (!model_blocks(x->cx, x->m, &blocks))
		return false;
	for (int b = 0; b < blocks.n; b++)
		for (int i = 0; i < blocks.at[b].group.n; i++) {
			const struct group *g = blocks.at[b].group.at[i];
			int k = group_number(x, g);
			if (g->role == role && !(done && (done->moved[k] || done->out[k])) &&
			    !draw_group(x, f, E, g, w))
				return false;
		}
	return true;
}

bool sweep_unmoved(struct expansion *x, struct function *f, const energy *E,
                   const struct walkers *w)
{
	return draw_blocks(x, f, E, w, GROUP_VISIBLE, w->mover);
}

bool sweep_role(struct expansion *x, struct function *f, const energy *E, const struct walkers *w,
                enum group_role role)
{
	struct elimination el;
	bool joint = role == GROUP_HIDDEN; /* a held unit must not be summed out of another's field */
	if (w->mover && role == GROUP_VISIBLE) {
		mover_end(x, f, w);
		return true;
	}
	if (w->mover)
		return draw_jointly(x, f, &w->mover->el, w) && draw_blocks(x, f, E, w, role, w->mover);
	for (int i = 0; i < x->m->group.n; i++)
		joint = joint && (x->m->group.at[i]->role != role || w->held[i] == NULL);
	if (joint && model_eliminate(x->m, E, model_role(x->m, role), &el))
		return draw_jointly(x, f, &el, w);
	return draw_blocks(x, f, E, w, role, NULL);
}

bool sweep_after(struct expansion *x, struct function *f, const energy *E, const struct walkers *w,
                 const bool *first, bool back)
{
	struct elimination el;
	block_vec blocks = {0};
	if (!model_eliminate(x->m, E, first, &el) || !draw_jointly(x, f, &el, w) ||
	    !model_blocks(x->cx, x->m, &blocks))
		return false;
	for (int n = 0; n < blocks.n; n++)
		for (int b = back ? blocks.n - 1 - n : n, i = 0; i < blocks.at[b].group.n; i++) {
			const struct group *g = blocks.at[b].group.at[i];
			if (!first[group_number(x, g)] && !draw_group(x, f, E, g, w))
				return false;
		}
	return true;
}

bool transition_end(struct expansion *x, struct function *f, const energy *E,
                    const struct walkers *w)
{
	enum group_role first = w->mover ? GROUP_VISIBLE : GROUP_HIDDEN;
	return sweep_role(x, f, E, w, first) &&
	       sweep_role(x, f, E, w, first == GROUP_HIDDEN ? GROUP_VISIBLE : GROUP_HIDDEN);
}

bool transition(struct expansion *x, const char *name, const energy *E, const struct walkers *w)
{
	return mover_begin(x, name, E, w) && transition_end(x, program_function(x->p, name), E, w);
}

const bool *summed_out(struct expansion *x, const energy *E, const bool *may)
{
	int n = x->m->group.n;
	bool *out = NEW_ARRAY(x->cx->prog, bool, n), *tried = NEW_ARRAY(x->cx->prog, bool, n);
	energy F = *E;
	if (model_sum_out(NULL, x->m, E, may, &F))
		return may;
	for (int round = 0; round < n; round++) {
		int best = -1;
		for (int i = 0; i < n; i++)
			if (!tried[i] &&
			    (best < 0 || group_units(x->m->group.at[i]) > group_units(x->m->group.at[best])))
				best = i;
		tried[best] = true;
		out[best] = may[best] && model_sum_out_group(x->m, &F, x->m->group.at[best], &F);
	}
	return out;
}

bool objective_draw(struct expansion *x)
{
	struct walkers w = walkers_data(x);
	struct function *f = program_function(x->p, "draw");
	struct elimination el;
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_HIDDEN)
			program_tensor(x->p, x->m->group.at[i]->sym, SPACE_STATE, POP_DATA, NULL);
	own_states(x, f);
	return model_eliminate(x->m, &x->m->E, model_role(x->m, GROUP_HIDDEN), &el) &&
	       draw_jointly(x, f, &el, &w);
}

bool objective_mean(struct expansion *x, const struct group *g)
{
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	bool *others = NEW_ARRAY(x->cx->prog, bool, x->m->group.n);
	struct walkers w = walkers_data(x);
	energy F;
	for (int i = 0; i < x->m->group.n; i++)
		others[i] = hidden[i] && x->m->group.at[i] != g;
	if (!model_sum_out(x->cx, x->m, &x->m->E, others, &F))
		return false;
	struct function *f = program_function(x->p, "mean");
	own_states(x, f);
	return mean_group(x, f, &F, g, &w, mean_sym(x, g, "mean", POP_DATA));
}
