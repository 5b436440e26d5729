/* Substitution (of an index by an affine form, of a symbol by another or by an expression), and the
 * finite differences built on it: ex_set_one and ex_delta. */
#include "expr/internal.h"

struct node *rebuild(struct arena *a, const struct node *x, struct node *const *kid)
{
	struct node *y;
	switch (x->kind) {
	case N_OP:
		y = ex_op(a, x->op, kid, x->nkid);
		break;
	case N_MASK:
		y = ex_mask(a, x->guard, x->nguard, kid[0]);
		break;
	case N_REDUCE:
		y = ex_reduce(a, x->red, x->bound, x->nbound, x->guard, x->nguard, kid[0]);
		break;
	case N_CONST:
	case N_INDEX:
	case N_ACCESS:
	default:
		BUG("rebuild of a leaf");
	}
	return y->span.src == 0 && x->span.src != 0 ? ex_with_span(a, y, x->span) : y;
}

static bool touches(const struct node *x, const struct subst *s)
{
	if (s->idx && ex_uses_idx(x, s->idx))
		return true;
	return s->from && ex_mentions(x, s->from);
}

static struct node *subst_access(struct arena *a, struct node *x, const struct subst *s)
{
	struct affine map[MAX_RANK];
	const struct sym *sym = x->sym;
	const struct idx *batch = x->batch;
	for (int i = 0; i < sym->rank; i++)
		map[i] = s->idx ? affine_subst(a, x->map[i], s->idx, s->at) : x->map[i];
	if (s->idx && batch == s->idx) {
		if (affine_single(s->at) == NULL)
			BUG("a batch index may only be renamed");
		batch = affine_single(s->at);
	}
	if (s->from == sym) {
		if (s->fn)
			return s->fn(a, x, s->arg);
		sym = s->to;
		if (s->batch)
			batch = s->batch;
	}
	struct node *y = ex_access(a, sym, sym->batched ? batch : NULL, map);
	y->span = x->span;
	return y;
}

static bool captures(const struct node *x, const struct subst *s)
{
	if (s->fn || s->batch)
		return true;
	for (int k = 0; k < x->nbound; k++)
		if (s->idx && affine_uses(s->at, x->bound[k]))
			return true;
	return false;
}

struct node *ex_subst(struct arena *a, struct node *x, const struct subst *s)
{
	if (!touches(x, s))
		return x;
	if (x->kind == N_ACCESS)
		return subst_access(a, x, s);
	if (x->kind == N_INDEX)
		return ex_index(a, affine_subst(a, x->index, s->idx, s->at));
	struct node copy = *x;
	struct node **kid = NEW_ARRAY(a, struct node *, x->nkid);
	copy.kid = kid;
	for (int i = 0; i < x->nkid; i++)
		kid[i] = x->kid[i];
	copy.guard = NEW_ARRAY(a, struct guard, x->nguard + 1);
	for (int g = 0; g < x->nguard; g++)
		copy.guard[g] = x->guard[g];
	if (x->kind == N_REDUCE && captures(x, s)) {
		copy.bound = NEW_ARRAY(a, const struct idx *, x->nbound + 1);
		reduce_freshen(a, x, copy.bound, copy.guard, &kid[0]);
	}
	for (int i = 0; i < x->nkid; i++)
		kid[i] = ex_subst(a, kid[i], s);
	if (s->idx)
		for (int g = 0; g < x->nguard; g++)
			copy.guard[g].e = affine_subst(a, copy.guard[g].e, s->idx, s->at);
	return rebuild(a, &copy, kid);
}

struct node *ex_subst_idx(struct arena *a, struct node *x, const struct idx *i, struct affine at)
{
	return ex_subst(a, x, &(struct subst){.idx = i, .at = at});
}

struct node *ex_subst_at(struct arena *a, struct node *x, const struct idx *const *at,
                         const struct affine *map, int n)
{
	for (int k = 0; k < n; k++)
		x = ex_subst_idx(a, x, at[k], map[k]);
	return x;
}

struct node *ex_rename_batch(struct arena *a, struct node *x, const struct idx *from,
                             const struct idx *to)
{
	return ex_subst_idx(a, x, from, affine_idx(a, to));
}

static struct node *give(struct arena *a, const struct node *access, void *arg)
{
	(void)a;
	(void)access;
	return arg;
}

struct node *ex_set_all(struct arena *a, struct node *x, const struct sym *s, double c)
{
	return ex_subst(a, x, &(struct subst){.from = s, .fn = give, .arg = ex_num(a, c)});
}

struct node *ex_apart(struct arena *a, struct node *x, enum op op, const struct sym *s,
                      const struct sym *to)
{
	if (!ex_mentions(x, s) || x->kind == N_ACCESS)
		return x;
	if (x->kind == N_OP && x->op == op && x->kid[0]->kind == N_ACCESS && x->kid[0]->sym == s)
		return ex_access(a, to, x->kid[0]->batch, x->kid[0]->map);
	struct node **kid = NEW_ARRAY(a, struct node *, x->nkid);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = ex_apart(a, x->kid[i], op, s, to);
	return rebuild(a, x, kid);
}

/* ---- one element ---- */
struct element {
	const struct sym *s;
	const struct affine *k;
	struct node *v;
};

/* The guards map == k. */
static int at_element(struct arena *a, const struct node *access, const struct affine *k,
                      struct guard *g)
{
	int n = access->sym->rank;
	for (int i = 0; i < n; i++)
		g[i] = (struct guard){true, affine_add(a, access->map[i], k[i], -1)};
	return n;
}

