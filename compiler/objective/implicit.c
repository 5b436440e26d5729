/* Objectives of implicit models: x is computed from noise and has no density.
 *
 *   adversarial  a critic d(x) tells data from what is generated, g the generator's x
 *                (Goodfellow et al. 2014):
 *                  critic      mean softplus(-d(x)) + softplus(d(g))
 *                  generator   nonsaturating mean softplus(-d(g)); minimax - mean softplus(d(g))
 *                Wasserstein (Arjovsky et al. 2017): d(g) - d(x), and - d(g), with the penalty
 *                lambda (|dd/dx| - 1)^2 at points between x and g (Gulrajani et al. 2017).
 *   mmd          the squared maximum mean discrepancy of data and generated, with the kernel
 *                k = sum over s of exp(-|x - y|^2 / 2s^2), or its root (Gretton et al. 2012; Li et
 * al. 2015).  The gradient by one generated row, the others held: 2/N^2 sum_m k(g, g[m]) - 2/N^2
 * sum_m k(g, x[m]).  Unbiased: the means of k(g, g) and k(x, x) are over pairs of different rows.
 */
#include "objective/flow.h"

#include <string.h>

/* ---- what is generated ---- */
/* All groups, or, where one is named, those up to it. */
static struct flow *generated(struct expansion *x, const char *what, const char *last)
{
	const struct model *m = x->m;
	struct flow *fl = flow_new(x, program_function(x->p, "train.final"), "fake", POP_DATA, 1);
	fl->training = fl->keep = true;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role == GROUP_GIVEN)
			continue;
		if (!model_factor(m, g)) {
			diag(x->cx->diags, DIAG_GENERATED, g->span, what, g->name);
			return NULL;
		}
		fl->state[i] = NULL;
	}
	for (int i = 0; i < m->factor.n; i++) {
		const struct factor *f = m->factor.at[i];
		if (!flow_draw(fl, f))
			return NULL;
		if (f->group->role == GROUP_VISIBLE && fl->step.at[fl->step.n - 1].constant) {
			diag(x->cx->diags, DIAG_NOT_SMOOTH, f->span, what, f->group->name);
			return NULL;
		}
		if (last && strcmp(f->group->name, last) == 0)
			break;
	}
	fl->keep = false;
	return fl;
}

static struct node *number(struct expansion *x, const struct sym *d)
{
	struct arena *a = x->cx->prog;
	struct affine zero[MAX_RANK];
	for (int k = 0; k < d->rank; k++)
		zero[k] = affine_const(0);
	return ex_access(a, d, d->batched ? x->m->batch : NULL, zero);
}

/* Is the value made of visible variables, and of no hidden one?  false: refused. */
static bool of_data(struct expansion *x, const struct net *net, struct span at)
{
	const struct model *m = x->m;
	const struct node *value = number(x, net->value);
	const char *hidden = NULL;
	bool visible = false;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (!model_reads(m, value, g->sym))
			continue;
		visible |= g->role == GROUP_VISIBLE;
		hidden = g->role == GROUP_HIDDEN ? g->name : hidden;
	}
	if (visible && !hidden)
		return true;
	diag(x->cx->diags, DIAG_NET_DATA, at, net->name,
	     hidden ? arena_printf(m->a, "the hidden '%s'", hidden) : "none");
	return false;
}

/* The value of the net that the model calls by this name, on data; NULL: refused. */
static const struct sym *value_of(struct expansion *x, const char *name, struct span at)
{
	for (int i = 0; i < x->m->net.n; i++)
		if (strcmp(x->m->net.at[i].name, name) == 0)
			return of_data(x, &x->m->net.at[i], at) ? x->m->net.at[i].value : NULL;
	diag(x->cx->diags, DIAG_NO_NET, at, name, x->m->name);
	return NULL;
}

/* The parameters that a value is made of, those of other groups' factors left out. */
static void reaches(const struct model *m, const struct node *x, bool *which)
{
	for (int k = 0; k < m->weight.n; k++)
		which[k] = which[k] || model_reads(m, x, m->weight.at[k]->sym);
}

