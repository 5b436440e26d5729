/* Objectives and figures of directed models, p(x, z) = product over the factors.
 *
 *   nll      - log p(y | x): the factors of y, where they read nothing that is not known
 *   elbo     - E_q [log p(x, z) - log q(z | x)], z drawn from the posteriors (Kingma & Welling
 *            2014, Rezende et al. 2014).  Where log p(z) - log q(z) is a polynomial in z of at most
 *            the second degree its mean over q is exact: f(mean) + sum of f''/2 * variance.
 *            Gradients go through the draws where these are smooth in the parameters.
 *   iwae     - log mean over k particles of p(x, z)/q(z | x) (Burda et al. 2016) */
#include "objective/flow.h"

/* ---- sums of log-densities ---- */
struct node *flow_log_density(struct flow *fl, const struct factor *f)
{
	if (fl->place && flow_order_drawn(fl->x->m, f))
		return flow_density_at_place(fl, f);
	return flow_at(fl, factor_log_density(fl->x->m, f));
}

static bool reads_only(const struct model *m, const struct factor *f, const bool *known)
{
	for (int i = 0; i < m->group.n; i++)
		if (!known[i] && m->group.at[i] != f->group &&
		    model_reads(m, f->log_density, m->group.at[i]->sym))
			return false;
	return true;
}

/* log p(of | known), of and known disjoint; NULL: a factor reads something else, or there is none.
 */
static struct node *log_likelihood(struct flow *fl, const bool *of, const bool *known)
{
	const struct model *m = fl->x->m;
	struct node *sum = ex_num(m->a, 0);
	bool *all = NEW_ARRAY(m->a, bool, m->group.n + 1);
	for (int i = 0; i < m->group.n; i++)
		all[i] = of[i] || known[i];
	for (int i = 0; i < m->group.n; i++) {
		const struct factor *f = model_factor(m, m->group.at[i]);
		if (!of[i])
			continue;
		if (!f || !f->log_density || !reads_only(m, f, all))
			return NULL;
		sum = ex_add(m->a, sum, flow_log_density(fl, f));
	}
	return sum;
}

/* A group of `of` that a known one is drawn from, through others too; NULL: none. */
static const struct group *cause(const struct model *m, const bool *of, const bool *known)
{
	bool *from = NEW_ARRAY(m->a, bool, m->group.n + 1);
	for (int i = 0; i < m->group.n; i++)
		from[i] = known[i];
	for (int round = 0; round < m->factor.n; round++)
		for (int i = 0; i < m->group.n; i++) {
			const struct factor *f = from[i] ? model_factor(m, m->group.at[i]) : NULL;
			for (int k = 0; k < m->group.n && f; k++)
				from[k] = from[k] || model_reads(m, f->log_density ? f->log_density : f->draw,
				                                 m->group.at[k]->sym);
		}
	for (int i = 0; i < m->group.n; i++)
		if (from[i] && of[i])
			return m->group.at[i];
	return NULL;
}

bool directed_conditional(struct expansion *x, const bool *of, const bool *known)
{
	const struct group *g = cause(x->m, of, known);
	if (g)
		diag(x->cx->diags, DIAG_REVERSED, model_factor(x->m, g)->span, g->name, g->name);
	return g == NULL;
}

struct node *directed_nll(struct flow *fl, const bool *of, const bool *known)
{
	struct node *sum = log_likelihood(fl, of, known);
	return sum ? ex_neg(fl->x->cx->prog, sum) : NULL;
}

/* ---- the posterior ---- */
static bool read_by_factor(const struct model *m, const struct group *g)
{
	bool reads = false;
	for (int i = 0; i < m->factor.n; i++) {
		const struct factor *f = m->factor.at[i];
		const struct node *value = f->log_density ? f->log_density : f->draw;
		reads = reads || (value && model_reads(m, value, g->sym));
	}
	for (int i = 0; i < m->posterior.n; i++) {
		const struct node *density = m->posterior.at[i]->log_density;
		reads = reads || (density && model_reads(m, density, g->sym));
	}
	return reads;
}

bool directed_posteriors(struct expansion *x, const char *what)
{
	const struct model *m = x->m;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		const struct factor *p = model_factor(m, g), *q = model_posterior(m, g);
		if (g->role == GROUP_GIVEN)
			continue;
		bool computed = p && !p->dist && g->role == GROUP_HIDDEN;
		bool dense = computed || (p ? p->log_density != NULL : m->prior != NULL);
		if (!dense || (q && !q->log_density)) {
			diag(x->cx->diags, DIAG_NO_DENSITY, dense ? q->span : g->span, what, g->name);
			return false;
		}
		bool needed = p ? p->log_density != NULL : read_by_factor(m, g);
		if (g->role == GROUP_HIDDEN && needed && !q) {
			diag(x->cx->diags, DIAG_NO_POSTERIOR, g->span, what, g->name, g->name);
			return false;
		}
	}
	return true;
}

