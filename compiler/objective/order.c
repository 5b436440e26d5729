/* Orders of values: x[d] given the x[i] whose number o[i] is below o[d].  A likelihood is a product
 * over all elements; where o is drawn, a hidden variable of independent numbers, it is estimated
 * from one place in the order.  Samples are drawn one place after the other. */
#include "objective/flow.h"

/* Is the order of the factor's elements drawn, a hidden variable's values? */
bool flow_order_drawn(const struct model *m, const struct factor *f)
{
	for (int i = 0; i < m->group.n; i++)
		if (f->order == m->group.at[i]->sym && m->group.at[i]->role == GROUP_HIDDEN)
			return true;
	return false;
}

struct position { /* of the element at[], in place of its own value */
	struct affine at[MAX_RANK];
	struct node *value;
};

/* The order read at the element, at its position. */
static struct node *put_position(struct arena *a, const struct node *access, void *arg)
{
	const struct position *p = arg;
	(void)a;
	for (int k = 0; k < access->sym->rank; k++)
		if (access->sym->dim[k] > 1 && !affine_same(access->map[k], p->at[k]))
			return (struct node *)access;
	return p->value;
}

/* A value that was assigned over at[], at these indices and the particle it may have. */
static struct node *assigned(struct flow *fl, const struct sym *s, const struct idx *const *at,
                             int nat)
{
	const struct idx *all[MAX_RANK];
	int rank = 0;
	if (s->rank > nat)
		all[rank++] = fl->particle;
	for (int k = 0; k < nat; k++)
		all[rank++] = at[k];
	return ex_at(fl->x->cx->prog, s, fl->batch, all);
}

/* An estimate of the log-density from one place in the order, t uniform (Uria, Murray & Larochelle
 * 2014): each element at or behind t given those before t, times (D + 1)/(number of these
 * elements).  Its mean over t and the order o is that of sum over d of log p(x[d] | x[i], o[i] <
 * o[d]): with k of D elements before t, k is uniform in 0..D, an element is behind it with
 * probability (D - k)/D, and so it counts for each k < D with 1/(D + 1)*(D - k)/D*(D + 1)/(D - k) =
 * 1/D. */
struct node *flow_density_at_place(struct flow *fl, const struct factor *f)
{
	const struct model *m = fl->x->m;
	struct arena *a = m->a;
	const int rank = f->group->sym->rank - f->block;
	struct position place = {.value = ex_access(a, fl->place, m->batch, NULL)};
	double elements = 1;
	for (int k = 0; k < rank; k++) {
		place.at[k] = affine_idx(a, f->at[k]);
		elements *= (double)f->at[k]->size;
	}
	struct node *own = ex_at(a, f->order, m->batch, f->at);
	struct node *behind = ex_sub(a, ex_num(a, 1), ex_op2(a, OP_LT, own, place.value));
	struct node *each =
	    ex_subst(a, model_inline_when(m, f->log_density, fl->training),
	             &(struct subst){.from = f->order, .fn = put_position, .arg = &place});
	struct node *count = flow_at(fl, ex_reduce(a, RED_SUM, f->at, rank, NULL, 0, behind));
	struct node *rest = ex_op2(a, OP_MAX, ex_num(a, 1), count);
	rest = ex_scale(a, elements + 1, ex_op2(a, OP_POW, rest, ex_num(a, -1)));
	const struct sym *weight = flow_assign(fl, "behind", NULL, 0, rest);
	const struct sym *density = flow_assign(fl, "density", f->at, rank, flow_at(fl, each));
	each = ex_mul(a, flow_at(fl, behind), assigned(fl, density, f->at, rank));
	return ex_mul(a, assigned(fl, weight, NULL, 0),
	              ex_reduce(a, RED_SUM, f->at, rank, NULL, 0, each));
}

/* ---- samples ----
 * Function sample.element draws the element at place `place` of the order, given those before it,
 * and goes on to the next place; sample.sweep sets `place` to 0, and place[d] to the number of
 * elements before d. */
struct opened { /* the order read at the element, through definitions that read it there */
	const struct model *m;
	const struct factor *f;
	struct position at;
	const struct definition *def;
	int *hits;
};

static struct node *open_order(const struct opened *o, struct node *x);

static struct node *put_counted(struct arena *a, const struct node *access, void *arg)
{
	struct opened *o = arg;
	struct node *x = put_position(a, access, &o->at);
	*o->hits += x != access;
	return x;
}