/* ---- adversarial ---- */
static struct node *softplus(struct arena *a, double sign, struct node *x)
{
	return ex_op1(a, OP_SOFTPLUS, ex_scale(a, sign, x));
}

/* lambda (|dd/dx| - 1)^2 at a point between an example and a generated one. */
static bool penalty(struct expansion *x, const struct flow *fake, const struct sym *d,
                    double lambda, const bool *which)
{
	struct arena *a = x->cx->prog;
	const struct model *m = x->m;
	struct flow *fl = flow_new(x, fake->f, "between", POP_DATA, 1);
	struct node *square = ex_num(a, 0);
	const struct idx *at[MAX_RANK];
	fl->training = true;
	struct node *u = ex_access(a, flow_uniform(fl, "mix", NULL, 0), fl->batch, NULL);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		struct node *real = ex_at(a, g->sym, fl->batch, at);
		struct node *made = ex_at(a, fake->state[i], fl->batch, at);
		struct node *mix = ex_add(a, made, ex_mul(a, u, ex_sub(a, real, made)));
		fl->state[i] = flow_assign(fl, g->name, at, g->sym->rank, mix);
		fl->step.at[fl->step.n - 1].constant = true;
	}
	struct node *value = flow_at(fl, number(x, d));
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role != GROUP_VISIBLE)
			continue;
		fresh_axes(a, g->sym, at);
		struct node *slope = flow_slope(fl, value, fl->state[i], at);
		if (slope == NULL)
			return false;
		struct node *part = ex_op2(a, OP_POW, slope, ex_num(a, 2));
		square = ex_add(a, square, ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, part));
	}
	const struct sym *norm =
	    flow_assign(fl, "slope", NULL, 0, ex_op1(a, OP_SQRT, ex_add(a, square, ex_num(a, 1e-12))));
	struct node *off = ex_sub(a, ex_access(a, norm, fl->batch, NULL), ex_num(a, 1));
	struct node *loss = ex_scale(a, lambda, ex_op2(a, OP_POW, off, ex_num(a, 2)));
	return flow_gradient(fl, flow_mean_loss(x, loss), which, true);
}

bool expand_adversarial(struct expansion *x, const struct objective_args *args)
{
	struct arena *a = x->cx->prog;
	const struct model *m = x->m;
	bool *critic = NEW_ARRAY(a, bool, m->weight.n + 1), *rest = NEW_ARRAY(a, bool, m->weight.n + 1);
	const struct sym *d = value_of(x, args->net, args->span);
	if (!d)
		return false;
	int64_t items = 1;
	for (int k = 0; k < d->rank; k++)
		items *= d->dim[k];
	if (items != 1 || !d->batched) {
		diag(x->cx->diags, DIAG_CRITIC, args->span, args->net);
		return false;
	}
	reaches(m, number(x, d), critic);
	for (int k = 0; k < m->weight.n; k++)
		rest[k] = !critic[k];
	struct flow *fake = generated(x, "adversarial", NULL);
	if (!fake)
		return false;
	struct flow *real = flow_new(x, fake->f, "real", POP_DATA, 1);
	real->training = real->keep = true;
	struct node *g = flow_at(fake, number(x, d)), *r = flow_at(real, number(x, d));
	bool distance = args->loss == LOSS_WASSERSTEIN;
	struct node *made = distance                     ? ex_neg(a, g)
	                    : args->loss == LOSS_MINIMAX ? ex_neg(a, softplus(a, 1, g))
	                                                 : softplus(a, -1, g);
	struct node *on_fake = distance ? g : softplus(a, 1, g);
	struct node *on_real = distance ? ex_neg(a, r) : softplus(a, -1, r);
	return flow_gradient(fake, flow_mean_loss(x, made), rest, x->begun) &&
	       flow_gradient(fake, flow_mean_loss(x, on_fake), critic, x->begun) &&
	       flow_gradient(real, flow_mean_loss(x, on_real), critic, true) &&
	       (args->penalty == 0 || penalty(x, fake, d, args->penalty, critic));
}

