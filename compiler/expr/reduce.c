/* The constructor of reductions.  A SUM is brought to normal form:
 *   sum(i | i == k+1 ...) f(i)  ->  f(k+1), with the range of i as guards on k
 *   b*q + r == 0, |r| < b       ->  q == 0 and r == 0: the same unit of the same block
 *   sum(i) (f + g)              ->  sum(i) f + sum(i) g
 *   sum(i) mask(g){f}           ->  sum(i | g) f
 *   sum(i) a*f(i), a free of i  ->  a*sum(i) f(i)
 *   sum(i, j) f(i)*g(j)         ->  (sum(i) f(i))*(sum(j) g(j))
 *   sum(i) a                    ->  size*a
 * The other reductions keep their body and guards. */
#include "expr/internal.h"

#include <string.h>

struct red { /* under construction */
	const struct idx **bound;
	int nbound;
	struct guard *guard;
	int nguard;
};

static struct node *raw_reduce(struct arena *a, enum reduce r, struct red *s, struct node *body)
{
	struct node *x = node_new(a, N_REDUCE);
	x->red = r;
	x->span = body->span;
	x->bound = arena_copy(a, s->bound, sizeof *s->bound * (size_t)s->nbound);
	x->nbound = s->nbound;
	x->guard = arena_copy(a, s->guard, sizeof *s->guard * (size_t)s->nguard);
	x->nguard = s->nguard;
	x->kid = arena_copy(a, &body, sizeof body);
	x->nkid = 1;
	x->hash = hash_mix(hash_mix(20, (uint64_t)r), body->hash);
	for (int i = 0; i < s->nbound; i++)
		x->hash += hash_mix(21, (uint64_t)(s->bound[i]->size * 31 + s->bound[i]->pop));
	for (int i = 0; i < s->nguard; i++)
		x->hash += hash_mix(22 + s->guard[i].equal, affine_hash(s->guard[i].e));
	return x;
}

static void drop_bound(struct red *s, int k)
{
	memmove(s->bound + k, s->bound + k + 1, sizeof *s->bound * (size_t)(s->nbound - k - 1));
	s->nbound--;
}

static void drop_guard(struct red *s, int k)
{
	memmove(s->guard + k, s->guard + k + 1, sizeof *s->guard * (size_t)(s->nguard - k - 1));
	s->nguard--;
}

/* Drops guards that always hold; false when one never does. */
static bool settle_guards(struct red *s)
{
	for (int i = s->nguard - 1; i >= 0; i--) {
		int known = guard_known(&s->guard[i]);
		if (known == 0)
			return false;
		bool seen = known == 1;
		for (int k = 0; k < i; k++)
			seen = seen || guard_same(&s->guard[k], &s->guard[i]);
		if (seen)
			drop_guard(s, i);
	}
	return true;
}

/* b*q + r == 0 with |r| < b as q == 0 and r == 0, for the first guard of that form. */
static bool part_one(struct arena *a, struct red *s)
{
	for (int g = 0; g < s->nguard; g++) {
		struct affine e = s->guard[g].e, q, r;
		for (int t = 0; s->guard[g].equal && t < e.n; t++) {
			int64_t b = e.coef[t] < 0 ? -e.coef[t] : e.coef[t], lo, hi;
			if (b == 1)
				continue;
			q = affine_const(e.c / b);
			r = affine_const(e.c % b);
			for (int k = 0; k < e.n; k++) {
				struct affine i = affine_idx(a, e.ix[k]);
				if (e.coef[k] % b)
					r = affine_add(a, r, i, e.coef[k]);
				else
					q = affine_add(a, q, i, e.coef[k] / b);
			}
			if (r.n == 0 || !affine_range(r, &lo, &hi) || lo <= -b || hi >= b)
				continue;
			struct guard *all = NEW_ARRAY(a, struct guard, s->nguard + 1);
			memcpy(all, s->guard, sizeof *all * (size_t)s->nguard);
			all[g].e = q;
			all[s->nguard++] = (struct guard){true, r};
			s->guard = all;
			return true;
		}
	}
	return false;
}