bool flow_posteriors(struct flow *fl)
{
	for (int i = 0; i < fl->x->m->posterior.n; i++)
		if (!flow_draw(fl, fl->x->m->posterior.at[i]))
			return false;
	return true;
}

static struct node *put_mean(struct arena *a, const struct node *access, void *arg)
{
	const struct factor *q = arg;
	struct node *x = q->mean;
	for (int k = 0; k < q->group->sym->rank; k++)
		x = ex_subst_idx(a, x, q->at[k], access->map[k]);
	return x;
}

struct node *objective_mean_gap(const struct model *m, const struct factor *p,
                                const struct factor *q)
{
	struct arena *a = m->a;
	const struct sym *z = q->group->sym;
	bool after = false;
	struct node *gap = ex_sub(a, factor_log_density(m, p), factor_log_density(m, q));
	int degree = ex_degree(gap, z);
	for (int i = 0; i < m->posterior.n; i++) {
		after |= m->posterior.at[i] == q;
		if (after && m->posterior.at[i] != q && model_reads(m, gap, m->posterior.at[i]->group->sym))
			return NULL;
	}
	for (int i = 0; i < m->def.n; i++) /* z only in plain sight */
		if (ex_mentions(gap, m->def.at[i]->sym) && model_reads(m, m->def.at[i]->rhs, q->group->sym))
			return NULL;
	bool two = z->values == VALUES_BINARY && !q->block;
	if (!q->mean || ex_mentions(q->mean, z) || degree < 0 || degree > 2 ||
	    (degree == 2 && (two || !q->variance)) || (degree == 1 && q->block))
		return NULL;
	struct node *curve = ex_num(a, 0);
	if (degree == 2) {
		struct affine k[MAX_RANK];
		for (int i = 0; i < z->rank; i++)
			k[i] = affine_idx(a, q->at[i]);
		struct node *second = ex_diff(a, ex_diff(a, gap, z, k), z, k);
		curve = ex_reduce(a, RED_SUM, q->at, z->rank, NULL, 0,
		                  ex_scale(a, 0.5, ex_mul(a, second, q->variance)));
	}
	struct node *mean =
	    ex_subst(a, gap, &(struct subst){.from = z, .fn = put_mean, .arg = (void *)q});
	return ex_add(a, mean, curve);
}

/* Minus the free energy of the groups without a factor: the log of their law but for log Z. */
struct node *flow_log_prior(struct flow *fl)
{
	struct expansion *p = expansion_prior(fl->x);
	struct arena *a = fl->x->m->a;
	energy F;
	if (!model_free_energy(p->cx, p->m, &p->m->E, &F))
		return NULL;
	return ex_neg(a, flow_at(fl, ex_add(a, energy_node(a, &F), base_measure(p))));
}

/* log p(x, z) - log q(z | x) at the drawn z, but for log Z of an energy; closed: parts by their
 * means over q; NULL: refused. */
struct node *flow_log_weight(struct flow *fl, bool closed)
{
	const struct model *m = fl->x->m;
	struct node *sum = m->prior ? flow_log_prior(fl) : ex_num(m->a, 0);
	for (int i = 0; i < m->posterior.n && sum; i++)
		if (!model_factor(m, m->posterior.at[i]->group))
			sum = ex_sub(m->a, sum, flow_log_density(fl, m->posterior.at[i]));
	if (!sum)
		return NULL;
	for (int i = 0; i < m->factor.n; i++) {
		const struct factor *p = m->factor.at[i], *q = model_posterior(m, p->group);
		struct node *gap = closed && q && p->log_density ? objective_mean_gap(m, p, q) : NULL;
		if (gap) {
			sum = ex_add(m->a, sum, flow_at(fl, gap));
			continue;
		}
		if (p->log_density)
			sum = ex_add(m->a, sum, flow_log_density(fl, p));
		if (q)
			sum = ex_sub(m->a, sum, flow_log_density(fl, q));
	}
	return sum;
}

struct node *flow_over_particles(struct flow *fl, enum reduce red, struct node *x)
{
	return fl->particle ? ex_reduce(fl->x->cx->prog, red, &fl->particle, 1, NULL, 0, x) : x;
}

