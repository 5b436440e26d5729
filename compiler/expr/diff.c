/* The derivative of an expression with respect to one element of a symbol, by reverse accumulation:
 * the adjoint starts as 1 at the root and is pushed to the operands; where it reaches an access
 * s[map], sum over the reductions on the way of mask(map == k){adjoint} is one contribution.  The
 * sums' normal form solves map == k. */
#include "expr/internal.h"

#include <string.h>

struct diff {
	struct arena *a;
	const struct sym *s;
	const struct affine *k;
	node_vec out;
};
struct scope { /* the sums between the root and here */
	const struct scope *up;
	const struct idx **bound;
	int nbound;
	struct guard *guard;
	int nguard;
};

/* Helpers for the derivative columns of op.def. */
#define K(c) ex_num(a, c)
#define ADD(p, q) ex_add(a, p, q)
#define SUB(p, q) ex_sub(a, p, q)
#define MUL(p, q) ex_mul(a, p, q)
#define DIV(p, q) ex_mul(a, p, ex_op2(a, OP_POW, q, ex_num(a, -1)))
#define NEG(p) ex_neg(a, p)
#define F1(o, p) ex_op1(a, OP_##o, p)
#define F2(o, p, q) ex_op2(a, OP_##o, p, q)
#define NONE no_derivative(self->op)
/* of a quantile at u: 1/density = exp(log z - f x) */
#define UNIT_DENSITY F1(EXP, SUB(F1(UNIT_LOGZ, y), MUL(y, self)))

static struct node *no_derivative(enum op op)
{
	BUG("the derivative of %s is not known", op_name(op));
}

static struct node *op_derivative(struct arena *a, struct node *self, int operand)
{
	struct node *x = self->nkid > 0 ? self->kid[0] : NULL,
	            *y = self->nkid > 1 ? self->kid[1] : NULL;
	(void)x;
	(void)y;
	switch (self->op) {
#define OP(id, name, arity, flags, eval, da, db, emit) \
	case OP_##id: \
		return operand == 0 ? (da) : (db);
#include "expr/op.def"
#undef OP
	case OP_COUNT:
		break;
	}
	BUG("derivative of operator %d", (int)self->op);
}

/* In words where the language has no such function. */
static const char *in_words(enum op op)
{
	if (op == OP_UNIT_VAR)
		return "the variance that a unit on [0, 1] has given the rest";
	return op == OP_TRIGAMMA ? "the variance that the log of a positive unit has given the rest"
	                         : op_name(op);
}

bool ex_differentiable(const struct node *x, const char **op)
{
	static const char *const missing[] = {
#define OP(id, name, arity, flags, eval, da, db, emit) #da,
#include "expr/op.def"
#undef OP
	};
	if (x->kind == N_OP && strcmp(missing[x->op], "NONE") == 0) {
		*op = in_words(x->op);
		return false;
	}
	for (int i = 0; i < x->nkid; i++)
		if (!ex_differentiable(x->kid[i], op))
			return false;
	return true;
}

/* Does the access's place depend on an index of the sum? */
static bool places(const struct node *access, const struct scope *sc)
{
	for (int i = 0; i < sc->nbound; i++)
		for (int r = 0; r < access->sym->rank; r++)
			for (int k = 0; k < access->map[r].n; k++)
				if (access->map[r].ix[k] == sc->bound[i])
					return true;
	return false;
}

static struct node *sum_over(struct diff *d, const struct scope *sc, struct node *x)
{
	return ex_reduce(d->a, RED_SUM, sc->bound, sc->nbound, NULL, 0, x);
}

/* The sums that do not say where the access is, the outermost one innermost: the adjoint of an
 * inner sum is then summed up before it is multiplied by what the inner sum holds, as in reverse
 * accumulation. */
static struct node *sum_adjoints(struct diff *d, const struct node *access, const struct scope *sc,
                                 struct node *x)
{
	if (sc == NULL)
		return x;
	x = sum_adjoints(d, access, sc->up, x);
	return places(access, sc) ? x : sum_over(d, sc, x);
}

static void contribute(struct diff *d, const struct node *access, struct node *adj,
                       const struct scope *sc)
{
	struct guard g[MAX_RANK];
	for (int i = 0; i < d->s->rank; i++)
		g[i] = (struct guard){true, affine_add(d->a, access->map[i], d->k[i], -1)};
	struct node *x = ex_mask(d->a, g, d->s->rank, adj);
	for (const struct scope *o = sc; o; o = o->up)
		x = ex_mask(d->a, o->guard, o->nguard, x);
	for (const struct scope *o = sc; o; o = o->up)
		x = places(access, o) ? sum_over(d, o, x) : x;
	vec_push(d->a, &d->out, sum_adjoints(d, access, sc, x));
}

/* The product without the factor at the indices `at`: those before it times those after it, in
 * lexical order; a quotient would be no number where a factor is 0. */
