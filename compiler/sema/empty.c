/* empty: reductions over nothing.  A sum over nothing is 0 and a product 1; there is no largest of
 * nothing, no smallest, no mean, no logarithm of a sum that is 0.  All ranges are known, so for
 * each value of the indices outside, at which the conditions in force hold, one is looked for of
 * those inside; where there is none, the formula is refused.  In force are the conditions of the
 * reductions around, and the comparisons that multiply: (d > 0)*max(i < d) x[i] is 0 at d = 0. */
#include "sema/internal.h"

enum { MAX_INDEX = 2 * MAX_BOUND };
#define MAX_STEPS 1e7 /* that are looked at */

struct space { /* values of some indices */
	const struct ix *ix[MAX_INDEX];
	int64_t at[MAX_INDEX];
	int n, inner; /* from inner on those of the reduction */
	double steps;
};

static int place_of(const struct space *s, const struct ix *i)
{
	int k = 0;
	while (k < s->n && s->ix[k] != i)
		k++;
	return k;
}

static bool add(struct space *s, struct ix *i)
{
	i = sema_ix(i);
	if (place_of(s, i) < s->n)
		return true;
	if (s->n == MAX_INDEX || !i->size)
		return false;
	s->ix[s->n++] = i;
	return true;
}

static bool holds(const struct space *s, const struct cond *c)
{
	int64_t e = c->e.c;
	for (int k = 0; k < c->e.n; k++)
		e += c->e.coef[k] * s->at[place_of(s, sema_ix(c->e.ix[k]))];
	return c->rel == COND_GE ? e >= 0 : c->rel == COND_EQ ? e == 0 : e != 0;
}

static bool touches(const struct space *s, const struct cond *c)
{
	for (int k = 0; k < c->e.n; k++)
		if (place_of(s, sema_ix(c->e.ix[k])) < s->n)
			return true;
	return false;
}

static bool all_hold(const struct space *s, const struct cond *c, int n)
{
	for (int k = 0; k < n; k++)
		if (touches(s, &c[k]) && !holds(s, &c[k]))
			return false;
	return true;
}

/* Is there a value of the indices from k on at which the reduction has an element? */
static bool some(struct space *s, const struct subscript_check *c, int k)
{
	if (k == s->n)
		return ++s->steps > MAX_STEPS || all_hold(s, c->cond, c->own);
	for (s->at[k] = 0; s->at[k] < s->ix[k]->size; s->at[k]++)
		if (some(s, c, k + 1))
			return true;
	return false;
}

/* The first values of the indices outside at which it has none; false: there are none. */
static bool empty_at(struct space *s, const struct subscript_check *c, int k)
{
	if (k == s->inner)
		return all_hold(s, c->cond + c->own, c->ncond - c->own) && !some(s, c, k);
	for (s->at[k] = 0; s->at[k] < s->ix[k]->size; s->at[k]++)
		if (empty_at(s, c, k + 1))
			return true;
	return false;
}

/* The indices outside that tell whether there is an element, then those of the reduction. */
static bool space_of(struct space *s, const struct subscript_check *c)
{
	const struct space none = {.n = 0};
	struct space inside = none;
	*s = none;
	for (int k = 0; k < c->nbound; k++)
		if (!add(&inside, c->bound[k]))
			return false;
	for (int before = -1; before < s->n;) {
		before = s->n;
		for (int k = 0; k < c->ncond; k++)
			for (int i = 0; (k < c->own || touches(s, &c->cond[k])) && i < c->cond[k].e.n; i++)
				if (place_of(&inside, sema_ix(c->cond[k].e.ix[i])) == inside.n &&
				    !add(s, c->cond[k].e.ix[i]))
					return false;
	}
	s->inner = s->n;
	for (int k = 0; k < c->nbound; k++)
		if (!add(s, c->bound[k]))
			return false;
	return true;
}

void sema_range(struct term *t, const struct rt *r, const struct ast *e, int outer)
{
	struct subscript_check c = {
	    .over = e->name, .bound = r->bound, .nbound = r->nbound, .own = r->ncond};
	if (r->ncond == 0 || (r->red == RED_SUM && !r->mean) || r->red == RED_PROD)
		return;
	c.use.span = e->span;
	c.cond = NEW_ARRAY(t->a, struct cond, r->ncond + outer + t->mask.n);
	for (int k = 0; k < r->ncond; k++)
		c.cond[c.ncond++] = r->cond[k];
	for (int k = 0; k < outer; k++)
		c.cond[c.ncond++] = t->cond.at[k];
	for (int k = 0; k < t->mask.n; k++)
		c.cond[c.ncond++] = t->mask.at[k];
	vec_push(t->a, &t->check, c);
}

static const char *mend(struct arena *a, const struct space *s, const char *over)
{
	const struct ix *i = s->ix[0];
	if (s->inner == 0)
		return "widen its condition";
	if (s->inner == 1 && s->at[0] == 0)
		return arena_printf(a, "leave it out there, (%s > 0)*%s(...), or widen the condition",
		                    i->name, over);
	if (s->inner == 1 && s->at[0] == i->size - 1)
		return arena_printf(a, "leave it out there, (%s < %lld)*%s(...), or widen the condition",
		                    i->name, (long long)s->at[0], over);
	return arena_printf(
	    a, "multiply %s by comparisons of indices that do not hold there, or widen the condition",
	    over);
}

void sema_check_range(struct term *t, struct subscript_check *c)
{
	struct space s;
	struct buf where;
	for (int k = 0; k < c->ncond; k++)
		for (int i = 0; i < c->cond[k].e.n; i++) {
			const struct ix *x = sema_ix(c->cond[k].e.ix[i]);
			c->waits |= x->left && !x->size;
			if (x->poison)
				return;
		}
	if (c->waits || !space_of(&s, c) || !empty_at(&s, c, 0))
		return;
	buf_init(&where, t->a);
	for (int k = 0; k < s.inner; k++)
		buf_printf(&where, "%s%s = %lld", k ? ", " : " at ",
		           s.ix[k]->name ? s.ix[k]->name : "an open axis", (long long)s.at[k]);
	diag(t->s->cx->diags, DIAG_SEMA_EMPTY, c->use.span, c->over, s.inner ? where.s : "");
	sema_note(t->s, c->use.span, "of nothing there is no %s: %s", c->over, mend(t->a, &s, c->over));
	t->bad = true;
}