double flow_particles(const struct flow *fl)
{
	return fl->particle ? (double)fl->particle->size : 1;
}

/* ---- objectives ---- */
struct node *flow_mean_loss(struct expansion *x, struct node *loss)
{
	struct arena *a = x->cx->prog;
	struct node *inv_n = ex_access(a, scalar_sym(x, "inv_n"), NULL, NULL);
	return ex_scale(a, x->scale, ex_mul(a, inv_n, loss));
}

bool directed_descend(struct flow *fl, struct node *loss)
{
	return flow_gradient(fl, flow_mean_loss(fl->x, loss), NULL, fl->x->begun);
}

/* Chains of an energy's log Z start at what train.first has drawn. */
struct flow *flow_training(struct expansion *x, double k)
{
	const char *name = x->m->prior ? "train.first" : "train.final";
	struct flow *fl = flow_new(x, program_function(x->p, name), "", POP_DATA, (int64_t)k);
	fl->training = fl->keep = true;
	return fl;
}

/* Where the prior is an energy: the gradient of its log Z, by chains that live on or start at the
 * posterior's draws (of the first particle). */
bool flow_descend_prior(struct flow *fl, const struct objective_args *args, struct walkers *chain)
{
	struct expansion *x = fl->x;
	struct arena *a = x->cx->prog;
	if (!x->m->prior) {
		if (args->chains)
			diag(x->cx->diags, DIAG_NO_CHAINS, args->span, x->m->name);
		return !args->chains;
	}
	struct expansion *p = expansion_prior(x);
	if (args->persistent && !without_given(p, "a chain that lives on"))
		return false;
	*chain = walkers_new(p, "chain", args->persistent ? POP_CHAINS : POP_DATA);
	for (int i = 0; i < x->m->group.n && !args->persistent; i++) {
		const struct sym *s = fl->state[i];
		const struct idx *at[MAX_RANK];
		struct affine map[MAX_RANK] = {affine_const(0)};
		int k = 0;
		while (k < p->m->group.n && p->m->group.at[k]->sym != x->m->group.at[i]->sym)
			k++;
		if (k == p->m->group.n || p->m->group.at[k]->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, p->m->group.at[k]->sym, at);
		for (int r = fl->many[i]; r < s->rank; r++)
			map[r] = affine_idx(a, at[r - fl->many[i]]);
		assign(x, fl->f, chain->state[k], chain->batch, at, ex_access(a, s, fl->batch, map));
	}
	return descend_log_z(p, chain, args->persistent);
}

/* place: densities in an order that is drawn are estimated from one place in it. */
static bool bound(struct expansion *x, const struct objective_args *args, const char *name,
                  bool place)
{
	struct arena *a = x->cx->prog;
	struct walkers chain;
	if (!directed_posteriors(x, name))
		return false;
	struct flow *fl = flow_training(x, args->particles);
	if (place)
		fl->place = flow_uniform(fl, "place", NULL, 0);
	if (!flow_posteriors(fl))
		return false;
	bool smooth = flow_smooth(fl);
	struct node *lw = flow_log_weight(fl, smooth), *score;
	if (!lw)
		return false;
	struct node *loss = ex_neg(a, lw);
	if (!smooth) {
		if (!(score = flow_score(fl, flow_advantage(fl, loss))))
			return false;
		loss = ex_add(a, loss, score);
	}
	loss = ex_scale(a, 1 / flow_particles(fl), flow_over_particles(fl, RED_SUM, loss));
	return directed_descend(fl, loss) && flow_descend_prior(fl, args, &chain);
}

bool expand_elbo(struct expansion *x, const struct objective_args *args)
{
	return bound(x, args, "elbo", false);
}

bool expand_order_agnostic(struct expansion *x, const struct objective_args *args)
{
	for (int i = 0; i < x->m->factor.n; i++)
		if (flow_order_drawn(x->m, x->m->factor.at[i]))
			return bound(x, args, "order_agnostic", true);
	diag(x->cx->diags, DIAG_NO_ORDER, args->span, x->m->name);
	return false;
}

/* - log of the sum over the particles of their weights; NULL: refused.  *weight: their logarithms,
 * NULL: there is one particle. */
