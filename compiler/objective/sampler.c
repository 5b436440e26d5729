/* Samples by block Gibbs: chains start at independent units; a sweep draws the hidden blocks, then
 * the visible ones; sample.mean gives the visible groups' conditional means, which pictures show.
 */
#include "objective/internal.h"

bool objective_sampler(struct expansion *x)
{
	const energy *E = &x->m->E;
	if (x->m->factor.n)
		return objective_ancestral(x);
	if (!without_given(x, "sampling"))
		return false;
	struct walkers w = walkers_new(x, "sample", POP_SAMPLES);
	struct walkers mean = walkers_means(x, "sample.mean", &w, GROUP_VISIBLE);
	if (!draw_independent(x, program_function(x->p, "sample.begin"), &w, GROUP_VISIBLE, false))
		return false;
	struct function *f = program_function(x->p, "sample.sweep");
	if (!sweep_role(x, f, E, &w, GROUP_HIDDEN) || !sweep_role(x, f, E, &w, GROUP_VISIBLE))
		return false;
	f = program_function(x->p, "sample.mean");
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role == GROUP_VISIBLE && !mean_group(x, f, E, g, &w, mean.state[i]))
			return false;
	}
	return true;
}
