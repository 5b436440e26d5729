/* Statements that draw a group from its conditional, or set its means.
 *
 * A one-hot block is drawn by inversion from one uniform number u: with the means p and their
 * running sums S[a] = sum over a2 <= a of p[a2], x[a] = [S[a-1] <= u < S[a]], the last S taken as
 * infinite so that exactly one element is 1 whatever the rounding.  A group whose units are coupled
 * is drawn in turn, each unit seeing those drawn before it. */
#include "objective/internal.h"

static const struct sym *temp(struct expansion *x, const struct sym *like, const char *suffix,
                              int rank, int pop)
{
	struct arena *a = x->cx->prog;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", like->name, suffix), SYM_TEMP,
	                              VALUES_REAL, true, rank, like->dim, like->span);
	program_tensor(x->p, s, SPACE_TEMP, pop, NULL);
	return s;
}

static struct guard at_least(struct arena *a, const struct idx *i, int64_t c)
{
	return (struct guard){false, affine_add(a, affine_const(-c), affine_idx(a, i), 1)};
}

static struct guard at_most(struct arena *a, const struct idx *i, int64_t c)
{
	return (struct guard){false, affine_add(a, affine_const(c), affine_idx(a, i), -1)};
}

/* The running sum of the means up to the element's value plus `shift`. */
static struct node *running_sum(struct expansion *x, const struct conditional *c,
                                const struct walkers *w, int shift)
{
	struct arena *a = x->cx->prog;
	const struct idx *q = c->at[c->group->sym->rank - 1], *q2 = idx_new(a, q->name, q->size);
	struct affine gap = affine_add(a, affine_add(a, affine_idx(a, q), affine_idx(a, q2), -1),
	                               affine_const(shift), 1);
	struct guard upto = {false, gap};
	struct node *p = ex_subst_idx(a, at_walkers(x, c->mean, w), q, affine_idx(a, q2));
	return ex_reduce(a, RED_SUM, &q2, 1, &upto, 1, p);
}

/* [S[a-1] <= u < S[a]] with the running sums given. */
static struct node *inverted(struct arena *a, const struct idx *q, struct node *u, struct node *s,
                             struct node *before)
{
	struct guard inner = at_most(a, q, q->size - 2), end = at_least(a, q, q->size - 1),
	             later = at_least(a, q, 1);
	struct node *below = ex_mask(a, &inner, 1, ex_op2(a, OP_LT, u, s));
	struct node *above = ex_mask(a, &later, 1, ex_op2(a, OP_LT, u, before));
	return ex_sub(a, ex_add(a, below, ex_mask(a, &end, 1, ex_num(a, 1))), above);
}

static void draw_onehot(struct expansion *x, struct function *f, const struct conditional *c,
                        const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	int last = dst->rank - 1;
	const struct idx *q = c->at[last];
	const struct sym *u = temp(x, dst, "u", last, w->pop);
	assign(x, f, u, w->batch, c->at, ex_draw(a, OP_UNIFORM, program_stream(x->p)));
	struct node *un = ex_at(a, u, w->batch, c->at);
	struct stmt step = {
	    .dst = dst, .batch = w->batch, .sequential = c->coupled, .inner = c->coupled ? 1 : 0};
	struct affine before[MAX_RANK];
	for (int i = 0; i <= last; i++) {
		step.at[i] = c->at[i];
		before[i] = affine_add(a, affine_const(i == last ? -1 : 0), affine_idx(a, c->at[i]), 1);
	}
	if (c->coupled) {
		step.rhs = inverted(a, q, un, running_sum(x, c, w, 0), running_sum(x, c, w, -1));
	} else {
		const struct sym *s = temp(x, dst, "S", last + 1, w->pop);
		assign(x, f, s, w->batch, c->at, running_sum(x, c, w, 0));
		step.rhs =
		    inverted(a, q, un, ex_at(a, s, w->batch, c->at), ex_access(a, s, w->batch, before));
	}
	program_stmt(x->p, f, step);
}

static void draw_element(struct expansion *x, struct function *f, const struct conditional *c,
                         const struct sym *dst, const struct walkers *w)
{
	struct arena *a = x->cx->prog;
	bool normal = c->group->family->shape == SHAPE_GAUSS;
	struct node *r = ex_draw(a, normal ? OP_NORMAL : OP_UNIFORM, program_stream(x->p));
	struct node *v = c->group->family->draw(a, c, normal ? NULL : r, normal ? r : NULL);
	struct stmt s = {
	    .dst = dst, .batch = w->batch, .rhs = at_walkers(x, v, w), .sequential = c->coupled};
	for (int i = 0; i < dst->rank; i++)
		s.at[i] = c->at[i];
	program_stmt(x->p, f, s);
}

bool draw_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w)
{
	struct conditional c;
	const struct sym *dst = w->state[group_number(x, g)];
	if (!model_element(x->cx, x->m, E, g, &c))
		return false;
	if (g->family->shape == SHAPE_ONEHOT)
		draw_onehot(x, f, &c, dst, w);
	else
		draw_element(x, f, &c, dst, w);
	return true;
}

bool mean_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w, const struct sym *dst)
{
	struct conditional c;
	bool state_known =
	    g->role == GROUP_VISIBLE; /* then coupled units have their means given one another */
	if (!(state_known ? model_element : model_conditional)(x->cx, x->m, E, g, &c))
		return false;
	assign(x, f, dst, w->batch, c.at, at_walkers(x, c.mean, w));
	return true;
}

/* A joint draw of the hidden groups where they can be summed out one after the other. */
static bool draw_hidden_jointly(struct expansion *x, struct function *f,
                                const struct elimination *el, const struct walkers *w)
{
	for (int i = el->n - 1; i >= 0; i--)
		if (!draw_group(x, f, &el->before[i], el->group[i], w))
			return false;
	return true;
}

bool sweep_role(struct expansion *x, struct function *f, const energy *E, const struct walkers *w,
                enum group_role role)
{
	block_vec blocks = {0};
	struct elimination el;
	if (role == GROUP_HIDDEN && model_eliminate(x->m, E, model_role(x->m, role), &el))
		return draw_hidden_jointly(x, f, &el, w);
	if (!model_blocks(x->cx, x->m, &blocks))
		return false;
	for (int b = 0; b < blocks.n; b++)
		for (int i = 0; i < blocks.at[b].group.n; i++)
			if (blocks.at[b].group.at[i]->role == role &&
			    !draw_group(x, f, E, blocks.at[b].group.at[i], w))
				return false;
	return true;
}

/* f and p of independent units at the data's mean and variance, or at the family's start. */
struct node *natural_at(struct expansion *x, const struct group *g, const struct idx *const *at,
                        bool at_mean, struct node **p)
{
	struct arena *a = x->cx->prog;
	struct node *m = at_mean ? ex_at(a, g->mean, NULL, at) : ex_num(a, g->family->start);
	struct node *v = at_mean && g->var ? ex_at(a, g->var, NULL, at) : ex_num(a, 1);
	*p = NULL;
	return g->family->natural(a, m, v, p);
}

bool draw_independent(struct expansion *x, struct function *f, const struct walkers *w,
                      enum group_role role, bool at_mean)
{
	struct arena *a = x->cx->prog;
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		const struct idx *at[MAX_RANK];
		struct node *n, *p;
		energy E = {0};
		if (g->role != role)
			continue;
		fresh_axes(a, g->sym, at);
		n = natural_at(x, g, at, at_mean, &p);
		energy_push(a, &E, model_independent(x->m, g, at, n, p), g->span);
		if (!draw_group(x, f, &E, g, w))
			return false;
	}
	return true;
}
