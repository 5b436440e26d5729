/* The reference evaluator: an expression's value in double precision, by walking it.  Slow and
 * plain; generated code is held against it. */
#include "expr/internal.h"

#include <math.h>

static double op_sigmoid(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double op_softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double op_eval3(enum op op, double a, double b, double c)
{
	switch (op) {
#define OP(id, name, arity, flags, eval, da, db, emit) \
	case OP_##id: \
		return eval;
#include "expr/op.def"
#undef OP
	case OP_COUNT:
		break;
	}
	BUG("operator %d", (int)op);
}

double op_eval(enum op op, double a, double b)
{
	return op_eval3(op, a, b, 0);
}

static const struct {
	const char *name;
	int arity, flags;
} ops[] = {
#define OP(id, name, arity, flags, eval, da, db, emit) {name, arity, flags},
#include "expr/op.def"
#undef OP
};

const char *op_name(enum op op)
{
	return ops[op].name;
}

int op_arity(enum op op)
{
	return ops[op].arity;
}

int op_flags(enum op op)
{
	return ops[op].flags;
}

struct frame { /* values of indices, innermost first */
	const struct frame *up;
	const struct idx *idx;
	int64_t value;
};

static int64_t lookup(const struct frame *f, const struct idx *i)
{
	for (; f; f = f->up)
		if (f->idx == i)
			return f->value;
	BUG("index %s has no value", i->name);
}

static int64_t affine_eval(struct affine x, const struct frame *f)
{
	int64_t v = x.c;
	for (int k = 0; k < x.n; k++)
		v += x.coef[k] * lookup(f, x.ix[k]);
	return v;
}

static bool holds(const struct guard *g, int n, const struct frame *f)
{
	for (int k = 0; k < n; k++) {
		int64_t v = affine_eval(g[k].e, f);
		if (g[k].equal ? v != 0 : v < 0)
			return false;
	}
	return true;
}

static double eval(const struct node *x, const struct env *env, const struct frame *f);

struct fold {
	double sum, max;
	int64_t count;
};

static void reduce(const struct node *x, int k, const struct env *env, const struct frame *f,
                   struct fold *r)
{
	if (k < x->nbound) {
		int64_t size =
		    x->bound[k]->pop >= 0 ? env->pop_size(env->arg, x->bound[k]->pop) : x->bound[k]->size;
		for (int64_t v = 0; v < size; v++) {
			struct frame in = {f, x->bound[k], v};
			reduce(x, k + 1, env, &in, r);
		}
		return;
	}
	if (!holds(x->guard, x->nguard, f))
		return;
	double v = eval(x->kid[0], env, f);
	bool first = r->count++ == 0;
	switch (x->red) {
	case RED_SUM:
		r->sum += v;
		break;
	case RED_PROD:
		r->sum = first ? v : r->sum * v;
		break;
	case RED_MAX:
		r->sum = first || v > r->sum ? v : r->sum;
		break;
	case RED_MIN:
		r->sum = first || v < r->sum ? v : r->sum;
		break;
	case RED_LOGSUMEXP:
		if (first || v > r->max) {
			r->sum = first ? 1 : r->sum * exp(r->max - v) + 1;
			r->max = v;
		} else {
			r->sum += exp(v - r->max);
		}
		break;
	}
}

static double reduce_value(const struct node *x, const struct fold *r)
{
	switch (x->red) {
	case RED_SUM:
		return r->sum;
	case RED_PROD:
		return r->count ? r->sum : 1;
	case RED_MAX:
		return r->count ? r->sum : -INFINITY;
	case RED_MIN:
		return r->count ? r->sum : INFINITY;
	case RED_LOGSUMEXP:
		return r->count ? r->max + log(r->sum) : -INFINITY;
	}
	return 0;
}

static double eval(const struct node *x, const struct env *env, const struct frame *f)
{
	switch (x->kind) {
	case N_CONST:
		return x->num;
	case N_INDEX:
		return (double)affine_eval(x->index, f);
	case N_ACCESS: {
		int64_t at[MAX_RANK];
		for (int i = 0; i < x->sym->rank; i++) {
			at[i] = affine_eval(x->map[i], f);
			if (at[i] < 0 || at[i] >= x->sym->dim[i])
				BUG("subscript %d of %s is %lld", i + 1, x->sym->name, (long long)at[i]);
		}
		return env->load(env->arg, x->sym, x->batch ? lookup(f, x->batch) : 0, at);
	}
	case N_MASK:
		return holds(x->guard, x->nguard, f) ? eval(x->kid[0], env, f) : 0;
	case N_REDUCE: {
		struct fold r = {0, -INFINITY, 0};
		reduce(x, 0, env, f, &r);
		return reduce_value(x, &r);
	}
	case N_OP:
		break;
	}
	if (op_flags(x->op) & OPF_DRAW) {
		if (env->draw == NULL)
			BUG("a draw in an expression that must have none");
		return env->draw(env->arg, x);
	}
	if (op_arity(x->op) >= 0)
		return op_eval3(x->op, eval(x->kid[0], env, f), x->nkid > 1 ? eval(x->kid[1], env, f) : 0,
		                x->nkid > 2 ? eval(x->kid[2], env, f) : 0);
	double v = eval(x->kid[0], env, f);
	for (int i = 1; i < x->nkid; i++)
		v = op_eval(x->op, v, eval(x->kid[i], env, f));
	return v;
}

double ex_eval(const struct node *x, const struct env *env, const struct binding *b, int nb)
{
	struct frame f[64], *last = NULL;
	if (nb > 64)
		BUG("%d free indices", nb);
	for (int i = 0; i < nb; i++) {
		f[i] = (struct frame){last, b[i].idx, b[i].value};
		last = &f[i];
	}
	return eval(x, env, last);
}