/* The value of a definition where that reads the order at the element. */
static struct node *put_opened(struct arena *a, const struct node *access, void *arg)
{
	struct opened *o = arg;
	const struct definition *d = o->def;
	int before = *o->hits;
	struct node *x = open_order(o, ex_subst_at(a, d->rhs, d->at, access->map, d->sym->rank));
	return *o->hits > before ? x : (struct node *)access;
}

static struct node *open_order(const struct opened *o, struct node *x)
{
	struct opened inner = *o;
	x = ex_subst(o->m->a, x,
	             &(struct subst){.from = o->f->order, .fn = put_counted, .arg = &inner});
	for (int i = o->m->def.n - 1; i >= 0; i--) {
		inner.def = o->m->def.at[i];
		if (!inner.def->state && !inner.def->average)
			x = ex_subst(o->m->a, x,
			             &(struct subst){.from = inner.def->sym, .fn = put_opened, .arg = &inner});
	}
	return x;
}

/* The number of elements before the one at[], those of the same value by their indices. */
static struct node *place_of(const struct model *m, const struct factor *f)
{
	struct arena *a = m->a;
	const int rank = f->group->sym->rank - f->block;
	const struct idx *i[MAX_RANK], *batch = f->order->batched ? m->batch : NULL;
	struct affine gap = affine_const(0);
	for (int k = 0; k < rank; k++) {
		i[k] = idx_new(a, f->at[k]->name, f->at[k]->size);
		struct affine own = affine_add(a, affine_idx(a, f->at[k]), affine_idx(a, i[k]), -1);
		gap = affine_add(a, own, gap, f->at[k]->size);
	}
	gap = affine_add(a, gap, affine_const(1), -1);
	struct guard earlier = {false, gap};
	struct node *own = ex_at(a, f->order, batch, f->at), *other = ex_at(a, f->order, batch, i);
	struct node *below = ex_op2(a, OP_LT, other, own), *above = ex_op2(a, OP_LT, own, other);
	struct node *level = ex_sub(a, ex_sub(a, ex_num(a, 1), below), above);
	return ex_reduce(a, RED_SUM, i, rank, NULL, 0,
	                 ex_add(a, below, ex_mask(a, &earlier, 1, level)));
}

const struct sym *flow_places(struct flow *fl, const struct factor *f)
{
	struct arena *a = fl->x->cx->prog;
	const struct sym *g = f->group->sym;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.place", g->name), SYM_VAR, VALUES_REAL,
	                              true, g->rank - f->block, g->dim, (struct span){0});
	program_tensor(fl->x->p, s, SPACE_STATE, fl->pop, NULL);
	assign(fl->x, fl->f, s, fl->batch, f->at, flow_at(fl, place_of(fl->x->m, f)));
	return s;
}

void flow_draw_at_place(struct flow *fl, const struct factor *f, const struct sym *places,
                        struct node *place)
{
	const struct model *m = fl->x->m;
	struct arena *a = m->a;
	const struct sym *g = f->group->sym;
	const int rank = g->rank - f->block, i = group_number(fl->x, f->group);
	const struct idx *batch = f->order->batched ? m->batch : NULL;
	struct node *off = ex_sub(a, ex_at(a, places, fl->batch, f->at), place);
	struct node *here = ex_op2(a, OP_LT, ex_op1(a, OP_ABS, off), ex_num(a, 0.5));
	struct node *value = flow_at(fl, ex_at(a, f->order, batch, f->at));
	value = ex_reduce(a, RED_SUM, f->at, rank, NULL, 0, ex_mul(a, here, value));
	const struct sym *now = flow_assign(fl, arena_printf(a, "%s.now", g->name), NULL, 0, value);
	int hits = 0;
	struct opened o = {.m = m, .f = f, .hits = &hits};
	o.at.value = ex_access(a, now, fl->batch, NULL);
	for (int k = 0; k < rank; k++)
		o.at.at[k] = affine_idx(a, f->at[k]);
	struct node *drawn = flow_at(fl, open_order(&o, f->draw ? f->draw : f->mean));
	if (!f->draw) {
		const struct sym *p =
		    flow_assign(fl, arena_printf(a, "%s.p", g->name), f->at, g->rank, drawn);
		drawn = flow_chosen(fl, f, ex_at(a, p, fl->batch, f->at));
	}
	struct node *old = ex_at(a, fl->state[i], fl->batch, f->at);
	struct node *rest = ex_sub(a, ex_num(a, 1), here);
	drawn = ex_add(a, ex_op2(a, OP_GATE, here, drawn), ex_op2(a, OP_GATE, rest, old));
	fl->state[i] = flow_assign(fl, g->name, f->at, g->rank, drawn);
	for (int k = 0; k < m->def.n; k++) /* made of the state before */
		fl->computed[k] = NULL;
}