static struct node *set_access(struct arena *a, const struct node *access, void *arg)
{
	const struct element *e = arg;
	struct guard g[MAX_RANK];
	int n = at_element(a, access, e->k, g);
	struct node *old = ex_access(a, e->s, access->batch, access->map);
	struct node *sk = ex_access(a, e->s, access->batch, e->k);
	return ex_add(a, old, ex_mask(a, g, n, ex_sub(a, e->v, sk)));
}

struct node *ex_set_one(struct arena *a, struct node *x, const struct sym *s,
                        const struct affine *k, struct node *v)
{
	struct element e = {s, k, v};
	return ex_subst(a, x, &(struct subst){.from = s, .fn = set_access, .arg = &e});
}

/* An access to s in x; one[i]: all of x sees s with this subscript i, and no index bound inside x
 * is in it. */
static const struct node *some_access(const struct node *x, const struct sym *s,
                                      const struct node *found, bool *one)
{
	if (x->kind == N_ACCESS && x->sym == s) {
		for (int i = 0; found && i < s->rank; i++)
			one[i] = one[i] && affine_same(found->map[i], x->map[i]);
		return x;
	}
	for (int i = 0; i < x->nkid; i++)
		found = some_access(x->kid[i], s, found, one);
	if (x->kind == N_REDUCE && found)
		for (int k = 0; k < x->nbound; k++)
			for (int i = 0; i < s->rank; i++)
				one[i] = one[i] && !affine_uses(found->map[i], x->bound[k]);
	return found;
}

/* What x sees of s is the element k at most where these guards hold: so many subscripts are one. */
static int where_seen(struct arena *a, const struct node *x, const struct element *e,
                      struct guard *g)
{
	bool one[MAX_RANK];
	int n = 0;
	for (int i = 0; i < e->s->rank; i++)
		one[i] = true;
	const struct node *access = some_access(x, e->s, NULL, one);
	for (int i = 0; i < e->s->rank; i++)
		if (one[i])
			g[n++] = (struct guard){true, affine_add(a, access->map[i], e->k[i], -1)};
	return n;
}

static struct node *delta(struct arena *a, struct node *x, const struct element *hi,
                          const struct element *lo)
{
	const struct sym *s = hi->s;
	if (!ex_mentions(x, s))
		return ex_num(a, 0);
	struct guard g[MAX_RANK];
	if (x->kind == N_ACCESS)
		return ex_mask(a, g, at_element(a, x, hi->k, g), ex_sub(a, hi->v, lo->v));
	if (x->kind == N_MASK || (x->kind == N_REDUCE && x->red == RED_SUM)) {
		struct node copy = *x, *body = x->kid[0];
		if (x->kind == N_REDUCE) {
			copy.bound = NEW_ARRAY(a, const struct idx *, x->nbound + 1);
			copy.guard = NEW_ARRAY(a, struct guard, x->nguard + 1);
			reduce_freshen(a, x, copy.bound, copy.guard, &body);
		}
		body = delta(a, body, hi, lo);
		return rebuild(a, &copy, &body);
	}
	if (x->kind == N_OP && x->op == OP_ADD) {
		node_vec sum = {0};
		for (int i = 0; i < x->nkid; i++) {
			struct node *t = delta(a, x->kid[i], hi, lo);
			if (t->span.src == 0)
				t = ex_with_span(a, t, x->kid[i]->span.src ? x->kid[i]->span : x->span);
			vec_push(a, &sum, t);
		}
		return ex_add_n(a, sum.at, sum.n);
	}
	if (x->kind == N_OP && x->op == OP_MUL) { /* factors free of s stand outside */
		node_vec all = {0}, own = {0};
		int at = 0;
		for (int i = 0; i < x->nkid; i++) {
			bool has = ex_mentions(x->kid[i], s);
			if (has && own.n == 0)
				at = i;
			if (has)
				vec_push(a, &own, x->kid[i]);
			if (!has || i == at)
				vec_push(a, &all, x->kid[i]);
		}
		if (own.n < x->nkid) {
			all.at[at] = delta(a, ex_mul_n(a, own.at, own.n), hi, lo);
			return ex_mul_n(a, all.at, all.n);
		}
	}
	int n = where_seen(a, x, hi, g);
	if (n == s->rank) {
		struct node *up = ex_subst(a, x, &(struct subst){.from = s, .fn = give, .arg = hi->v});
		struct node *down = ex_subst(a, x, &(struct subst){.from = s, .fn = give, .arg = lo->v});
		return ex_mask(a, g, n, ex_sub(a, up, down));
	}
	if (x->kind == N_OP && x->op == OP_MUL) { /* D(f*g) = Df*g(hi) + f(lo)*Dg */
		struct node *f = x->kid[0], *r = ex_mul_n(a, x->kid + 1, x->nkid - 1);
		struct node *df = ex_mul(a, delta(a, f, hi, lo), ex_set_one(a, r, s, hi->k, hi->v));
		struct node *dr = ex_mul(a, ex_set_one(a, f, s, lo->k, lo->v), delta(a, r, hi, lo));
		return ex_add(a, df, dr);
	}
	return ex_mask(a, g, n,
	               ex_sub(a, ex_set_one(a, x, s, hi->k, hi->v), ex_set_one(a, x, s, lo->k, lo->v)));
}

struct node *ex_delta(struct arena *a, struct node *x, const struct sym *s, const struct affine *k,
                      struct node *hi, struct node *lo)
{
	struct element h = {s, k, hi}, l = {s, k, lo};
	struct node *d = delta(a, x, &h, &l);
	return d->span.src == 0 ? ex_with_span(a, d, x->span) : d;
}
