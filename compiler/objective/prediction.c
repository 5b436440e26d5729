/* Multi-prediction (Goodfellow, Mirza, Courville & Bengio 2013): of each example some visible units
 * are missing, each with probability `drop`, or all those of the one variable asked for; passes of
 * mean field from what is known, and the loss is - log q of what was missing.
 *
 *     u[i] < drop                                   x[i] is missing
 *     q_g  := mean of g's conditional at the others' means, hidden groups first; known units stay
 *     loss  = - sum over the missing units of log q(x[i]),  q of the last pass
 *
 * The passes are steps of a flow, so that the gradient goes back through all of them.  Units of a
 * group that a term couples move together, from the means of the pass before. */
#include "objective/flow.h"

struct prediction {
	struct flow *fl;
	const bool *of; /* one a group: to be predicted */
	double damping;
	const struct sym **miss; /* one a group that is predicted: 1 where a unit is missing */
	int pass;
};

static const char *name_of(const struct prediction *p, const struct group *g, const char *what)
{
	return arena_printf(p->fl->x->cx->prog, "%s.%s%d", g->name, what, p->pass);
}

/* e at the means of this moment; a hidden group that has none yet is at its start. */
static struct node *at_now(struct prediction *p, struct node *e)
{
	struct expansion *x = p->fl->x;
	struct walkers q = walkers_data(x);
	const struct sym **state = NEW_ARRAY(x->cx->prog, const struct sym *, x->m->group.n);
	for (int i = 0; i < x->m->group.n; i++)
		state[i] = p->fl->state[i] ? p->fl->state[i] : q.state[i];
	q.state = state;
	e = at_means(x, e, &q);
	for (int i = 0; i < x->m->group.n; i++)
		if (!p->fl->state[i])
			e = ex_set_all(x->cx->prog, e, state[i], meanfield_first(x->m->group.at[i]));
	return e;
}

/* The group's conditional with its field, at the others' means, as a step. */
static bool hear(struct prediction *p, const struct group *g, struct conditional *c)
{
	struct flow *fl = p->fl;
	struct arena *a = fl->x->cx->prog;
	if (!model_element(fl->x->cx, fl->x->m, &fl->x->m->E, g, c))
		return false;
	const struct sym *field =
	    flow_assign(fl, name_of(p, g, "field"), c->at, g->sym->rank, at_now(p, c->field));
	const struct idx *batch = field->batched ? fl->batch : NULL;
	c->field = ex_at(a, field, batch, c->at);
	c->inner = ex_access(a, field, batch, c->b.k);
	return true;
}

/* Its mean over c->at; what the elements of a block share is a step. */
static struct node *heard_mean(struct prediction *p, const struct conditional *c)
{
	struct arena *a = p->fl->x->cx->prog;
	const struct family *family = c->group->family;
	if (family->shape == SHAPE_TWO)
		return family->mean(a, c);
	const struct sym *z = flow_assign(p->fl, name_of(p, c->group, "z"), c->b.block, c->b.n,
	                                  family->log_partition(a, c, 0));
	struct node *norm = ex_at(a, z, z->batched ? p->fl->batch : NULL, c->b.block);
	return ex_op1(a, OP_EXP, ex_sub(a, c->field, model_at_element(a, c, norm)));
}

static struct node *missing(struct prediction *p, const struct group *g, const struct affine *k)
{
	struct expansion *x = p->fl->x;
	return ex_access(x->cx->prog, p->miss[group_number(x, g)], p->fl->batch, k);
}

static struct node *missing_at(struct prediction *p, const struct conditional *c)
{
	struct affine k[MAX_RANK];
	for (int r = 0; r < c->group->sym->rank; r++)
		k[r] = affine_idx(p->fl->x->cx->prog, c->at[r]);
	return missing(p, c->group, k);
}

/* Of a block: as its first unit is. */
static struct node *missing_block(struct prediction *p, const struct conditional *c)
{
	struct arena *a = p->fl->x->cx->prog;
	struct node *m = missing(p, c->group, c->b.k);
	for (int i = 0; i < c->b.m; i++)
		m = ex_subst_idx(a, m, c->b.in[i], affine_const(0));
	return m;
}

/* known units at the example, the others at `value` */
static void set(struct prediction *p, const struct conditional *c, struct node *value)
{
	struct flow *fl = p->fl;
	struct arena *a = fl->x->cx->prog;
	const struct group *g = c->group;
	int i = group_number(fl->x, g);
	if (p->of[i]) {
		struct node *v = ex_at(a, g->sym, fl->batch, c->at), *miss = missing_at(p, c);
		value = ex_add(a, v, ex_mul(a, miss, ex_sub(a, value, v)));
	}
	fl->state[i] = flow_assign(fl, name_of(p, g, "q"), c->at, g->sym->rank, value);
}

