/* Walks: x -> h -> x' -> h' -> ..., h drawn from its posterior q(h | x) and x' from p(x | h); what
 * x comes to is the model (generative stochastic networks, Bengio et al. 2014).
 *
 *   walkback   - mean over the steps of log p(x | h_s), h_1 from q(. | x), h_s+1 from q(. | x_s),
 * x_s from p(. | h_s): each step leads back to the example (Bengio, Yao, Alain & Vincent 2013); one
 * step is a denoising autoencoder. */
#include "objective/flow.h"

static bool walks(struct expansion *x, const char *what)
{
	if (!x->m->walk)
		diag(x->cx->diags, DIAG_NO_WALK, x->m->group.at[0]->span, what, x->m->name);
	return x->m->walk;
}

/* Draws all groups of a role with a factor that no posterior draws. */
static bool draw_factors(struct flow *fl, enum group_role role)
{
	for (int i = 0; i < fl->x->m->factor.n; i++)
		if (fl->x->m->factor.at[i]->group->role == role &&
		    !model_posterior(fl->x->m, fl->x->m->factor.at[i]->group) &&
		    !flow_draw(fl, fl->x->m->factor.at[i]))
			return false;
	return true;
}

/* The hidden groups drawn given the visible ones at `from`, then the visible groups at the
 * examples; false: refused. */
static bool draw_hidden(struct flow *fl, const struct sym *const *from)
{
	const struct model *m = fl->x->m;
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE)
			fl->state[i] = from[i];
	if (!flow_posteriors(fl) || !draw_factors(fl, GROUP_HIDDEN))
		return false;
	flow_hold(fl);
	for (int i = 0; i < m->def.n; i++)
		fl->computed[i] = NULL;
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_VISIBLE)
			fl->state[i] = m->group.at[i]->sym;
	return true;
}

/* log p(x | h); NULL: a visible group has no density. */
static struct node *log_visible(struct flow *fl)
{
	const struct model *m = fl->x->m;
	struct node *sum = ex_num(m->a, 0);
	for (int i = 0; i < m->factor.n; i++) {
		const struct factor *f = m->factor.at[i];
		if (f->group->role != GROUP_VISIBLE)
			continue;
		if (!f->log_density) {
			diag(fl->x->cx->diags, DIAG_NO_DENSITY, f->span, "walkback", f->group->name);
			return NULL;
		}
		sum = ex_add(m->a, sum, flow_log_density(fl, f));
	}
	return sum;
}

bool expand_walkback(struct expansion *x, const struct objective_args *args)
{
	struct arena *a = x->cx->prog;
	const struct sym *const *from = walkers_data(x).state;
	if (!walks(x, "walkback"))
		return false;
	for (int s = 0; s < (int)args->steps; s++) {
		struct flow *fl = flow_training(x, 1);
		fl->keep = s == 0;
		fl->suffix = s ? arena_printf(a, "walk%d", s + 1) : "";
		struct node *lp = draw_hidden(fl, from) ? log_visible(fl) : NULL;
		if (!lp || !flow_gradient(fl, flow_mean_loss(x, ex_scale(a, -1 / args->steps, lp)), NULL,
		                          x->begun || s))
			return false;
		if (s + 1 < (int)args->steps && !draw_factors(fl, GROUP_VISIBLE))
			return false;
		from = fl->state;
	}
	return true;
}

/* sum_i (x[i] - E[x[i] | h])^2 over the visible groups, h from q(h | x) */
bool objective_posterior_reconstruction(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->factor.n; i++) {
		const struct group *g = x->m->factor.at[i]->group;
		if (g->role != GROUP_HIDDEN || !x->m->factor.at[i]->dist || model_posterior(x->m, g))
			continue;
		diag(x->cx->diags, DIAG_NO_POSTERIOR, g->span, "reconstruction", g->name, g->name);
		return false;
	}
	struct flow *fl = flow_new(x, program_function(x->p, "reconstruction"), "again", POP_DATA, 1);
	struct node *sum = ex_num(a, 0);
	if (!draw_hidden(fl, walkers_data(x).state))
		return false;
	for (int i = 0; i < x->m->factor.n; i++) {
		const struct factor *f = x->m->factor.at[i];
		const struct sym *v = f->group->sym;
		if (f->group->role != GROUP_VISIBLE)
			continue;
		if (!f->mean || model_reads(x->m, f->mean, v)) {
			diag(x->cx->diags, DIAG_NO_MEAN, f->span, f->group->name);
			return false;
		}
		struct node *gap = ex_sub(a, ex_at(a, v, fl->batch, f->at), flow_at(fl, f->mean));
		gap = ex_op2(a, OP_POW, gap, ex_num(a, 2));
		sum = ex_add(a, sum, ex_reduce(a, RED_SUM, f->at, v->rank, NULL, 0, gap));
	}
	assign(x, fl->f, out_sym(x, "reconstruction", POP_DATA), fl->batch, NULL, sum);
	return true;
}