/* Solves one equality guard for a bound index with coefficient 1 or -1. */
static bool solve_one(struct arena *a, struct red *s, struct node **body)
{
	for (int g = 0; g < s->nguard; g++) {
		if (!s->guard[g].equal)
			continue;
		struct affine e = s->guard[g].e;
		for (int t = 0; t < e.n; t++) {
			int k = 0;
			while (k < s->nbound && s->bound[k] != e.ix[t])
				k++;
			if (k == s->nbound || (e.coef[t] != 1 && e.coef[t] != -1))
				continue;
			const struct idx *i = e.ix[t];
			struct affine at =
			    affine_add(a, affine_const(0), affine_subst(a, e, i, affine_const(0)),
			               e.coef[t] == 1 ? -1 : 1);
			const struct idx *row = i->pop >= 0 ? affine_single(at) : NULL;
			if (i->pop >= 0 && (row == NULL || row->pop != i->pop))
				continue; /* of a batch index only: it is another one of its population */
			drop_guard(s, g);
			drop_bound(s, k);
			struct guard *all = NEW_ARRAY(a, struct guard, s->nguard + 2);
			for (int q = 0; q < s->nguard; q++)
				all[q] = (struct guard){s->guard[q].equal, affine_subst(a, s->guard[q].e, i, at)};
			all[s->nguard] = (struct guard){false, at};
			all[s->nguard + 1] =
			    (struct guard){false, affine_add(a, affine_const(i->size - 1), at, -1)};
			s->guard = all;
			s->nguard += row ? 0 : 2;
			*body = ex_subst_idx(a, *body, i, at);
			return true;
		}
	}
	return false;
}

static bool guard_uses_bound(const struct red *s, const struct guard *g)
{
	for (int k = 0; k < s->nbound; k++)
		if (affine_uses(g->e, s->bound[k]))
			return true;
	return false;
}

/* Factors that share bound indices (or guards) belong together: label[k] of bound index k. */
static void components(const struct red *s, struct node **factor, int n, int *label)
{
	for (int k = 0; k < s->nbound; k++)
		label[k] = k;
	for (int f = 0; f < n + s->nguard; f++) {
		int first = -1;
		for (int k = 0; k < s->nbound; k++) {
			bool uses = f < n ? ex_uses_idx(factor[f], s->bound[k])
			                  : affine_uses(s->guard[f - n].e, s->bound[k]);
			if (!uses)
				continue;
			if (first < 0) {
				first = label[k];
				continue;
			}
			int old = label[k];
			for (int q = 0; q < s->nbound; q++)
				if (label[q] == old)
					label[q] = first;
		}
	}
}

static struct node *sum_product(struct arena *a, struct red *s, struct node *body)
{
	bool is_mul = body->kind == N_OP && body->op == OP_MUL;
	struct node **f = is_mul ? body->kid : &body;
	int n = is_mul ? body->nkid : 1, label[MAX_BOUND];
	node_vec out = {0};
	struct guard *outer = NEW_ARRAY(a, struct guard, s->nguard + 1);
	int nouter = 0;
	for (int g = s->nguard - 1; g >= 0; g--)
		if (!guard_uses_bound(s, &s->guard[g])) {
			outer[nouter++] = s->guard[g];
			drop_guard(s, g);
		}
	components(s, f, n, label);
	for (int i = 0; i < n; i++) {
		bool uses = false;
		for (int k = 0; k < s->nbound; k++)
			uses = uses || ex_uses_idx(f[i], s->bound[k]);
		if (!uses)
			vec_push(a, &out, f[i]);
	}
	for (int c = 0; c < s->nbound; c++) {
		bool leads = true;
		for (int k = 0; k < c; k++)
			leads = leads && label[k] != label[c];
		if (!leads)
			continue;
		struct red part = {NEW_ARRAY(a, const struct idx *, MAX_BOUND), 0,
		                   NEW_ARRAY(a, struct guard, s->nguard + 1), 0};
		node_vec mine = {0};
		for (int k = 0; k < s->nbound; k++)
			if (label[k] == label[c])
				part.bound[part.nbound++] = s->bound[k];
		for (int g = 0; g < s->nguard; g++)
			if (guard_uses_bound(&part, &s->guard[g]))
				part.guard[part.nguard++] = s->guard[g];
		for (int i = 0; i < n; i++)
			for (int k = 0; k < part.nbound; k++)
				if (ex_uses_idx(f[i], part.bound[k])) {
					vec_push(a, &mine, f[i]);
					break;
				}
		if (mine.n == 0 && part.nguard == 0 && part.nbound == 1 && part.bound[0]->size >= 0) {
			vec_push(a, &out, ex_num(a, (double)part.bound[0]->size));
			continue;
		}
		vec_push(a, &out, raw_reduce(a, RED_SUM, &part, ex_mul_n(a, mine.at, mine.n)));
	}
	return ex_mask(a, outer, nouter, ex_mul_n(a, out.at, out.n));
}

