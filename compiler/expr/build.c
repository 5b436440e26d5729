/* The constructors of constants, accesses, operators and masks, which keep the normal form of
 * expr.h.  Rewrites used: flattening, constant folding, merging of like terms and of equal factors,
 * x^2 = x for binary and x^2 = 1 for spin elements, exp(x)*exp(-x) = 1, masks pulled out of
 * products. */
#include "expr/internal.h"

#include <math.h>
#include <string.h>

struct node *node_new(struct arena *a, enum node_kind k)
{
	struct node *x = NEW(a, struct node);
	x->kind = k;
	return x;
}

struct node *ex_num(struct arena *a, double v)
{
	struct node *x = node_new(a, N_CONST);
	uint64_t bits;
	x->num = v == 0 ? 0 : v; /* no negative zero */
	memcpy(&bits, &x->num, sizeof bits);
	x->hash = hash_mix(1, bits);
	return x;
}

struct node *ex_index(struct arena *a, struct affine v)
{
	if (v.n == 0)
		return ex_num(a, (double)v.c);
	struct node *x = node_new(a, N_INDEX);
	x->index = v;
	x->hash = hash_mix(2, affine_hash(v));
	return x;
}

struct node *ex_access(struct arena *a, const struct sym *s, const struct idx *batch,
                       const struct affine *map)
{
	if (s->batched != (batch != NULL))
		BUG("access to %s: %s", s->name,
		    batch ? "a batch index on an unbatched symbol" : "no batch index");
	struct node *x = node_new(a, N_ACCESS);
	x->sym = s;
	x->batch = batch;
	x->map = NEW_ARRAY(a, struct affine, s->rank + 1);
	x->hash = hash_mix(3, (uint64_t)s->id);
	for (int i = 0; i < s->rank; i++) {
		x->map[i] = s->dim[i] == 1 ? affine_const(0) : map[i]; /* one way to write an element */
		x->hash = hash_mix(x->hash, affine_hash(x->map[i]));
	}
	return x;
}

struct node *ex_at(struct arena *a, const struct sym *s, const struct idx *batch,
                   const struct idx *const *ix)
{
	struct affine map[MAX_RANK];
	for (int i = 0; i < s->rank; i++)
		map[i] = affine_idx(a, ix[i]);
	return ex_access(a, s, batch, map);
}

struct node *ex_with_span(struct arena *a, struct node *x, struct span s)
{
	struct node *y = arena_copy(a, x, sizeof *x);
	y->span = s;
	return y;
}

bool ex_is_num(const struct node *x, double c)
{
	return x->kind == N_CONST && x->num == c;
}

static bool is_op(const struct node *x, enum op op)
{
	return x->kind == N_OP && x->op == op;
}

static struct node *raw_op(struct arena *a, enum op op, struct node *const *kid, int n)
{
	struct node *x = node_new(a, N_OP);
	x->op = op;
	x->nkid = n;
	x->kid = arena_copy(a, kid, sizeof *kid * (size_t)n);
	x->hash = hash_mix(4, (uint64_t)op);
	if (op == OP_ADD || op == OP_MUL) {
		uint64_t h = 0;
		for (int i = 0; i < n; i++)
			h += hash_mix(5, kid[i]->hash);
		x->hash = hash_mix(x->hash, h);
	} else {
		for (int i = 0; i < n; i++)
			x->hash = hash_mix(x->hash, kid[i]->hash);
	}
	for (int i = 0; i < n && x->span.src == 0; i++)
		x->span = kid[i]->span;
	return x;
}

struct node *ex_draw(struct arena *a, enum op op, int stream)
{
	struct node *x = node_new(a, N_OP);
	x->op = op;
	x->num = stream;
	x->hash = hash_mix(6, (uint64_t)stream);
	return x;
}

double split_coef(struct arena *a, struct node *x, struct node **rest)
{
	*rest = x;
	if (x->kind == N_CONST) {
		*rest = NULL;
		return x->num;
	}
	if (x->kind == N_MASK) {
		double c = split_coef(a, x->kid[0], rest);
		*rest = c == 1 || *rest == NULL ? x : ex_mask(a, x->guard, x->nguard, *rest);
		return *rest == x ? 1 : c;
	}
	if (!is_op(x, OP_MUL) || x->kid[0]->kind != N_CONST)
		return 1;
	*rest = x->nkid == 2 ? x->kid[1] : raw_op(a, OP_MUL, x->kid + 1, x->nkid - 1);
	(*rest)->span = x->span;
	return x->kid[0]->num;
}

/* ---- sums ---- */
struct term {
	double coef;
	struct node *rest;
};
typedef VEC(struct term) term_vec;

static void add_term(struct arena *a, term_vec *v, double *c, double scale, struct node *x)
{
	if (is_op(x, OP_ADD)) {
		for (int i = 0; i < x->nkid; i++)
			add_term(a, v, c, scale, x->kid[i]);
		return;
	}
	struct node *rest;
	double k = scale * split_coef(a, x, &rest);
	if (rest == NULL) {
		*c += k;
		return;
	}
	if (!ex_has_draw(rest))
		for (int i = 0; i < v->n; i++)
			if (v->at[i].rest->hash == rest->hash && ex_same(v->at[i].rest, rest)) {
				v->at[i].coef += k;
				return;
			}
	vec_push(a, v, ((struct term){k, rest}));
}

