/* Mean field: hidden units independent given the example, q(h) = prod over blocks of q_k, with
 * means mu. Coordinate ascent on the bound log p(v) + log Z >= -E(v, mu) + H(q) sets each group to
 * its conditional mean at the others' means, a group whose units are coupled in turn, unit after
 * unit, so that no step lowers the bound (Salakhutdinov & Hinton 2009; Saul et al. 1996). E(v, mu)
 * is the expectation of E because E is multi-affine in the hidden units (model_factorises). With
 * damping d, mu := (1 - d)*new + d*mu. */
#include "objective/internal.h"

double meanfield_first(const struct group *g)
{
	return g->family->shape == SHAPE_ONEHOT ? 1 / (block_units(g) + g->family->empty)
	                                        : g->family->start;
}

static void meanfield_start(struct expansion *x, struct function *f, const struct walkers *q,
                            const bool *which)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		if (!which[i])
			continue;
		fresh_axes(a, g->sym, at);
		assign(x, f, q->state[i], q->batch, at, ex_num(a, meanfield_first(g)));
	}
}

/* The mean of the field over the other groups' units, where it is not the field at their means. */
static bool field_at_means(struct expansion *x, struct conditional *c, const struct walkers *q)
{
	struct node *field = at_means(x, c->field, q);
	if (ex_same(field, at_walkers(x, c->field, q)))
		return true;
	if (c->group->family->shape == SHAPE_TWO) {
		c->field = field;
		c->mean = c->group->family->mean(x->cx->prog, c);
		return true;
	}
	diag(x->cx->diags, DIAG_FACTORISE, c->nterm ? c->term[0] : c->group->span, c->group->name);
	diag(x->cx->diags, DIAG_FACTORISE_NOTE, c->group->span, c->group->name);
	return false;
}

/* One pass over the groups; out.FUNCTION := the largest change of a mean, row by row. */
static bool meanfield_pass(struct expansion *x, struct function *f, const struct walkers *q,
                           const bool *which, double damping)
{
	struct arena *a = x->cx->prog;
	struct node *change = ex_num(a, 0);
	struct walkers old = walkers_means_of(x, "q.old", q, which);
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		struct conditional c;
		if (!which[i])
			continue;
		bool free = is_split(g); /* its blocks are no steps of a sweep */
		if (!(free ? model_conditional : model_element)(x->cx, x->m, &x->m->E, g, &c))
			return false;
		if (!field_at_means(x, &c, q))
			return false;
		struct node *before = ex_at(a, old.state[i], q->batch, c.at);
		assign(x, f, old.state[i], q->batch, c.at, ex_at(a, q->state[i], q->batch, c.at));
		struct node *mean = ex_add(a, ex_scale(a, 1 - damping, mean_at(x, f, &c, q->state[i], q)),
		                           ex_scale(a, damping, before));
		struct stmt s = {
		    .dst = q->state[i], .batch = q->batch, .rhs = mean, .sequential = c.coupled};
		for (int r = 0; r < g->sym->rank; r++)
			s.at[r] = c.at[r];
		program_stmt(x->p, f, s);
		struct node *d =
		    ex_op1(a, OP_ABS, ex_sub(a, ex_at(a, q->state[i], q->batch, c.at), before));
		change = ex_op2(a, OP_MAX, change, ex_reduce(a, RED_MAX, c.at, g->sym->rank, NULL, 0, d));
	}
	assign(x, f, out_sym(x, f->name, q->pop), q->batch, NULL, change);
	return true;
}

bool meanfield(struct expansion *x, const char *start, const char *pass, const struct walkers *q,
               const bool *which, double damping)
{
	struct function *first = program_function(x->p, start), *f = program_function(x->p, pass);
	f->first = first;
	own_states(x, first);
	meanfield_start(x, first, q, which);
	return meanfield_pass(x, f, q, which, damping);
}

static struct node *minus_xlogx(struct arena *a, struct node *x)
{
	return ex_neg(a, ex_op1(a, OP_XLOGX, x));
}

/* Entropy of a group at its means: two values with probabilities p, 1-p; blocks of which one unit,
 * or none with what is left of 1, is 1. */
static struct node *entropy(struct expansion *x, const struct group *g, const struct sym *mean,
                            const struct idx *batch)
{
	struct arena *a = x->cx->prog;
	const struct idx *at[MAX_RANK];
	double width = g->family->hi - g->family->lo;
	fresh_axes(a, g->sym, at);
	struct node *m = ex_at(a, mean, batch, at);
	struct node *p = ex_scale(a, 1 / width, ex_add(a, m, ex_num(a, -g->family->lo)));
	struct node *h = minus_xlogx(a, p);
	if (g->family->shape == SHAPE_TWO)
		h = ex_add(a, h, minus_xlogx(a, ex_sub(a, ex_num(a, 1), p)));
	h = ex_reduce(a, RED_SUM, at, g->sym->rank, NULL, 0, h);
	if (!g->family->empty)
		return h;
	struct blocks b = model_places(a, g, at);
	struct node *any = ex_reduce(a, RED_SUM, b.in, b.m, NULL, 0, ex_access(a, mean, batch, b.k));
	struct node *none = ex_op2(a, OP_MAX, ex_sub(a, ex_num(a, 1), any), ex_num(a, 0));
	return ex_add(a, h, ex_reduce(a, RED_SUM, b.block, b.n, NULL, 0, minus_xlogx(a, none)));
}

bool meanfield_allowed(struct cx *cx, const struct model *m, const bool *which)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (!which[i] || g->family->shape == SHAPE_TWO || g->family->shape == SHAPE_ONEHOT)
			continue;
		if (cx)
			diag(cx->diags, DIAG_MEANFIELD_DOMAIN, g->span, g->name, g->domain);
		return false;
	}
	return model_factorises(cx, m, &m->E, which);
}

struct node *meanfield_bound(struct expansion *x, const struct walkers *q)
{
	struct arena *a = x->cx->prog;
	struct node *b = ex_neg(a, at_means(x, energy_node(a, &x->m->E), q));
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_HIDDEN)
			b = ex_add(a, b, entropy(x, x->m->group.at[i], q->state[i], q->batch));
	return b;
}

/* q: the hidden groups at their means; false: refused. */
static bool hidden_means(struct expansion *x, double damping, struct walkers *q)
{
	const bool *hidden = model_role(x->m, GROUP_HIDDEN);
	struct walkers data = walkers_data(x);
	if (!meanfield_allowed(x->cx, x->m, hidden))
		return false;
	*q = walkers_means_of(x, "q", &data, hidden);
	return meanfield(x, "meanfield.start", "meanfield.pass", q, hidden, damping);
}

bool objective_meanfield(struct expansion *x, double damping)
{
	struct walkers q;
	return hidden_means(x, damping, &q);
}

bool objective_bound(struct expansion *x, double damping)
{
	struct walkers q;
	if (!hidden_means(x, damping, &q))
		return false;
	struct function *f = program_function(x->p, "bound");
	assign(x, f, out_sym(x, "bound", POP_DATA), q.batch, NULL,
	       ex_sub(x->cx->prog, base_measure(x), meanfield_bound(x, &q)));
	return true;
}