/* The sum x becomes a part of the sum s: its indices and guards; its body is returned. */
static struct node *absorb(struct arena *a, struct red *s, const struct node *x)
{
	struct guard *all = NEW_ARRAY(a, struct guard, s->nguard + x->nguard + 1);
	const struct idx **in = NEW_ARRAY(a, const struct idx *, x->nbound);
	struct guard *gin = NEW_ARRAY(a, struct guard, x->nguard + 1);
	struct node *inner;
	reduce_freshen(a, x, in, gin, &inner);
	memcpy(s->bound + s->nbound, in, sizeof *in * (size_t)x->nbound);
	s->nbound += x->nbound;
	memcpy(all, s->guard, sizeof *all * (size_t)s->nguard);
	memcpy(all + s->nguard, gin, sizeof *all * (size_t)x->nguard);
	s->guard = all;
	s->nguard += x->nguard;
	return inner;
}

/* A factor that is a sum with an equality which an index of s solves; -1: none. */
static int solving_factor(const struct red *s, const struct node *body)
{
	for (int i = 0; body->kind == N_OP && body->op == OP_MUL && i < body->nkid; i++) {
		const struct node *x = body->kid[i];
		if (x->kind != N_REDUCE || x->red != RED_SUM || s->nbound + x->nbound > MAX_BOUND)
			continue;
		for (int g = 0; g < x->nguard; g++)
			for (int t = 0; x->guard[g].equal && t < x->guard[g].e.n; t++)
				for (int k = 0; k < s->nbound; k++)
					if (x->guard[g].e.ix[t] == s->bound[k] && s->bound[k]->size >= 0 &&
					    (x->guard[g].e.coef[t] == 1 || x->guard[g].e.coef[t] == -1))
						return i;
	}
	return -1;
}

struct node *ex_reduce(struct arena *a, enum reduce r, const struct idx *const *bound, int nbound,
                       const struct guard *g, int ng, struct node *body)
{
	if (nbound > MAX_BOUND)
		BUG("a reduction over %d indices", nbound);
	struct red s = {NEW_ARRAY(a, const struct idx *, MAX_BOUND), nbound,
	                NEW_ARRAY(a, struct guard, ng + 1), ng};
	if (nbound > 0)
		memcpy(s.bound, bound, sizeof *bound * (size_t)nbound);
	if (ng > 0)
		memcpy(s.guard, g, sizeof *g * (size_t)ng);
	if (r != RED_SUM)
		return nbound == 0 && ng == 0 ? body : raw_reduce(a, r, &s, body);
	for (int k;;) {
		if (body->kind == N_MASK) {
			struct guard *all = NEW_ARRAY(a, struct guard, s.nguard + body->nguard);
			memcpy(all, s.guard, sizeof *all * (size_t)s.nguard);
			memcpy(all + s.nguard, body->guard, sizeof *all * (size_t)body->nguard);
			s.guard = all;
			s.nguard += body->nguard;
			body = body->kid[0];
		} else if (body->kind == N_REDUCE && body->red == RED_SUM &&
		           s.nbound + body->nbound <= MAX_BOUND) {
			body = absorb(a, &s, body);
		} else if ((k = solving_factor(&s, body)) >= 0) {
			struct node **f = arena_copy(a, body->kid, sizeof *f * (size_t)body->nkid);
			f[k] = absorb(a, &s, f[k]);
			body = ex_mul_n(a, f, body->nkid);
		} else if (!settle_guards(&s)) {
			return ex_num(a, 0);
		} else if (!part_one(a, &s) && !solve_one(a, &s, &body)) {
			break;
		}
	}
	if (ex_is_num(body, 0))
		return body;
	if (body->kind == N_OP && body->op == OP_ADD) {
		node_vec sum = {0};
		for (int i = 0; i < body->nkid; i++) {
			struct node *t =
			    ex_reduce(a, RED_SUM, s.bound, s.nbound, s.guard, s.nguard, body->kid[i]);
			vec_push(a, &sum, t);
		}
		return ex_add_n(a, sum.at, sum.n);
	}
	return sum_product(a, &s, body);
}

struct node *ex_sum(struct arena *a, const struct idx *i, struct node *body)
{
	return ex_reduce(a, RED_SUM, &i, 1, NULL, 0, body);
}

void reduce_freshen(struct arena *a, const struct node *x, const struct idx **bound,
                    struct guard *guard, struct node **body)
{
	*body = x->kid[0];
	for (int g = 0; g < x->nguard; g++)
		guard[g] = x->guard[g];
	for (int k = 0; k < x->nbound; k++) {
		const struct idx *old = x->bound[k];
		struct idx *i = idx_new(a, old->name, old->size);
		i->pop = old->pop;
		bound[k] = i;
		if (old->pop >= 0)
			*body = ex_rename_batch(a, *body, old, i);
		else
			*body = ex_subst_idx(a, *body, old, affine_idx(a, i));
		for (int g = 0; g < x->nguard; g++)
			guard[g].e = affine_subst(a, guard[g].e, old, affine_idx(a, i));
	}
}
