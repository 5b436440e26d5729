/* Gradients through draws that are not smooth in the parameters, by the score function:
 *     d/dphi E_q [L]  =  E_q [dL/dphi + sum over the particles of c_s d log q(z_s)/dphi],
 * z_s what of particle s is not smooth; c_s is L less what does not depend on z_s, as a constant.
 *
 *   L a mean of one loss a particle: less the other particles' mean (Kool et al. 2019)
 *   L = - log of the mean weight: less what it is with the weight of s replaced by the geometric
 * mean of the others (VIMCO; Mnih & Rezende 2016) */
#include "objective/flow.h"

static bool drawn_in_steps(const struct flow *fl, const struct factor *q)
{
	const struct sym *z = fl->state[group_number(fl->x, q->group)];
	for (int i = 0; i < fl->step.n; i++)
		if (fl->step.at[i].sym == z)
			return fl->step.at[i].constant;
	return false;
}

bool flow_smooth(const struct flow *fl)
{
	for (int i = 0; i < fl->step.n; i++)
		if (fl->step.at[i].constant)
			return false;
	return true;
}

const struct sym *flow_constant(struct flow *fl, const char *name, struct node *value)
{
	const struct sym *s = flow_assign(fl, name, NULL, 0, value);
	fl->step.at[fl->step.n - 1].constant = true;
	return s;
}

const struct sym *flow_advantage(struct flow *fl, struct node *loss)
{
	struct arena *a = fl->x->cx->prog;
	if (!fl->particle)
		return NULL;
	double k = flow_particles(fl);
	const struct sym *each = flow_assign(fl, "loss", NULL, 0, loss);
	struct affine s = affine_idx(a, fl->particle);
	const struct idx *i = idx_new(a, "other", fl->particle->size);
	struct affine other = affine_idx(a, i);
	struct node *mean = ex_scale(a, 1 / k, ex_sum(a, i, ex_access(a, each, fl->batch, &other)));
	struct node *gap = ex_sub(a, ex_access(a, each, fl->batch, &s), mean);
	return flow_constant(fl, "advantage", ex_scale(a, k / (k - 1), gap));
}

/* x where i, a particle, is another one than j. */
static struct node *elsewhere(struct arena *a, struct affine i, struct affine j, struct node *x)
{
	struct affine one = affine_const(1), gap = affine_add(a, i, j, -1);
	struct guard below = {false, affine_add(a, affine_add(a, j, i, -1), one, -1)},
	             above = {false, affine_add(a, gap, one, -1)};
	return ex_add(a, ex_mask(a, &below, 1, x), ex_mask(a, &above, 1, x));
}

const struct sym *flow_joint_advantage(struct flow *fl, const struct sym *weight)
{
	struct arena *a = fl->x->cx->prog;
	if (!fl->particle)
		return NULL;
	const struct idx *other = idx_new(a, "other", fl->particle->size);
	struct affine s = affine_idx(a, fl->particle), i = affine_idx(a, other);
	struct guard same = {true, affine_add(a, i, s, -1)};
	struct node *lw = ex_access(a, weight, fl->batch, &i);
	struct node *mean =
	    ex_scale(a, 1 / (flow_particles(fl) - 1), ex_sum(a, other, elsewhere(a, i, s, lw)));
	const struct sym *geometric = flow_constant(fl, "others", mean);
	struct node *without = ex_add(a, elsewhere(a, i, s, lw),
	                              ex_mask(a, &same, 1, ex_access(a, geometric, fl->batch, &s)));
	without = ex_reduce(a, RED_LOGSUMEXP, &other, 1, NULL, 0, without);
	struct node *all = ex_reduce(a, RED_LOGSUMEXP, &other, 1, NULL, 0, lw);
	return flow_constant(fl, "advantage", ex_sub(a, without, all));
}

struct node *flow_score(struct flow *fl, const struct sym *advantage)
{
	const struct model *m = fl->x->m;
	struct arena *a = m->a;
	struct node *logq = ex_num(a, 0);
	struct affine s;
	for (int i = 0; i < m->posterior.n; i++) {
		const struct factor *q = m->posterior.at[i];
		if (!drawn_in_steps(fl, q))
			continue;
		if (!advantage) {
			diag(fl->x->cx->diags, DIAG_PARTICLES, q->span, q->group->name);
			return NULL;
		}
		logq = ex_add(a, logq, flow_log_density(fl, q));
	}
	s = affine_idx(a, fl->particle);
	return ex_mul(a, ex_access(a, advantage, fl->batch, &s), logq);
}
