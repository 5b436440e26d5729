/* Wake-sleep: theta by - log p(x, z) at z from q, phi by - log q(z | x) at x, z from p (Hinton et
 * al. 1995). Reweighted (Bornschein & Bengio 2015), with several particles z_s of q, each counts by
 * its share w_s = p(x, z_s)/q(z_s | x) over the sum of these, theta by - sum over s of w_s log p(x,
 * z_s), and phi in the wake phase by - sum of w_s log q(z_s | x). */
#include "objective/flow.h"

void flow_hold(struct flow *fl)
{
	for (int i = 0; i < fl->step.n; i++)
		for (int g = 0; g < fl->x->m->group.n; g++)
			if (fl->step.at[i].sym == fl->state[g])
				fl->step.at[i].constant = true;
}

static const struct sym *prior_state(const struct model *m, const struct group *g,
                                     const struct walkers *chain)
{
	for (int i = 0; m->prior && i < m->prior->group.n; i++)
		if (m->prior->group.at[i]->sym == g->sym)
			return chain->state[i];
	return NULL;
}

/* log q(z | x) at the states of the flow */
static struct node *log_posterior(struct flow *fl)
{
	const struct model *m = fl->x->m;
	struct node *q = ex_num(m->a, 0);
	for (int i = 0; i < m->posterior.n; i++)
		q = ex_add(m->a, q, flow_log_density(fl, m->posterior.at[i]));
	return q;
}

/* log p(x, z) at the states of the flow, but for log Z of an energy; NULL: refused. */
static struct node *log_joint(struct flow *fl)
{
	const struct model *m = fl->x->m;
	struct node *p = m->prior ? flow_log_prior(fl) : ex_num(m->a, 0);
	for (int i = 0; i < m->factor.n && p; i++)
		if (m->factor.at[i]->log_density)
			p = ex_add(m->a, p, flow_log_density(fl, m->factor.at[i]));
	return p;
}

/* x of a particle times its share of the weights. */
static struct node *reweighted(struct flow *fl, struct node *weight, struct node *x)
{
	struct arena *a = fl->x->cx->prog;
	struct affine s;
	if (!fl->particle)
		return x;
	s = affine_idx(a, fl->particle);
	struct node *lw = ex_access(a, flow_constant(fl, "weight", weight), fl->batch, &s);
	struct node *all = flow_over_particles(fl, RED_LOGSUMEXP, lw);
	all = ex_access(a, flow_constant(fl, "weights", all), fl->batch, NULL);
	struct node *share = ex_op1(a, OP_EXP, ex_sub(a, lw, all));
	share = ex_access(a, flow_constant(fl, "share", share), fl->batch, &s);
	return flow_over_particles(fl, RED_SUM, ex_mul(a, share, x));
}

static bool wake(struct expansion *x, const struct objective_args *args, double posterior,
                 struct walkers *chain)
{
	struct arena *a = x->cx->prog;
	struct flow *fl = flow_training(x, args->particles);
	if (!flow_posteriors(fl))
		return false;
	flow_hold(fl);
	struct node *p = log_joint(fl);
	if (!p)
		return false;
	struct node *q = log_posterior(fl);
	struct node *both = ex_add(a, p, ex_scale(a, posterior, q));
	return directed_descend(fl, ex_neg(a, reweighted(fl, ex_sub(a, p, q), both))) &&
	       flow_descend_prior(fl, args, chain);
}

static bool sleep(struct expansion *x, double share, const struct walkers *chain)
{
	const struct model *m = x->m;
	struct arena *a = x->cx->prog;
	const int pop = m->prior ? chain->pop : POP_DATA;
	struct flow *fl = flow_new(x, program_function(x->p, "train.final"), "dream", pop, 1);
	struct node *each =
	    ex_access(a, scalar_sym(x, pop == POP_DATA ? "inv_n" : "inv_m"), NULL, NULL);
	fl->training = true;
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role != GROUP_GIVEN)
			fl->state[i] = prior_state(m, m->group.at[i], chain);
	for (int i = 0; i < m->factor.n; i++)
		if (!flow_draw(fl, m->factor.at[i]))
			return false;
	flow_hold(fl);
	struct node *loss = ex_scale(a, -share * x->scale, ex_mul(a, each, log_posterior(fl)));
	return flow_gradient(fl, loss, NULL, true);
}

bool expand_wake_sleep(struct expansion *x, const struct objective_args *args)
{
	struct walkers chain;
	const double wakes = args->phase == PHASE_WAKE ? 1 : args->phase == PHASE_BOTH ? 0.5 : 0;
	if (wakes > 0 && args->particles < 2) {
		diag(x->cx->diags, DIAG_WAKE_PARTICLES, args->span);
		return false;
	}
	return directed_posteriors(x, "wake_sleep") && wake(x, args, wakes, &chain) &&
	       (wakes == 1 || sleep(x, 1 - wakes, &chain));
}