/* ---- maximum mean discrepancy ---- */
struct rows { /* vectors, one a row, and their squared lengths */
	const struct sym *x, *square;
};

static struct rows rows_of(struct flow *fl, const struct sym *x)
{
	struct arena *a = fl->x->cx->prog;
	const struct idx *at[MAX_RANK];
	fresh_axes(a, x, at);
	struct node *v = ex_at(a, x, fl->batch, at);
	struct node *s =
	    ex_reduce(a, RED_SUM, at, x->rank, NULL, 0, ex_op2(a, OP_POW, v, ex_num(a, 2)));
	return (struct rows){x, flow_assign(fl, arena_printf(a, "%s.square", x->name), NULL, 0, s)};
}

/* k between row n of x and row m of y; their squared distance is a step, so that one product is
 * enough for the gradients through all widths. */
static struct node *kernel(struct flow *fl, const struct rows *x, const struct rows *y,
                           const struct idx *m, const struct objective_args *args)
{
	struct arena *a = fl->x->cx->prog;
	const struct idx *n = fl->batch, *at[MAX_RANK];
	struct affine other = affine_idx(a, m);
	struct node *k = ex_num(a, 0);
	fresh_axes(a, x->x, at);
	struct node *dot = ex_reduce(a, RED_SUM, at, x->x->rank, NULL, 0,
	                             ex_mul(a, ex_at(a, x->x, n, at), ex_at(a, y->x, m, at)));
	struct node *gap =
	    ex_add(a, ex_access(a, x->square, n, NULL), ex_access(a, y->square, m, NULL));
	const struct sym *d = flow_assign(fl, arena_printf(a, "%s.distance", y->x->name), &m, 1,
	                                  ex_sub(a, gap, ex_scale(a, 2, dot)));
	for (int i = 0; i < args->nsigma; i++) {
		double c = -0.5 / (args->sigmas[i] * args->sigmas[i]);
		k = ex_add(a, k, ex_op1(a, OP_EXP, ex_scale(a, c, ex_access(a, d, n, &other))));
	}
	return k;
}

static struct node *over_rows(struct arena *a, const struct idx *m, struct node *x)
{
	return ex_reduce(a, RED_SUM, &m, 1, NULL, 0, x);
}

/* The visible variable: the one of this name, the only one where none is named. */
static const struct sym *the_visible(struct expansion *x, const char *name, struct span at)
{
	const struct sym *s = NULL;
	int n = 0;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		if (g->role != GROUP_VISIBLE || (name && strcmp(g->name, name) != 0))
			continue;
		s = g->sym;
		n++;
	}
	if (n == 1)
		return s;
	diag(x->cx->diags, DIAG_MMD_VISIBLE, at, n);
	return NULL;
}

/* The rows that are compared: x itself, or the value of a net on it, which is not in training. */
static const struct sym *compared(struct flow *fl, const struct objective_args *args)
{
	struct expansion *x = fl->x;
	const struct idx *at[MAX_RANK];
	const struct sym *s = args->net ? value_of(x, args->net, args->span)
	                                : the_visible(x, args->generated, args->span);
	if (!s)
		return NULL;
	fresh_axes(x->cx->prog, s, at);
	fl->training = !args->net;
	struct node *value = flow_at(fl, ex_at(x->cx->prog, s, x->m->batch, at));
	fl->training = true;
	return flow_assign(fl, "rows", at, s->rank, value);
}