static struct node *other_factors(struct arena *a, struct node *x, const struct scope *at)
{
	node_vec part = {0};
	for (int k = 0; k < x->nbound; k++)
		for (int sign = -1; sign <= 1; sign += 2) {
			const struct idx **in = NEW_ARRAY(a, const struct idx *, x->nbound);
			struct guard *g = NEW_ARRAY(a, struct guard, x->nguard + k + 1);
			struct node *body;
			reduce_freshen(a, x, in, g, &body);
			for (int i = 0; i <= k; i++) {
				struct affine to = affine_idx(a, at->bound[i]), from = affine_idx(a, in[i]);
				struct affine past = affine_add(a, sign > 0 ? from : to, sign > 0 ? to : from, -1);
				g[x->nguard + i] = (struct guard){i < k, past};
			}
			struct affine *past = &g[x->nguard + k].e;
			*past = affine_add(a, *past, affine_const(1), -1);
			vec_push(a, &part, ex_reduce(a, RED_PROD, in, x->nbound, g, x->nguard + k + 1, body));
		}
	return ex_mul_n(a, part.at, part.n);
}

/* 1 where the body is the maximum or minimum x, else 0. */
static struct node *is_extreme(struct arena *a, struct node *x, struct node *body)
{
	bool max = x->red == RED_MAX;
	struct node *beaten = ex_op2(a, OP_LT, max ? body : x, max ? x : body);
	return ex_sub(a, ex_num(a, 1), beaten);
}

/* Elements that tie share alike.  Where rounding leaves none, none has a share: 0/1. */
static struct node *share_of_extreme(struct arena *a, struct node *x, struct node *body)
{
	const struct idx **in = NEW_ARRAY(a, const struct idx *, x->nbound);
	struct guard *g = NEW_ARRAY(a, struct guard, x->nguard + 1);
	struct node *each;
	reduce_freshen(a, x, in, g, &each);
	struct node *tied = ex_reduce(a, RED_SUM, in, x->nbound, g, x->nguard, is_extreme(a, x, each));
	return DIV(is_extreme(a, x, body), F2(MAX, tied, K(1)));
}

static void push(struct diff *d, struct node *x, struct node *adj, const struct scope *sc)
{
	struct arena *a = d->a;
	if (!ex_mentions(x, d->s) || ex_is_num(adj, 0))
		return;
	if (x->span.src && adj->span.src == 0)
		adj = ex_with_span(a, adj, x->span);
	switch (x->kind) {
	case N_CONST:
	case N_INDEX:
		return;
	case N_ACCESS:
		contribute(d, x, adj, sc);
		return;
	case N_MASK: {
		push(d, x->kid[0], ex_mask(a, x->guard, x->nguard, adj), sc);
		return;
	}
	case N_REDUCE: {
		struct scope in = {sc, NEW_ARRAY(a, const struct idx *, x->nbound), x->nbound,
		                   NEW_ARRAY(a, struct guard, x->nguard + 1), x->nguard};
		struct node *body;
		reduce_freshen(a, x, in.bound, in.guard, &body);
		if (x->red == RED_LOGSUMEXP)
			adj = ex_mul(a, adj, ex_op1(a, OP_EXP, ex_sub(a, body, x)));
		else if (x->red == RED_PROD)
			adj = ex_mul(a, adj, other_factors(a, x, &in));
		else if (x->red == RED_MAX || x->red == RED_MIN)
			adj = ex_mul(a, adj, share_of_extreme(a, x, body));
		push(d, body, adj, &in);
		return;
	}
	case N_OP:
		break;
	}
	if (x->op == OP_ADD) {
		for (int i = 0; i < x->nkid; i++)
			push(d, x->kid[i], adj, sc);
		return;
	}
	if (x->op == OP_MUL) {
		for (int i = 0; i < x->nkid; i++) {
			if (!ex_mentions(x->kid[i], d->s))
				continue;
			node_vec rest = {0};
			vec_push(a, &rest, adj);
			for (int k = 0; k < x->nkid; k++)
				if (k != i)
					vec_push(a, &rest, x->kid[k]);
			push(d, x->kid[i], ex_mul_n(a, rest.at, rest.n), sc);
		}
		return;
	}
	for (int i = 0; i < x->nkid; i++) {
		if (!ex_mentions(x->kid[i], d->s))
			continue;
		struct node *dx = op_derivative(a, x, i);
		if (dx)
			push(d, x->kid[i], ex_mul(a, adj, dx), sc);
	}
}

struct node *ex_diff(struct arena *a, struct node *x, const struct sym *s, const struct affine *k)
{
	struct diff d = {.a = a, .s = s, .k = k};
	push(&d, x, ex_num(a, 1), NULL);
	return ex_add_n(a, d.out.at, d.out.n);
}