static struct node *importance(struct flow *fl, const struct sym **weight)
{
	struct arena *a = fl->x->cx->prog;
	*weight = NULL;
	if (!flow_posteriors(fl))
		return NULL;
	struct node *lw = flow_log_weight(fl, false);
	if (!lw)
		return NULL;
	if (fl->particle) {
		struct affine s = affine_idx(a, fl->particle);
		*weight = flow_assign(fl, "weight", NULL, 0, lw);
		lw = ex_access(a, *weight, fl->batch, &s);
	}
	return ex_neg(a, flow_over_particles(fl, RED_LOGSUMEXP, lw));
}

bool expand_iwae(struct expansion *x, const struct objective_args *args)
{
	struct walkers chain;
	if (!directed_posteriors(x, "iwae"))
		return false;
	struct flow *fl = flow_training(x, args->particles);
	const struct sym *weight;
	struct node *loss = importance(fl, &weight);
	if (loss && !flow_smooth(fl)) {
		struct node *score = flow_score(fl, flow_joint_advantage(fl, weight));
		loss = score ? ex_add(x->cx->prog, loss, flow_over_particles(fl, RED_SUM, score)) : NULL;
	}
	return loss && directed_descend(fl, loss) && flow_descend_prior(fl, args, &chain);
}

/* ---- figures ---- */
static bool figure(struct flow *fl, const char *name, struct node *value)
{
	assign(fl->x, fl->f, out_sym(fl->x, name, POP_DATA), fl->batch, NULL, value);
	return true;
}

static bool *visible(const struct model *m, bool **given)
{
	bool *of = NEW_ARRAY(m->a, bool, m->group.n + 1);
	*given = NEW_ARRAY(m->a, bool, m->group.n + 1);
	for (int i = 0; i < m->group.n; i++) {
		of[i] = m->group.at[i]->role == GROUP_VISIBLE;
		(*given)[i] = m->group.at[i]->role == GROUP_GIVEN;
	}
	return of;
}

bool objective_directed_nll(struct expansion *x, const char *name)
{
	bool *given, *of = visible(x->m, &given);
	struct flow *fl = flow_new(x, program_function(x->p, name), name, POP_DATA, 1);
	struct node *nll = directed_nll(fl, of, given);
	if (nll)
		return figure(fl, name, nll);
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_HIDDEN) {
			diag(x->cx->diags, DIAG_HIDDEN_LIKELIHOOD, x->m->group.at[i]->span,
			     x->m->group.at[i]->name);
			return false;
		}
	diag(x->cx->diags, DIAG_NO_DENSITY, x->m->group.at[0]->span, "the likelihood",
	     x->m->group.at[0]->name);
	return false;
}

bool objective_nll(struct expansion *x)
{
	return model_reads_states(x->m) ? objective_states_nll(x) : objective_directed_nll(x, "nll");
}

static bool normalised(struct expansion *x)
{
	if (x->m->prior)
		diag(x->cx->diags, DIAG_PRIOR_FIGURE, x->m->E.at[0].span, x->m->name);
	return !x->m->prior;
}

bool objective_elbo(struct expansion *x)
{
	if (!normalised(x) || !directed_posteriors(x, "the bound"))
		return false;
	struct flow *fl = flow_new(x, program_function(x->p, "elbo"), "elbo", POP_DATA, 1);
	return flow_posteriors(fl) && figure(fl, "elbo", flow_log_weight(fl, true));
}

/* Minus the bound without log Z. */
bool objective_prior_bound(struct expansion *x)
{
	if (!directed_posteriors(x, "the bound"))
		return false;
	struct flow *fl =
	    flow_new(x, program_function(x->p, "free_energy"), "free_energy", POP_DATA, 1);
	struct node *lw = flow_posteriors(fl) ? flow_log_weight(fl, true) : NULL;
	return lw && figure(fl, "free_energy", ex_neg(x->cx->prog, lw));
}

/* The importance-weighted bound in several passes: each adds its particles' weights to a running
 * log-sum, which begins as nearly minus infinity. */
bool objective_importance(struct expansion *x)
{
	struct arena *a = x->cx->prog;
	int particles = x->particles ? x->particles : OBJECTIVE_PARTICLES;
	if (!normalised(x) || !directed_posteriors(x, "importance sampling"))
		return false;
	const struct idx *n = x->m->batch;
	const struct sym *sum = out_sym(x, "importance.pass", POP_DATA);
	assign(x, program_function(x->p, "importance.start"), sum, n, NULL, ex_num(a, -1e30));
	struct flow *fl =
	    flow_new(x, program_function(x->p, "importance.pass"), "importance", POP_DATA, particles);
	struct node *before = ex_access(a, sum, n, NULL);
	const struct sym *weight,
	    *sym = flow_assign(fl, "sum", NULL, 0, ex_neg(a, importance(fl, &weight)));
	struct node *more = ex_access(a, sym, n, NULL);
	struct node *gap = ex_op1(a, OP_ABS, ex_sub(a, more, before));
	assign(x, fl->f, sum, n, NULL,
	       ex_add(a, ex_op2(a, OP_MAX, before, more), ex_op1(a, OP_SOFTPLUS, ex_neg(a, gap))));
	assign(x, program_function(x->p, "importance"), out_sym(x, "importance", POP_DATA), n, NULL,
	       ex_neg(a, before));
	return true;
}