static struct node *scaled(struct arena *a, double c, struct node *x)
{
	if (c == 1)
		return x;
	struct node *kid[2] = {ex_num(a, c), x}, *y;
	if (is_op(x, OP_MUL)) {
		struct node **all = NEW_ARRAY(a, struct node *, x->nkid + 1);
		all[0] = kid[0];
		memcpy(all + 1, x->kid, sizeof *all * (size_t)x->nkid);
		y = raw_op(a, OP_MUL, all, x->nkid + 1);
	} else if (x->kind == N_MASK) {
		return ex_mask(a, x->guard, x->nguard, ex_scale(a, c, x->kid[0]));
	} else {
		y = raw_op(a, OP_MUL, kid, 2);
	}
	y->span = x->span;
	return y;
}

struct node *ex_add_n(struct arena *a, struct node *const *t, int n)
{
	term_vec v = {0};
	node_vec out = {0};
	double c = 0;
	for (int i = 0; i < n; i++)
		add_term(a, &v, &c, 1, t[i]);
	for (int i = 0; i < v.n; i++)
		if (v.at[i].coef != 0)
			vec_push(a, &out, scaled(a, v.at[i].coef, v.at[i].rest));
	if (c != 0 || out.n == 0)
		vec_push(a, &out, ex_num(a, c));
	return out.n == 1 ? out.at[0] : raw_op(a, OP_ADD, out.at, out.n);
}

struct node *ex_add(struct arena *a, struct node *x, struct node *y)
{
	return ex_add_n(a, (struct node *[]){x, y}, 2);
}

struct node *ex_sub(struct arena *a, struct node *x, struct node *y)
{
	return ex_add(a, x, ex_neg(a, y));
}

struct node *ex_neg(struct arena *a, struct node *x)
{
	return ex_scale(a, -1, x);
}

struct node *ex_scale(struct arena *a, double c, struct node *x)
{
	return ex_mul(a, ex_num(a, c), x);
}

int ex_terms(struct node *x, struct node ***terms)
{
	static _Thread_local struct node *one;
	if (is_op(x, OP_ADD)) {
		*terms = x->kid;
		return x->nkid;
	}
	one = x;
	*terms = &one;
	return 1;
}

/* ---- products ---- */
static struct node *base_of(struct node *x, double *e)
{
	if (is_op(x, OP_POW) && x->kid[1]->kind == N_CONST) {
		*e = x->kid[1]->num;
		return x->kid[0];
	}
	*e = 1;
	return x;
}

static void drop_factor(node_vec *v, int i)
{
	memmove(v->at + i, v->at + i + 1, sizeof *v->at * (size_t)(v->n - i - 1));
	v->n--;
}

/* exp(x)*exp(-x): 1, also where one of them is infinite and the other 0. */
static bool inverse_exps(struct arena *a, struct node *x, struct node *y)
{
	return is_op(x, OP_EXP) && is_op(y, OP_EXP) && ex_same(y->kid[0], ex_neg(a, x->kid[0]));
}

static void add_factor(struct arena *a, node_vec *v, double *c, struct node *x)
{
	if (is_op(x, OP_MUL)) {
		for (int i = 0; i < x->nkid; i++)
			add_factor(a, v, c, x->kid[i]);
		return;
	}
	if (x->kind == N_CONST) {
		*c *= x->num;
		return;
	}
	double e, f;
	struct node *b = base_of(x, &e);
	if (!ex_has_draw(b))
		for (int i = 0; i < v->n; i++) {
			if (inverse_exps(a, x, v->at[i])) {
				drop_factor(v, i);
				return;
			}
			struct node *other = base_of(v->at[i], &f);
			if (other->hash != b->hash || !ex_same(other, b))
				continue;
			struct node *p = ex_op2(a, OP_POW, b, ex_num(a, e + f));
			drop_factor(v, i);
			add_factor(a, v, c, p);
			return;
		}
	vec_push(a, v, x);
}

static bool has_masked_term(const struct node *x)
{
	if (is_op(x, OP_ADD))
		for (int i = 0; i < x->nkid; i++)
			if (x->kid[i]->kind == N_MASK)
				return true;
	return false;
}

struct node *ex_mul_n(struct arena *a, struct node *const *f, int n)
{
	node_vec v = {0};
	double c = 1;
	for (int i = 0; i < n; i++)
		add_factor(a, &v, &c, f[i]);
	if (c == 0 || v.n == 0)
		return ex_num(a, c);
	for (int i = 0; i < v.n; i++) {
		struct node *x = v.at[i];
		bool only = v.n == 1;
		if (x->kind == N_MASK) {
			v.at[i] = x->kid[0];
			struct node *body = ex_scale(a, c, ex_mul_n(a, v.at, v.n));
			return ex_mask(a, x->guard, x->nguard, body);
		}
		if ((only && c != 1 && is_op(x, OP_ADD)) || (!only && has_masked_term(x))) {
			node_vec sum = {0};
			for (int k = 0; k < x->nkid; k++) {
				v.at[i] = x->kid[k];
				vec_push(a, &sum, ex_scale(a, c, ex_mul_n(a, v.at, v.n)));
			}
			return ex_add_n(a, sum.at, sum.n);
		}
	}
	struct node *x = v.n == 1 ? v.at[0] : raw_op(a, OP_MUL, v.at, v.n);
	return scaled(a, c, x);
}

