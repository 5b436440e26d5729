/* An expression over fixed sizes, written out: every sum unrolled, every subscript a place in
 * memory, so that millions of states are evaluated in seconds.  The operations are those of the
 * reference evaluator, op_eval. */
#include "verify/verify.h"

#include <math.h>

struct step { /* v[k] := *load, or op(v[a], v[b]) */
	const double *load;
	enum op op;
	int a, b;
};
struct tape {
	struct memory *m;
	VEC(struct step) step;
	double *v;
	int result;
};

struct frame { /* values of indices, innermost first */
	const struct frame *up;
	const struct idx *idx;
	int64_t value;
};

static int64_t affine_at(struct affine x, const struct frame *f)
{
	int64_t v = x.c;
	for (int k = 0; k < x.n; k++)
		for (const struct frame *i = f; i; i = i->up)
			if (i->idx == x.ix[k]) {
				v += x.coef[k] * i->value;
				break;
			}
	return v;
}

static bool holds(const struct node *x, const struct frame *f)
{
	for (int k = 0; k < x->nguard; k++) {
		int64_t v = affine_at(x->guard[k].e, f);
		if (x->guard[k].equal ? v != 0 : v < 0)
			return false;
	}
	return true;
}

static int push(struct tape *t, struct step s)
{
	vec_push(t->m->a, &t->step, s);
	return t->step.n - 1;
}

static int number(struct tape *t, double x)
{
	double *at = NEW(t->m->a, double);
	*at = x;
	return push(t, (struct step){.load = at});
}

static int both(struct tape *t, enum op op, int a, int b)
{
	return push(t, (struct step){NULL, op, a, b});
}

static int fold(struct tape *t, enum op op, const int *x, int n, double none)
{
	int r = n ? x[0] : number(t, none);
	for (int i = 1; i < n; i++)
		r = both(t, op, r, x[i]);
	return r;
}

static int emit(struct tape *t, const struct node *x, const struct frame *f);

struct parts {
	int *at;
	int n, cap;
};

static void unroll(struct tape *t, const struct node *x, int k, const struct frame *f,
                   struct parts *p)
{
	if (k == x->nbound) {
		if (!holds(x, f))
			return;
		int v = emit(t, x->kid[0], f);
		vec_push(t->m->a, p, v);
		return;
	}
	for (int64_t v = 0; v < x->bound[k]->size; v++) {
		struct frame in = {f, x->bound[k], v};
		unroll(t, x, k + 1, &in, p);
	}
}

static int reduced(struct tape *t, const struct node *x, const struct frame *f)
{
	struct parts p = {0};
	unroll(t, x, 0, f, &p);
	switch (x->red) {
	case RED_SUM:
		return fold(t, OP_ADD, p.at, p.n, 0);
	case RED_PROD:
		return fold(t, OP_MUL, p.at, p.n, 1);
	case RED_MAX:
		return fold(t, OP_MAX, p.at, p.n, -INFINITY);
	case RED_MIN:
		return fold(t, OP_MIN, p.at, p.n, INFINITY);
	case RED_LOGSUMEXP:
		break;
	}
	int top = fold(t, OP_MAX, p.at, p.n, -INFINITY), less = both(t, OP_MUL, number(t, -1), top);
	for (int i = 0; i < p.n; i++) {
		int gap = both(t, OP_ADD, p.at[i], less);
		p.at[i] = both(t, OP_EXP, gap, gap);
	}
	int sum = fold(t, OP_ADD, p.at, p.n, 0);
	return both(t, OP_ADD, top, both(t, OP_LOG, sum, sum));
}

/* x^n, n = 1, 2, .. */
static int power(struct tape *t, int x, int n)
{
	int r = x;
	for (int i = 1; i < n; i++)
		r = both(t, OP_MUL, r, x);
	return r;
}

static bool is_small_power(const struct node *x)
{
	const struct node *n = x->op == OP_POW ? x->kid[1] : NULL;
	return n && n->kind == N_CONST && n->num >= 1 && n->num <= 8 && n->num == floor(n->num);
}

static int emit(struct tape *t, const struct node *x, const struct frame *f)
{
	int64_t at = 0;
	int kid[2];
	switch (x->kind) {
	case N_CONST:
		return number(t, x->num);
	case N_INDEX:
		return number(t, (double)affine_at(x->index, f));
	case N_ACCESS: /* of row 0 */
		for (int i = 0; i < x->sym->rank; i++)
			at = at * x->sym->dim[i] + affine_at(x->map[i], f);
		return push(t, (struct step){.load = memory_get(t->m, x->sym) + at});
	case N_MASK:
		return holds(x, f) ? emit(t, x->kid[0], f) : number(t, 0);
	case N_REDUCE:
		return reduced(t, x, f);
	case N_OP:
		break;
	}
	kid[0] = kid[1] = emit(t, x->kid[0], f);
	if (is_small_power(x))
		return power(t, kid[0], (int)x->kid[1]->num);
	if (x->nkid > 1)
		kid[1] = emit(t, x->kid[1], f);
	int r = both(t, x->op, kid[0], kid[1]);
	for (int i = 2; i < x->nkid; i++)
		r = both(t, x->op, r, emit(t, x->kid[i], f));
	return r;
}

struct tape *tape_new(struct memory *m, const struct node *x)
{
	struct tape *t = NEW(m->a, struct tape);
	t->m = m;
	t->result = emit(t, x, NULL);
	t->v = NEW_ARRAY(m->a, double, t->step.n);
	return t;
}

double tape_eval(struct tape *t)
{
	for (int k = 0; k < t->step.n; k++) {
		const struct step *s = &t->step.at[k];
		t->v[k] = s->load           ? *s->load
		          : s->op == OP_ADD ? t->v[s->a] + t->v[s->b]
		          : s->op == OP_MUL ? t->v[s->a] * t->v[s->b]
		                            : op_eval(s->op, t->v[s->a], t->v[s->b]);
	}
	return t->v[t->result];
}

int tape_size(const struct tape *t)
{
	return t->step.n;
}