/* ---- samples ---- */
/* What a factor's group is, and its mean, as those of the samples. */
static void keep_sample(struct flow *fl, const struct walkers *w, const struct walkers *mean,
                        const struct factor *f)
{
	struct expansion *x = fl->x;
	struct arena *a = x->cx->prog;
	int i = group_number(x, f->group);
	struct node *own = ex_at(a, fl->state[i], fl->batch, f->at);
	bool of_others = f->mean && !model_reads(x->m, f->mean, f->group->sym);
	assign(x, fl->f, w->state[i], fl->batch, f->at, own);
	if (f->group->role == GROUP_VISIBLE)
		assign(x, fl->f, mean->state[i], fl->batch, f->at, of_others ? flow_at(fl, f->mean) : own);
}

/* From the first factor on whose elements follow one another in an order of values: these place
 * after place (order.c), the others as they are given what is there of these. */
static bool draw_in_order(struct flow *before, const struct walkers *w, const struct walkers *mean,
                          int first)
{
	struct expansion *x = before->x;
	struct arena *a = x->cx->prog;
	const struct model *m = x->m;
	const struct sym *count =
	    sym_new(a, "place", SYM_VAR, VALUES_REAL, true, 0, NULL, (struct span){0});
	program_tensor(x->p, count, SPACE_STATE, POP_SAMPLES, NULL);
	assign(x, before->f, count, w->batch, NULL, ex_num(a, 0));
	struct flow *fl =
	    flow_new(x, program_function(x->p, "sample.element"), "sample.flow", POP_SAMPLES, 1);
	struct node *place = ex_access(a, count, w->batch, NULL);
	fl->batch = w->batch;
	fl->apart = true;
	for (int i = 0; i < m->group.n; i++)
		fl->state[i] = w->state[i];
	for (int i = first; i < m->factor.n; i++) {
		const struct factor *f = m->factor.at[i];
		if (!f->order && !flow_draw(fl, f))
			return false;
		if (f->order) {
			flow_draw_at_place(fl, f, flow_places(before, f), place);
			place = ex_sub(a, place, ex_num(a, (double)factor_elements(f)));
		}
	}
	for (int i = first; i < m->factor.n; i++)
		keep_sample(fl, w, mean, m->factor.at[i]);
	place = ex_access(a, count, w->batch, NULL);
	assign(x, fl->f, count, w->batch, NULL, ex_add(a, place, ex_num(a, 1)));
	return true;
}

bool objective_ancestral(struct expansion *x, const struct walkers *w)
{
	const struct model *m = x->m;
	struct walkers mean = walkers_means(x, "sample.mean", w, GROUP_VISIBLE);
	struct function *f = program_function(x->p, "sample.sweep");
	bool in_order = model_in_order(m) && !m->walk && !m->prior;
	int n = 0;
	while (n < m->factor.n && !(in_order && m->factor.at[n]->order))
		n++;
	if (in_order && (!draw_independent(x, f, w, GROUP_VISIBLE, false) ||
	                 !draw_independent(x, f, w, GROUP_HIDDEN, false)))
		return false;
	struct flow *fl = flow_new(x, f, "sample.flow", POP_SAMPLES, 1);
	fl->batch = w->batch;
	for (int i = 0; i < m->group.n; i++)
		if (m->walk || !model_factor(m, m->group.at[i]))
			fl->state[i] = w->state[i];
	program_function(x->p, "sample.begin");
	if (m->walk && !flow_posteriors(fl))
		return false;
	for (int i = 0; i < n; i++)
		if (!flow_draw(fl, m->factor.at[i]))
			return false;
	for (int i = 0; i < n; i++)
		keep_sample(fl, w, &mean, m->factor.at[i]);
	if (n < m->factor.n && !draw_in_order(fl, w, &mean, n))
		return false;
	program_function(x->p, "sample.mean");
	return true;
}