struct node *ex_mul(struct arena *a, struct node *x, struct node *y)
{
	return ex_mul_n(a, (struct node *[]){x, y}, 2);
}

static struct node *power(struct arena *a, struct node *x, struct node *y)
{
	struct node *kid[2] = {x, y};
	if (y->kind != N_CONST)
		return raw_op(a, OP_POW, kid, 2);
	double e = y->num;
	bool whole = e == floor(e) && fabs(e) < 1e6;
	if (e == 1)
		return x;
	if (e == 0)
		return ex_num(a, 1);
	if (x->kind == N_CONST && isfinite(pow(x->num, e)))
		return ex_num(a, pow(x->num, e));
	if (x->kind == N_ACCESS && whole && e > 0) {
		if (x->sym->values == VALUES_BINARY)
			return x;
		if (x->sym->values == VALUES_SPIN)
			return fmod(e, 2) == 0 ? ex_num(a, 1) : x;
	}
	if (whole && is_op(x, OP_MUL)) {
		node_vec v = {0};
		for (int i = 0; i < x->nkid; i++)
			vec_push(a, &v, power(a, x->kid[i], y));
		return ex_mul_n(a, v.at, v.n);
	}
	double inner;
	struct node *b = base_of(x, &inner);
	if (b != x && whole && inner == floor(inner))
		return ex_op2(a, OP_POW, b, ex_num(a, inner * e));
	return raw_op(a, OP_POW, kid, 2);
}

struct node *ex_op(struct arena *a, enum op op, struct node *const *kid, int n)
{
	if (op == OP_ADD)
		return ex_add_n(a, kid, n);
	if (op == OP_MUL)
		return ex_mul_n(a, kid, n);
	if (n != op_arity(op))
		BUG("operator %s with %d operands", op_name(op), n);
	if (op == OP_POW)
		return power(a, kid[0], kid[1]);
	if (op == OP_LOG && is_op(kid[0], OP_EXP))
		return kid[0]->kid[0];
	bool folds = n > 0;
	for (int i = 0; i < n; i++)
		folds = folds && kid[i]->kind == N_CONST;
	if (folds) {
		double v = op_eval3(op, kid[0]->num, n > 1 ? kid[1]->num : 0, n > 2 ? kid[2]->num : 0);
		if (isfinite(v))
			return ex_num(a, v);
	}
	return raw_op(a, op, kid, n);
}

struct node *ex_op1(struct arena *a, enum op op, struct node *x)
{
	return ex_op(a, op, &x, 1);
}

struct node *ex_op2(struct arena *a, enum op op, struct node *x, struct node *y)
{
	return ex_op(a, op, (struct node *[]){x, y}, 2);
}

/* ---- masks ---- */
/* Can one of them never hold where another says e == 0, as i < j where i == j? */
static bool contradict(struct arena *a, const struct guard *g, int n)
{
	for (int k = 0; k < n; k++)
		for (int i = 0; g[k].equal && i < n; i++)
			for (int sign = -1; i != k && sign <= 1; sign += 2) {
				struct guard t = {g[i].equal, affine_add(a, g[i].e, g[k].e, sign)};
				if (guard_known(&t) == 0)
					return true;
			}
	return false;
}

struct node *ex_mask(struct arena *a, const struct guard *g, int ng, struct node *body)
{
	if (ex_is_num(body, 0))
		return body;
	const struct guard *inner = body->kind == N_MASK ? body->guard : NULL;
	int ninner = body->kind == N_MASK ? body->nguard : 0, n = 0;
	struct guard *all = NEW_ARRAY(a, struct guard, ng + ninner + 1);
	for (int i = 0; i < ng + ninner; i++) {
		struct guard t = i < ng ? g[i] : inner[i - ng];
		int known = guard_known(&t);
		if (known == 0)
			return ex_num(a, 0);
		bool seen = known == 1;
		for (int k = 0; k < n; k++)
			seen = seen || guard_same(&all[k], &t);
		if (!seen)
			all[n++] = t;
	}
	if (contradict(a, all, n))
		return ex_num(a, 0);
	struct node *e = inner ? body->kid[0] : body;
	if (n == 0)
		return e;
	struct node *x = node_new(a, N_MASK);
	x->span = body->span;
	x->guard = all;
	x->nguard = n;
	x->nkid = 1;
	x->kid = arena_copy(a, &e, sizeof e);
	x->hash = hash_mix(7, e->hash);
	for (int i = 0; i < n; i++)
		x->hash += hash_mix(8 + all[i].equal, affine_hash(all[i].e));
	return x;
}