/* The rows that are generated: the values of the variable that is named, where one is. */
static const struct sym *compared_with(struct flow *fl, const struct objective_args *args,
                                       const struct sym *data)
{
	const struct model *m = fl->x->m;
	const struct idx *at[MAX_RANK];
	for (int i = 0; i < m->group.n && args->generated; i++) {
		const struct group *g = m->group.at[i];
		if (strcmp(g->name, args->generated) != 0 || !fl->state[i])
			continue;
		bool same = g->sym->rank == data->rank;
		for (int k = 0; k < data->rank && same; k++)
			same = g->sym->dim[k] == data->dim[k];
		if (!same)
			break;
		fresh_axes(m->a, data, at);
		return flow_assign(fl, "rows", at, data->rank, ex_at(m->a, fl->state[i], fl->batch, at));
	}
	if (args->generated)
		diag(fl->x->cx->diags, DIAG_MMD_VARIABLE, args->span, args->generated,
		     args->net ? args->net : "the data");
	return args->generated ? NULL : compared(fl, args);
}

/* N/(N - 1) of 1/N, for N of at least 2; finite for N = 1. */
static struct node *others_share(struct arena *a, struct node *inv)
{
	struct node *left = ex_op2(a, OP_MAX, ex_sub(a, ex_num(a, 1), inv), ex_num(a, 0.5));
	return ex_op2(a, OP_POW, left, ex_num(a, -1));
}

bool expand_mmd(struct expansion *x, const struct objective_args *args)
{
	struct arena *a = x->cx->prog;
	struct flow *fake = generated(x, "mmd", args->generated);
	if (!fake)
		return false;
	program_pop_most(x->p, POP_DATA, args->rows);
	struct flow *real = flow_new(x, fake->f, "real", POP_DATA, 1);
	real->training = true;
	const struct idx *at[MAX_RANK], *n = fake->batch, *m = idx_batch(a, "m", POP_DATA);
	const struct sym *y = compared(real, args), *g = y ? compared_with(fake, args, y) : NULL;
	if (!g)
		return false;
	fresh_axes(a, g, at);
	const struct sym *held = flow_assign(real, "held", at, g->rank, ex_at(a, g, n, at));
	struct rows made = rows_of(fake, g), others = rows_of(real, held), data = rows_of(real, y);
	struct node *inv = ex_access(a, scalar_sym(x, "inv_n"), NULL, NULL);
	struct node *near = over_rows(a, m, kernel(fake, &made, &others, m, args));
	struct node *far = over_rows(a, m, kernel(fake, &made, &data, m, args));
	if (args->unbiased) /* each with the N - 1 others; of a single row nothing is left */
		near = ex_mul(a, near, others_share(a, inv));
	struct node *loss = ex_scale(a, 2, ex_mul(a, inv, ex_sub(a, near, far)));
	if (args->root) { /* d sqrt(u) = du / (2 sqrt(u)) */
		struct node *all = ex_sub(
		    a, over_rows(a, n, ex_sub(a, near, ex_scale(a, 2, far))),
		    ex_neg(a, over_rows(a, n, over_rows(a, m, kernel(real, &data, &data, m, args)))));
		const struct sym *u =
		    flow_assign(real, "mmd", NULL, 0, ex_mul(a, ex_mul(a, inv, inv), all));
		struct node *root = ex_op2(a, OP_MAX, ex_access(a, u, NULL, NULL), ex_num(a, 1e-12));
		const struct sym *half = flow_assign(
		    real, "half", NULL, 0, ex_scale(a, 0.5, ex_op2(a, OP_POW, root, ex_num(a, -0.5))));
		loss = ex_mul(a, ex_access(a, half, NULL, NULL), loss);
	}
	bool *which =
	    NEW_ARRAY(a, bool, x->m->weight.n + 1); /* all but the net that x is seen through */
	for (int i = 0; args->net && i < x->m->net.n; i++)
		if (strcmp(x->m->net.at[i].name, args->net) == 0)
			reaches(x->m, number(x, x->m->net.at[i].value), which);
	for (int k = 0; k < x->m->weight.n; k++)
		which[k] = !which[k];
	for (int k = 0; k < x->m->weight.n && !x->begun; k++) {
		const struct sym *grad = x->grad[k];
		fresh_axes(a, grad, at);
		if (!which[k] && !x->frozen[k])
			assign(x, fake->f, grad, NULL, at, ex_num(a, 0));
	}
	return flow_gradient(fake, flow_mean_loss(x, loss), which, x->begun);
}
