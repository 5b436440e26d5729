/* Symbols, indices and affine forms: c + sum coef[k]*ix[k], terms sorted by the index's id, so that
 * equal forms are equal arrays.  guard_known decides a guard by interval arithmetic over the
 * indices' ranges. */
#include "expr/internal.h"

#include <string.h>

static int next_id;

struct sym *sym_new(struct arena *a, const char *name, enum sym_kind kind, enum values values,
                    bool batched, int rank, const int64_t *dim, struct span span)
{
	struct sym *s = NEW(a, struct sym);
	s->name = intern(name);
	s->kind = kind;
	s->values = values;
	s->batched = batched;
	s->rank = rank;
	for (int i = 0; i < rank; i++)
		s->dim[i] = dim[i];
	s->span = span;
	s->id = ++next_id;
	return s;
}

int64_t sym_items(const struct sym *s)
{
	int64_t n = 1;
	for (int k = 0; k < s->rank; k++)
		n *= s->dim[k];
	return n;
}

struct idx *idx_new(struct arena *a, const char *name, int64_t size)
{
	struct idx *i = NEW(a, struct idx);
	i->name = intern(name);
	i->size = size;
	i->pop = -1;
	i->id = ++next_id;
	return i;
}

struct idx *idx_batch(struct arena *a, const char *name, int pop)
{
	struct idx *i = idx_new(a, name, -1);
	i->pop = pop;
	return i;
}

struct affine affine_const(int64_t c)
{
	return (struct affine){.c = c};
}

struct affine affine_idx(struct arena *a, const struct idx *i)
{
	const struct idx **ix = NEW(a, const struct idx *);
	int64_t *coef = NEW(a, int64_t);
	*ix = i;
	*coef = 1;
	return (struct affine){.n = 1, .ix = ix, .coef = coef};
}

struct affine affine_add(struct arena *a, struct affine x, struct affine y, int64_t scale)
{
	if (y.n == 0)
		return (struct affine){.c = x.c + scale * y.c, .n = x.n, .ix = x.ix, .coef = x.coef};
	const struct idx **ix = NEW_ARRAY(a, const struct idx *, x.n + y.n);
	int64_t *coef = NEW_ARRAY(a, int64_t, x.n + y.n);
	int n = 0, p = 0, q = 0;
	while (p < x.n || q < y.n) {
		const struct idx *i;
		int64_t c = 0;
		if (q >= y.n || (p < x.n && x.ix[p]->id <= y.ix[q]->id))
			i = x.ix[p];
		else
			i = y.ix[q];
		if (p < x.n && x.ix[p] == i)
			c += x.coef[p++];
		if (q < y.n && y.ix[q] == i)
			c += scale * y.coef[q++];
		if (c != 0) {
			ix[n] = i;
			coef[n++] = c;
		}
	}
	return (struct affine){.c = x.c + scale * y.c, .n = n, .ix = ix, .coef = coef};
}

bool affine_same(struct affine x, struct affine y)
{
	if (x.c != y.c || x.n != y.n)
		return false;
	for (int k = 0; k < x.n; k++)
		if (x.ix[k] != y.ix[k] || x.coef[k] != y.coef[k])
			return false;
	return true;
}

const struct idx *affine_single(struct affine x)
{
	return x.c == 0 && x.n == 1 && x.coef[0] == 1 ? x.ix[0] : NULL;
}

bool affine_uses(struct affine x, const struct idx *i)
{
	for (int k = 0; k < x.n; k++)
		if (x.ix[k] == i)
			return true;
	return false;
}

struct affine affine_subst(struct arena *a, struct affine x, const struct idx *i, struct affine at)
{
	for (int k = 0; k < x.n; k++) {
		if (x.ix[k] != i)
			continue;
		struct affine minus = affine_add(a, x, affine_idx(a, i), -x.coef[k]);
		return affine_add(a, minus, at, x.coef[k]);
	}
	return x;
}

bool affine_range(struct affine x, int64_t *lo, int64_t *hi)
{
	*lo = *hi = x.c;
	for (int k = 0; k < x.n; k++) {
		if (x.ix[k]->size < 0)
			return false;
		int64_t far = x.coef[k] * (x.ix[k]->size - 1);
		if (far < 0)
			*lo += far;
		else
			*hi += far;
	}
	return true;
}

int guard_known(const struct guard *g)
{
	int64_t lo, hi;
	if (!affine_range(g->e, &lo, &hi))
		return -1;
	if (g->equal)
		return lo == 0 && hi == 0 ? 1 : lo > 0 || hi < 0 ? 0 : -1;
	return lo >= 0 ? 1 : hi < 0 ? 0 : -1;
}

bool guard_same(const struct guard *x, const struct guard *y)
{
	return x->equal == y->equal && affine_same(x->e, y->e);
}

uint64_t hash_mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 29);
}

/* Depends on the sizes of the indices, not on which they are: equal under renaming. */
uint64_t affine_hash(struct affine x)
{
	uint64_t h = hash_mix(11, (uint64_t)x.c);
	for (int k = 0; k < x.n; k++)
		h += hash_mix((uint64_t)x.coef[k], (uint64_t)(x.ix[k]->size * 31 + x.ix[k]->pop));
	return h;
}
