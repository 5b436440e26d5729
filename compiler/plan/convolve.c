/* convolve: sums in which a tensor is read at places that shift with the result.
 *
 *     shift   sum(y) a[y]*w[y + 1 - 2*j]  =  sum(r) a[r - 1 + 2*j]*w[r]
 * where w has fewer places than y has values.  The tensor w is then read whole, and what a holds
 * around each j can be laid out for a matrix product. spread  sum(k, i) a[n, k, i]*w[k, c, y + 1 -
 * 2*i]  =  sum(i) t[n, i, c, y + 1 - 2*i], t[n, i, c, r] = sum(k) a[n, k, i]*w[k, c, r] where w has
 * no more places than y has values: t is a matrix product, its elements then go where they belong.
 *
 * requires: a sum in normal form.  ensures: the same value. */
#include "plan/work.h"

static int64_t coefficient(struct affine e, const struct idx *i)
{
	for (int k = 0; k < e.n; k++)
		if (e.ix[k] == i)
			return e.coef[k];
	return 0;
}

static bool is_bound(const struct node *x, const struct idx *i)
{
	for (int k = 0; k < x->nbound; k++)
		if (x->bound[k] == i)
			return true;
	return false;
}

/* ---- shift ---- */

/* The bound index of x to be expressed by subscript d of the access, its only index of coefficient
 * 1 or -1 that has more values than the subscript; NULL: none. */
static const struct idx *to_shift(struct work *w, const struct node *x, const struct node *access,
                                  int d)
{
	struct affine e = access->map[d];
	int64_t places = access->sym->dim[d];
	const struct idx *found = NULL;
	for (int k = 0; k < e.n && e.n > 1; k++)
		if ((e.coef[k] == 1 || e.coef[k] == -1) && is_bound(x, e.ix[k]) && e.ix[k]->pop < 0 &&
		    e.ix[k]->size > places)
			found = e.ix[k];
	return found && plan_guarded(w, e, places, x->guard, x->nguard) ? found : NULL;
}

/* x with subscript d of the access as an index of its own in place of i. */
static struct node *shift(struct work *w, struct node *x, const struct node *access, int d,
                          const struct idx *i)
{
	struct affine e = access->map[d];
	struct idx *r = idx_new(w->a, i->name, access->sym->dim[d]);
	int64_t sign = coefficient(e, i);
	struct affine rest = affine_add(w->a, e, affine_idx(w->a, i), -sign);
	struct affine at =
	    affine_add(w->a, affine_const(0), affine_add(w->a, affine_idx(w->a, r), rest, -1), sign);
	struct guard *g = NEW_ARRAY(w->a, struct guard, x->nguard + 2);
	const struct idx **bound = arena_copy(w->a, x->bound, (size_t)x->nbound * sizeof *bound);
	for (int k = 0; k < x->nguard; k++) {
		struct affine old = x->guard[k].e;
		int64_t c = coefficient(old, i);
		old = affine_add(w->a, old, affine_idx(w->a, i), -c);
		g[k] = (struct guard){x->guard[k].equal, affine_add(w->a, old, at, c)};
	}
	g[x->nguard] = (struct guard){false, at};
	g[x->nguard + 1] = (struct guard){false, affine_add(w->a, affine_const(i->size - 1), at, -1)};
	for (int k = 0; k < x->nbound; k++)
		bound[k] = bound[k] == i ? r : bound[k];
	return ex_reduce(w->a, x->red, bound, x->nbound, g, x->nguard + 2,
	                 ex_subst_idx(w->a, x->kid[0], i, at));
}

static struct node *shift_at(struct work *w, struct node *x, const struct node *below)
{
	for (int d = 0; below->kind == N_ACCESS && d < below->sym->rank; d++) {
		const struct idx *i = to_shift(w, x, below, d);
		if (i)
			return shift(w, x, below, d, i);
	}
	for (int k = 0; k < below->nkid && below->kind == N_OP; k++) {
		struct node *y = shift_at(w, x, below->kid[k]);
		if (y != x)
			return y;
	}
	return x;
}

struct node *plan_shift(struct work *w, struct node *x)
{
	while (x->kind == N_REDUCE && x->red == RED_SUM && !ex_has_draw(x)) {
		struct node *y = shift_at(w, x, x->kid[0]);
		if (y == x)
			break;
		x = y;
	}
	return x;
}