/* Which blocks are missing; these at the data's mean, or at any value alike. */
static void hide(struct prediction *p, int i, double drop)
{
	struct flow *fl = p->fl;
	struct arena *a = fl->x->cx->prog;
	const struct group *g = fl->x->m->group.at[i];
	struct conditional c = {.group = g};
	fresh_axes(a, g->sym, c.at);
	c.b = model_places(a, g, c.at);
	const struct sym *u = flow_uniform(fl, arena_printf(a, "%s.u", g->name), c.b.block, c.b.n);
	struct node *is = ex_op2(a, OP_LT, ex_at(a, u, fl->batch, c.b.block), ex_num(a, drop));
	p->miss[i] = mean_sym(fl->x, g, "missing", POP_DATA);
	assign(fl->x, fl->f, p->miss[i], fl->batch, c.at, model_at_element(a, &c, is));
	bool two = g->family->shape == SHAPE_TWO;
	set(p, &c, two ? ex_at(a, g->mean, NULL, c.at) : ex_num(a, meanfield_first(g)));
}

static bool refine(struct prediction *p, const struct group *g)
{
	struct arena *a = p->fl->x->cx->prog;
	const struct sym *last = p->fl->state[group_number(p->fl->x, g)];
	struct conditional c;
	if (!hear(p, g, &c))
		return false;
	struct node *before = last ? ex_at(a, last, p->fl->batch, c.at) : ex_num(a, meanfield_first(g));
	struct node *mean = heard_mean(p, &c);
	set(p, &c, ex_add(a, ex_scale(a, 1 - p->damping, mean), ex_scale(a, p->damping, before)));
	return true;
}

/* - log q of the group's missing units */
static struct node *surprise(struct prediction *p, const struct group *g)
{
	struct flow *fl = p->fl;
	struct arena *a = fl->x->cx->prog;
	struct conditional c;
	if (!hear(p, g, &c))
		return NULL;
	struct node *norm =
	    ex_mul(a, missing_block(p, &c), g->family->log_partition(a, &c, g->family->lo));
	struct node *score = ex_mul(a, missing_at(p, &c), ex_mul(a, taken(fl->x, g, c.at), c.field));
	return ex_sub(a, ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, norm),
	              ex_reduce(a, RED_SUM, c.at, g->sym->rank, NULL, 0, score));
}

/* The sum of the groups' surprises after that many passes over all of them; NULL: refused. */
static struct node *predict(struct prediction *p, int passes)
{
	const struct model *m = p->fl->x->m;
	struct node *loss = ex_num(m->a, 0);
	for (p->pass = 1; p->pass <= passes; p->pass++)
		for (int role = 0; role < 2; role++)
			for (int i = 0; i < m->group.n; i++) {
				const struct group *g = m->group.at[i];
				bool hidden = g->role == GROUP_HIDDEN, last = p->pass == passes;
				if (hidden != (role == 0) || !(hidden || p->of[i]))
					continue;
				struct node *part = last && !hidden ? surprise(p, g) : NULL;
				if (last && !hidden ? !part : !refine(p, g))
					return NULL;
				loss = part ? ex_add(m->a, loss, part) : loss;
			}
	return loss;
}

bool expand_multi_prediction(struct expansion *x, const struct objective_args *args)
{
	const struct model *m = x->m;
	bool *which = NEW_ARRAY(m->a, bool, m->group.n + 1);
	struct prediction p = {.damping = args->damping};
	p.of = args->of ? args->of : model_role(m, GROUP_VISIBLE);
	for (int i = 0; i < m->group.n; i++)
		which[i] = m->group.at[i]->role == GROUP_HIDDEN || p.of[i];
	if (!meanfield_allowed(x->cx, m, which))
		return false;
	if (model_reads_states(m))
		return without_given(x, "multi_prediction");
	p.fl = flow_training(x, 1);
	p.miss = NEW_ARRAY(m->a, const struct sym *, m->group.n + 1);
	for (int i = 0; i < m->group.n; i++)
		if (p.of[i])
			hide(&p, i, args->of ? 1 : args->drop);
	struct node *loss = predict(&p, (int)args->steps);
	return loss && directed_descend(p.fl, loss);
}
