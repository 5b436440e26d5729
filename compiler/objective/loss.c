/* Objectives that are a number for each example, differentiated as they stand: the gradient is the
 * mean over the batch of d loss / d theta.
 *
 *   pseudo-likelihood   - sum_k log p(v[k] | all other v)                          (Besag 1975)
 *   ratio matching      sum_k (1 - p(v[k] | all other v))^2, two-valued units      (Hyvarinen 2007)
 *   score matching      sum_i (dF/dv[i])^2/2 - d2F/dv[i]2, real units              (Hyvarinen 2005)
 *   denoising           |dF/dv at v + s*z  +  z/s|^2 * s^2/2, z standard normal    (Vincent 2011)
 */
#include "objective/internal.h"

bool descend(struct expansion *x, struct function *f, struct node *loss)
{
	struct arena *a = x->cx->prog;
	const char *op;
	struct walkers data = walkers_data(x);
	if (model_reads_states(x->m))
		return descend_states(x, f, loss, &data);
	if (!ex_differentiable(loss, &op)) {
		diag(x->cx->diags, DIAG_NO_DERIVATIVE, loss->span.src ? loss->span : x->m->E.at[0].span,
		     op);
		return false;
	}
	const struct idx *n = x->m->batch;
	struct node *inv_n = ex_access(a, scalar_sym(x, "inv_n"), NULL, NULL);
	for (int i = 0; i < x->m->weight.n; i++) {
		const struct weight *w = x->m->weight.at[i];
		const struct idx *at[MAX_RANK];
		struct affine k[MAX_RANK];
		fresh_axes(a, w->sym, at);
		for (int r = 0; r < w->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *g = ex_reduce(a, RED_SUM, &n, 1, NULL, 0, ex_diff(a, loss, w->sym, k));
		set_gradient(x, f, i, at, ex_mul(a, inv_n, g));
	}
	return true;
}

static bool refuse_unless(struct expansion *x, enum shape shape, const char *what)
{
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role != GROUP_VISIBLE || (g->family->shape == shape))
			continue;
		diag(x->cx->diags, DIAG_LOSS_DOMAIN, g->span, what,
		     shape == SHAPE_GAUSS ? "real" : "binary or spin", g->name, g->domain);
		return false;
	}
	return true;
}

bool expand_pl(struct expansion *x, const struct objective_args *args)
{
	(void)args;
	energy F;
	if (!model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct node *score = pseudo_log_likelihood(x, &F);
	return score && descend(x, program_function(x->p, "train.final"), ex_neg(x->cx->prog, score));
}

/* dF/dv[at] */
static struct node *slope(struct expansion *x, const energy *F, const struct group *g,
                          const struct idx *const *at)
{
	struct affine k[MAX_RANK];
	for (int r = 0; r < g->sym->rank; r++)
		k[r] = affine_idx(x->cx->prog, at[r]);
	return ex_diff(x->cx->prog, energy_node(x->cx->prog, F), g->sym, k);
}

/* p(v[at] is not what it is | all other v)^2 */
static struct node *miss_squared(struct expansion *x, const energy *F, const struct group *g,
                                 const struct idx *const *at)
{
	struct arena *a = x->cx->prog;
	return ex_op2(a, OP_POW, ex_op1(a, OP_SIGMOID, flip_gap(x, F, g, at)), ex_num(a, 2));
}

/* (dF/dv[at])^2/2 - d2F/dv[at]2 */
static struct node *score_term(struct expansion *x, const energy *F, const struct group *g,
                               const struct idx *const *at)
{
	struct arena *a = x->cx->prog;
	struct affine k[MAX_RANK];
	for (int r = 0; r < g->sym->rank; r++)
		k[r] = affine_idx(a, at[r]);
	struct node *s = slope(x, F, g, at);
	struct node *half = ex_scale(a, 0.5, ex_op2(a, OP_POW, s, ex_num(a, 2)));
	return ex_sub(a, half, ex_diff(a, s, g->sym, k));
}

/* A loss that is a sum over the visible units, which are all of one shape. */
static bool expand_sum(struct expansion *x, enum shape shape, const char *what,
                       struct node *(*part)(struct expansion *x, const energy *F,
                                            const struct group *g, const struct idx *const *at))
{
	struct arena *a = x->cx->prog;
	energy F;
	if (!refuse_unless(x, shape, what) || !model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct node *loss = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		struct node *t = part(x, &F, g, at);
		loss = ex_add(a, loss, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, t));
	}
	return descend(x, program_function(x->p, "train.final"), loss);
}

bool expand_ratio(struct expansion *x, const struct objective_args *args)
{
	(void)args;
	return expand_sum(x, SHAPE_TWO, "ratio matching", miss_squared);
}

bool expand_score(struct expansion *x, const struct objective_args *args)
{
	(void)args;
	return expand_sum(x, SHAPE_GAUSS, "score matching", score_term);
}

bool expand_denoising(struct expansion *x, const struct objective_args *args)
{
	struct arena *a = x->cx->prog;
	energy F;
	if (!refuse_unless(x, SHAPE_GAUSS, "denoising score matching") ||
	    !model_free_energy(x->cx, x->m, &x->m->E, &F))
		return false;
	struct function *f = program_function(x->p, "train.final");
	struct walkers data = walkers_data(x), noisy = walkers_means(x, "noisy", &data, GROUP_VISIBLE);
	struct walkers noise = walkers_means(x, "noise", &data, GROUP_VISIBLE);
	struct node *loss = ex_num(a, 0);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		assign(x, f, noise.state[i], noise.batch, at, ex_draw(a, OP_NORMAL, program_stream(x->p)));
		struct node *z = ex_at(a, noise.state[i], noise.batch, at);
		assign(x, f, noisy.state[i], noisy.batch, at,
		       ex_add(a, ex_at(a, g->sym, data.batch, at), ex_scale(a, args->sigma, z)));
		struct node *s = at_walkers(x, slope(x, &F, g, at), &noisy);
		struct node *d = ex_sub(a, ex_scale(a, args->sigma, s), z);
		loss = ex_add(a, loss,
		              ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0,
		                        ex_scale(a, 0.5, ex_op2(a, OP_POW, d, ex_num(a, 2)))));
	}
	return descend(x, f, loss);
}