/* ---- spread ---- */
struct spread {
	struct node *from, *over; /* a, w */
	struct node *rest;        /* other factors, without indices; NULL: 1 */
	const struct idx
	    *place[MAX_RANK]; /* of w's axes: an index over all of it where it shifts, else NULL */
	struct seq k;         /* summed by the product */
};

static bool shifts(const struct node *x, struct affine e)
{
	for (int k = 0; k < e.n && !affine_single(e); k++)
		if (is_bound(x, e.ix[k]))
			return true;
	return false;
}

static bool has_shift(const struct node *x, const struct node *access)
{
	for (int d = 0; access->kind == N_ACCESS && d < access->sym->rank; d++)
		if (shifts(x, access->map[d]))
			return true;
	return false;
}

static bool take_factors(struct work *w, struct node *x, struct spread *s)
{
	struct node *body = x->kid[0];
	for (int i = 0; body->kind == N_OP && body->op == OP_MUL && i < body->nkid; i++) {
		struct node *f = body->kid[i];
		if (!plan_free(f).n)
			s->rest = s->rest ? ex_mul(w->a, s->rest, f) : f;
		else if (has_shift(x, f) && !f->sym->batched && !s->over)
			s->over = f;
		else if (plan_factor(f).plain && f->sym->batched && !s->from)
			s->from = f;
		else
			return false;
	}
	return s->over && s->from;
}

/* Has w no more places along the axes that shift than the indices of the result there have values?
 */
static bool few_places(struct work *w, const struct node *x, struct spread *s)
{
	double places = 1, values = 1;
	struct seq seen = {.n = 0};
	for (int d = 0; d < s->over->sym->rank; d++) {
		struct affine e = s->over->map[d];
		if (!shifts(x, e))
			continue;
		s->place[d] = idx_new(w->a, "r", s->over->sym->dim[d]);
		places *= (double)s->over->sym->dim[d];
		for (int k = 0; k < e.n; k++)
			if (!is_bound(x, e.ix[k]) && !seq_has(&seen, e.ix[k])) {
				seq_push(&seen, e.ix[k]);
				values *= (double)e.ix[k]->size;
			}
	}
	return places <= values;
}

/* The bound indices that only plain subscripts have. */
static void find_sum(const struct node *x, struct spread *s)
{
	struct factor from = plan_factor(s->from);
	for (int b = 0; b < x->nbound; b++) {
		const struct idx *i = x->bound[b];
		bool plain = seq_has(&from.ix, i), there = false;
		for (int d = 0; d < s->over->sym->rank; d++) {
			bool single = affine_single(s->over->map[d]) == i;
			plain = plain && (single || !coefficient(s->over->map[d], i));
			there = there || single;
		}
		for (int g = 0; g < x->nguard; g++)
			plain = plain && !coefficient(x->guard[g].e, i);
		if (plain && there)
			seq_push(&s->k, i);
	}
}

/* What the product leaves to be summed. */
static struct node *gather(struct work *w, struct node *x, const struct spread *s, struct node *t)
{
	const struct idx *bound[MAX_BOUND];
	int n = 0;
	for (int d = 0; d < s->over->sym->rank; d++)
		if (s->place[d])
			t = ex_subst_idx(w->a, t, s->place[d], s->over->map[d]);
	for (int b = 0; b < x->nbound; b++)
		if (!seq_has(&s->k, x->bound[b]))
			bound[n++] = x->bound[b];
	t = n ? ex_reduce(w->a, RED_SUM, bound, n, x->guard, x->nguard, t) : t;
	return s->rest ? ex_mul(w->a, s->rest, t) : t;
}

struct node *plan_spread(struct work *w, struct node *x)
{
	struct spread s = {0};
	struct affine map[MAX_RANK];
	struct product p;
	if (x->red != RED_SUM || ex_has_draw(x) || !take_factors(w, x, &s) || !few_places(w, x, &s))
		return NULL;
	find_sum(x, &s);
	for (int d = 0; d < s.over->sym->rank; d++)
		map[d] = s.place[d] ? affine_idx(w->a, s.place[d]) : s.over->map[d];
	struct factor from = plan_factor(s.from),
	              over = plan_factor(ex_access(w->a, s.over->sym, NULL, map));
	if (!plan_match(w, &from, &over, &s.k, &from.ix, false, &p) || !p.row || p.summed)
		return NULL;
	return gather(w, x, &s, plan_product(w, &p));
}
