/* A colouring of a group's blocks, so that those of one class are independent given all others:
 *
 *     class of block y = (w[0]*y[0] + w[1]*y[1] + ...) mod n,     0 <= w[d] < n.
 *
 * Every unit of the group that the field of block y reads stands at an offset o from y.  Along an
 * axis the offset lies in a known interval, or may be anything: that of x[j] in sum(j) L[i,j]*x[j].
 * Classes are independent when w*o mod n is not 0 for any offset but that of the block itself: a
 * chain has two, x[i]*x[i+2] beside x[i]*x[i+1] three, a grid w = (1, 1) and two.  An axis along
 * which the offset may be anything needs w = 0, and the other axes to tell the blocks apart. */
#include "model/model.h"

enum { CLASSES = 9, OFFSETS = 64 }; /* at most */

struct offset {         /* of one access, along the axes of blocks */
	bool any[MAX_RANK]; /* may be anything, else in [lo, hi] */
	int64_t lo[MAX_RANK], hi[MAX_RANK];
};
struct within {
	const struct idx *ix;
	int64_t lo, hi;
};
struct offsets {
	struct arena *a;
	const struct conditional *c;
	VEC(struct within) here; /* what guards say of indices where the field is being read */
	VEC(struct offset) offset;
};

static int64_t floor_div(int64_t x, int64_t y)
{
	return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static struct within within(const struct offsets *o, const struct idx *ix)
{
	struct within w = {ix, 0, ix->size - 1};
	for (int k = 0; k < o->here.n; k++)
		if (o->here.at[k].ix == ix) {
			w.lo = o->here.at[k].lo > w.lo ? o->here.at[k].lo : w.lo;
			w.hi = o->here.at[k].hi < w.hi ? o->here.at[k].hi : w.hi;
		}
	return w;
}

/* The least and greatest value of x, but for index `less`. */
static void range(const struct offsets *o, struct affine x, const struct idx *less, int64_t *lo,
                  int64_t *hi)
{
	*lo = *hi = x.c;
	for (int k = 0; k < x.n; k++) {
		struct within w = within(o, x.ix[k]);
		if (x.ix[k] == less)
			continue;
		*lo += x.coef[k] * (x.coef[k] > 0 ? w.lo : w.hi);
		*hi += x.coef[k] * (x.coef[k] > 0 ? w.hi : w.lo);
	}
}

/* c*i + rest >= 0, or == 0, for each index i in it. */
static void add_guard(struct offsets *o, const struct guard *g)
{
	for (int k = 0; k < g->e.n; k++) {
		struct within w = within(o, g->e.ix[k]);
		int64_t lo, hi, c = g->e.coef[k];
		range(o, g->e, w.ix, &lo, &hi);
		int64_t least = c > 0 ? -floor_div(hi, c) : -floor_div(-lo, -c);
		int64_t most = c > 0 ? floor_div(-lo, c) : floor_div(hi, -c);
		if (c > 0 || g->equal)
			w.lo = least > w.lo ? least : w.lo;
		if (c < 0 || g->equal)
			w.hi = most < w.hi ? most : w.hi;
		vec_push(o->a, &o->here, w);
	}
}

/* The offset of a subscript along axis i, the d-th along which there are several blocks. */
static void axis_offset(struct offsets *o, struct offset *out, int d, int i, struct affine at)
{
	int64_t size = o->c->group->block[i];
	const struct idx *block = o->c->b.block[d];
	struct affine rest = affine_add(o->a, at, affine_idx(o->a, block), -size);
	int64_t lo, hi;
	range(o, rest, NULL, &lo, &hi);
	for (int k = 0; k < o->c->b.n; k++) {
		struct within w = within(o, o->c->b.block[k]);
		out->any[d] = out->any[d] || (affine_uses(rest, w.ix) && w.lo < w.hi);
	}
	if (out->any[d])
		return;
	out->lo[d] = floor_div(lo, size);
	out->hi[d] = floor_div(hi, size);
	out->any[d] = out->hi[d] - out->lo[d] >= CLASSES;
}

static void add_access(struct offsets *o, const struct node *x)
{
	const struct group *g = o->c->group;
	struct offset new = {.any = {false}};
	for (int i = 0, d = 0; i < g->sym->rank; i++)
		if (g->block[i] < g->sym->dim[i] || g->block[i] == 1)
			axis_offset(o, &new, d++, i, x->map[i]);
	vec_push(o->a, &o->offset, new);
}

static void add_offsets(struct offsets *o, const struct node *x)
{
	const struct group *g = o->c->group;
	int outside = o->here.n;
	if (x->kind == N_ACCESS && (x->sym == g->sym || (g->log && x->sym == g->log)))
		add_access(o, x);
	for (int i = 0; i < x->nguard; i++)
		add_guard(o, &x->guard[i]);
	for (int i = 0; i < x->nkid; i++)
		add_offsets(o, x->kid[i]);
	o->here.n = outside;
}

/* Is w*o mod n other than 0 for all offsets but the block's own? */
static bool apart(const struct offset *o, int rank, const struct colouring *k)
{
	int ways[CLASSES] = {1}, own = 1;
	for (int d = 0; d < rank; d++) {
		int next[CLASSES] = {0};
		if (o->any[d] && k->weight[d] != 0)
			return false;
		own = own && !o->any[d] && o->lo[d] <= 0 && o->hi[d] >= 0;
		int64_t lo = o->any[d] ? 0 : o->lo[d], hi = o->any[d] ? 0 : o->hi[d];
		for (int64_t step = lo; step <= hi; step++)
			for (int r = 0; r < k->n; r++)
				next[(r + (k->weight[d] * step % k->n + k->n)) % k->n] += ways[r];
		for (int r = 0; r < k->n; r++)
			ways[r] = next[r];
	}
	return ways[0] == own;
}

static bool all_apart(const struct offsets *o, int rank, const struct colouring *k)
{
	for (int i = 0; i < o->offset.n; i++)
		if (!apart(&o->offset.at[i], rank, k))
			return false;
	return true;
}

/* The next choice of weights; false: that was the last. */
static bool next_weights(struct colouring *k, int rank)
{
	for (int d = rank - 1; d >= 0; d--) {
		if (++k->weight[d] < k->n)
			return true;
		k->weight[d] = 0;
	}
	return false;
}

bool model_colour(struct arena *a, const struct conditional *c, struct colouring *out)
{
	struct offsets o = {.a = a, .c = c};
	add_offsets(&o, c->inner);
	if (c->precision)
		add_offsets(&o, c->precision);
	for (int n = 2; o.offset.n <= OFFSETS && n <= CLASSES; n++) {
		*out = (struct colouring){.n = n};
		while (next_weights(out, c->b.n))
			if (all_apart(&o, c->b.n, out))
				return true;
	}
	return false;
}

struct affine model_class(struct arena *a, const struct conditional *c, const struct colouring *k)
{
	struct affine sum = affine_const(0);
	for (int d = 0; d < c->b.n; d++)
		sum = affine_add(a, sum, affine_idx(a, c->b.block[d]), k->weight[d]);
	return sum;
}
