/* build: the second walk, from the resolved form to nodes in normal form.  Every binder gets an
 * index of its own each time it is built, so a let used twice shares none; x != y in a binder is
 * the part below and the part above. */
#include "sema/internal.h"

#include <string.h>

struct affine sema_now(struct arena *a, struct aff x)
{
	struct affine r = affine_const(x.c);
	for (int k = 0; k < x.n; k++)
		r = affine_add(a, r, sema_ix(x.ix[k])->now, x.coef[k]);
	return r;
}

static struct node *quotient(struct arena *a, struct node *x, struct node *y)
{
	return ex_mul(a, x, ex_op2(a, OP_POW, y, ex_num(a, -1)));
}

/* x + y - z ... or x * y / z ..., the operators grouping from the left, without recursion. */
static struct node *build_line(struct term *t, const struct rt *r, const char *signs)
{
	struct arena *a = t->a;
	VEC(const struct rt *) line = {0};
	VEC(struct node *) sum = {0};
	for (; r->kind == RT_OP && r->sign && strchr(signs, r->sign); r = r->kid[0])
		vec_push(a, &line, r);
	struct node *x = sema_build(t, r);
	vec_push(a, &sum, x);
	while (line.n) {
		const struct rt *at = line.at[--line.n];
		struct node *y = sema_build(t, at->kid[1]);
		if (at->sign == '*')
			x = ex_mul(a, x, y);
		else if (at->sign == '/')
			x = quotient(a, x, y);
		else
			vec_push(a, &sum, at->sign == '-' ? ex_neg(a, y) : y);
	}
	return sum.n > 1 ? ex_op(a, OP_ADD, sum.at, sum.n) : x;
}

static struct node *build_op(struct term *t, const struct rt *r)
{
	struct arena *a = t->a;
	if (r->sign == '+' || r->sign == '-')
		return build_line(t, r, "+-");
	if (r->sign == '*' || r->sign == '/')
		return build_line(t, r, "*/");
	struct node *x = sema_build(t, r->kid[0]);
	struct node *y = r->nkid > 1 ? sema_build(t, r->kid[1]) : NULL;
	if (r->nkid > 2)
		return ex_op(a, r->op, (struct node *[]){x, y, sema_build(t, r->kid[2])}, 3);
	switch (r->sign) {
	case '^':
		return ex_op2(a, OP_POW, x, y);
	case 'n':
		return ex_neg(a, x);
	default:
		return y ? ex_op2(a, r->op, x, y) : ex_op1(a, r->op, x);
	}
}

/* The name of an index in the text: its own, unless an outer one has it (out of a let). */
static const char *free_name(struct term *t, const char *name)
{
	for (int k = 0; name && k < t->active.n; k++)
		if (!strcmp(t->active.at[k]->name, name))
			return sema_fresh_name(t);
	return name ? name : sema_fresh_name(t);
}

static int conditions(struct arena *a, const struct cond *c, int n, struct guard *out)
{
	for (int k = 0; k < n; k++)
		out[k] = (struct guard){c[k].rel == COND_EQ, sema_now(a, c[k].e)};
	return n;
}

/* One reduction over r's indices where the conditions hold; body NULL: of 1. */
static struct node *reduce_once(struct term *t, const struct rt *r, const struct cond *c, int n,
                                const struct rt *body)
{
	const struct idx *bound[MAX_BOUND];
	struct affine before[MAX_BOUND];
	int nactive = t->active.n;
	for (int k = 0; k < r->nbound; k++) {
		struct ix *i = sema_ix(r->bound[k]);
		struct idx *x = idx_new(t->a, free_name(t, i->name), i->size);
		struct ix *shown = NEW(t->a, struct ix);
		shown->name = x->name;
		vec_push(t->a, &t->active, shown);
		before[k] = i->now;
		i->now = affine_idx(t->a, x);
		bound[k] = x;
	}
	struct node *inner = body ? sema_build(t, body) : ex_num(t->a, 1);
	struct guard *g = NEW_ARRAY(t->a, struct guard, n);
	conditions(t->a, c, n, g);
	for (int k = 0; k < r->nbound; k++)
		sema_ix(r->bound[k])->now = before[k];
	t->active.n = nactive;
	return ex_reduce(t->a, r->red, bound, r->nbound, g, n, inner);
}

/* log(e^x + e^y), x or y -infinity. */
static struct node *join_logs(struct arena *a, struct node *x, struct node *y)
{
	struct node *most = ex_op2(a, OP_MAX, x, y);
	struct node *sum =
	    ex_add(a, ex_op1(a, OP_EXP, ex_sub(a, x, most)), ex_op1(a, OP_EXP, ex_sub(a, y, most)));
	return ex_add(a, most, ex_op1(a, OP_LOG, sum));
}

static struct node *join(struct arena *a, enum reduce red, struct node *x, struct node *y)
{
	switch (red) {
	case RED_SUM:
		return ex_add(a, x, y);
	case RED_PROD:
		return ex_mul(a, x, y);
	case RED_MAX:
		return ex_op2(a, OP_MAX, x, y);
	case RED_MIN:
		return ex_op2(a, OP_MIN, x, y);
	case RED_LOGSUMEXP: /* where one part is empty, the other one */
		return join_logs(a, x, y);
	}
	BUG("reduction %d", (int)red);
}

static struct node *reduce_where(struct term *t, const struct rt *r, struct cond *c, int n,
                                 const struct rt *body)
{
	int k = 0;
	while (k < n && c[k].rel != COND_NE)
		k++;
	if (k == n)
		return reduce_once(t, r, c, n, body);
	struct node *part[2];
	for (int side = 0; side < 2; side++) { /* e >= 1, then -e >= 1 */
		struct cond *split = arena_copy(t->a, c, sizeof *c * (size_t)n);
		struct aff e = sema_aff_add(t->a, sema_aff_const(-1), c[k].e, side ? -1 : 1);
		split[k] = (struct cond){COND_GE, e};
		part[side] = reduce_where(t, r, split, n, body);
	}
	return join(t->a, r->red, part[0], part[1]);
}

static struct node *build_reduce(struct term *t, const struct rt *r)
{
	struct node *x = reduce_where(t, r, r->cond, r->ncond, r->kid[0]);
	return r->mean ? quotient(t->a, x, reduce_where(t, r, r->cond, r->ncond, NULL)) : x;
}

static struct node *build_at(struct term *t, const struct rt *r)
{
	struct affine before[MAX_RANK], at[MAX_RANK];
	for (int k = 0; k < r->nbound; k++)
		at[k] = sema_now(t->a, r->map[k]);
	for (int k = 0; k < r->nbound; k++) {
		before[k] = sema_ix(r->bound[k])->now;
		sema_ix(r->bound[k])->now = at[k];
	}
	struct node *x = sema_build(t, r->kid[0]);
	for (int k = 0; k < r->nbound; k++)
		sema_ix(r->bound[k])->now = before[k];
	return x;
}

static struct node *build_where(struct term *t, const struct rt *r)
{
	struct guard g;
	conditions(t->a, r->cond, 1, &g);
	struct node *one = ex_num(t->a, 1);
	if (r->cond[0].rel != COND_NE)
		return ex_mask(t->a, &g, 1, one);
	g.equal = true;
	return ex_sub(t->a, one, ex_mask(t->a, &g, 1, one));
}

struct node *sema_build(struct term *t, const struct rt *r)
{
	switch (r->kind) {
	case RT_NUM:
		return ex_num(t->a, r->num);
	case RT_INDEX:
		return ex_index(t->a, sema_now(t->a, r->map[0]));
	case RT_ACCESS: {
		struct affine map[MAX_RANK];
		for (int k = 0; k < r->sym->rank; k++)
			map[k] = sema_now(t->a, r->map[k]);
		const struct def *d = r->sym->kind == SYM_TEMP ? r->sym->info : NULL;
		if (d && d->state)
			return sema_state_at(t->a, d, t->model->batch, map);
		return ex_access(t->a, r->sym, r->sym->batched ? t->model->batch : NULL, map);
	}
	case RT_OP:
		return build_op(t, r);
	case RT_REDUCE:
		return build_reduce(t, r);
	case RT_AT:
		return build_at(t, r);
	case RT_WHERE:
		return build_where(t, r);
	case RT_DRAW:
		return sema_noise(t, (struct rt *)r);
	}
	BUG("resolved kind %d", (int)r->kind);
}
