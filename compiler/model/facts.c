/* facts: does an inequality follow from others?  It does when they and its opposite have no
 * solution, which eliminating one column after the other shows (Fourier & Motzkin): c + a*x >= 0
 * with a > 0 and d - b*x >= 0 with b > 0 give b*c + a*d >= 0. */
#include "model/facts.h"

enum { MOST = 1000 }; /* facts, beyond which nothing is said to follow */

/* The number of the column of x; -1: there is no room, or x is another number each time. */
static int column(struct facts *f, struct node *x)
{
	if (ex_has_draw(x))
		return -1;
	for (int k = 0; k < f->ncolumn; k++)
		if (ex_same(f->column[k], x))
			return k;
	if (f->ncolumn == FACT_COLUMNS)
		return -1;
	f->column[f->ncolumn] = x;
	return f->ncolumn++;
}

static bool add_affine(struct facts *f, struct fact *to, struct affine e, double scale)
{
	to->c += scale * (double)e.c;
	for (int k = 0; k < e.n; k++) {
		int at = column(f, ex_index(f->a, affine_idx(f->a, e.ix[k])));
		if (at < 0)
			return false;
		to->coef[at] += scale * (double)e.coef[k];
	}
	return true;
}

/* to += scale * x */
static bool add(struct facts *f, struct fact *to, struct node *x, double scale)
{
	int at;
	if (x->kind == N_CONST) {
		to->c += scale * x->num;
		return true;
	}
	if (x->kind == N_INDEX)
		return add_affine(f, to, x->index, scale);
	if (x->kind == N_OP && x->op == OP_ADD) {
		for (int k = 0; k < x->nkid; k++)
			if (!add(f, to, x->kid[k], scale))
				return false;
		return true;
	}
	if (x->kind == N_OP && x->op == OP_MUL && x->nkid == 2 && x->kid[0]->kind == N_CONST)
		return add(f, to, x->kid[1], scale * x->kid[0]->num);
	if ((at = column(f, x)) < 0)
		return false;
	to->coef[at] += scale;
	return true;
}

static void less(struct facts *f, struct node *x, struct node *y, bool strict)
{
	struct fact e = {.strict = strict};
	if (add(f, &e, y, 1) && add(f, &e, x, -1))
		vec_push(f->a, &f->fact, e);
}

static void guards(struct facts *f, const struct node *x)
{
	for (int k = 0; k < x->nguard; k++)
		for (int sign = 1; sign >= (x->guard[k].equal ? -1 : 1); sign -= 2) {
			struct fact e = {0};
			if (add_affine(f, &e, x->guard[k].e, sign))
				vec_push(f->a, &f->fact, e);
		}
}

static bool is_op(const struct node *x, enum op op)
{
	return x->kind == N_OP && x->op == op;
}

/* 1 - (a < b); NULL: x is something else. */
static const struct node *not_less(const struct node *x)
{
	if (!is_op(x, OP_ADD) || x->nkid != 2)
		return NULL;
	for (int k = 0; k < 2; k++) {
		const struct node *m = x->kid[k];
		if (is_op(m, OP_MUL) && m->nkid == 2 && ex_is_num(m->kid[0], -1) &&
		    is_op(m->kid[1], OP_LT) && ex_is_num(x->kid[1 - k], 1))
			return m->kid[1];
	}
	return NULL;
}

/* What x says where it is not 0. */
static void nonzero(struct facts *f, const struct node *x)
{
	const struct node *opposite = not_less(x);
	if (is_op(x, OP_LT))
		less(f, x->kid[0], x->kid[1], true);
	else if (opposite)
		less(f, opposite->kid[1], opposite->kid[0], false);
	else if (x->kind == N_MASK || is_op(x, OP_MUL) || is_op(x, OP_GATE))
		for (int k = 0; k < x->nkid; k++)
			nonzero(f, x->kid[k]);
	if (x->kind == N_MASK)
		guards(f, x);
}

void facts_inside(struct facts *f, const struct node *x, int k)
{
	guards(f, x);
	for (int i = 0; i < x->nkid && (is_op(x, OP_MUL) || is_op(x, OP_GATE)); i++)
		if (i != k)
			nonzero(f, x->kid[i]);
}

/* ---- elimination ---- */
typedef VEC(struct fact) system;

static void index_ranges(struct facts *f, system *s)
{
	for (int k = 0; k < f->ncolumn; k++) {
		const struct node *x = f->column[k];
		if (x->kind != N_INDEX || x->index.ix[0]->pop >= 0)
			continue;
		struct fact low = {0}, high = {.c = (double)x->index.ix[0]->size - 1};
		low.coef[k] = 1;
		high.coef[k] = -1;
		vec_push(f->a, s, low);
		vec_push(f->a, s, high);
	}
}

static struct fact joined(const struct fact *x, const struct fact *y, int k)
{
	double a = x->coef[k], b = -y->coef[k];
	struct fact r = {.c = b * x->c + a * y->c, .strict = x->strict || y->strict};
	for (int i = 0; i < FACT_COLUMNS; i++)
		r.coef[i] = i == k ? 0 : b * x->coef[i] + a * y->coef[i];
	return r;
}

/* s without column k; false: it grows too large. */
static bool eliminate(struct arena *a, system *s, int k)
{
	system rest = {0};
	for (int i = 0; i < s->n; i++) {
		const struct fact *x = &s->at[i];
		if (x->coef[k] == 0)
			vec_push(a, &rest, *x);
		for (int j = 0; x->coef[k] > 0 && j < s->n; j++)
			if (s->at[j].coef[k] < 0)
				vec_push(a, &rest, joined(x, &s->at[j], k));
		if (rest.n > MOST)
			return false;
	}
	*s = rest;
	return true;
}

static bool contradiction(const system *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->at[i].c < -1e-9 || (s->at[i].strict && s->at[i].c <= 0))
			return true;
	return false;
}

static bool impossible(struct facts *f, struct fact opposite)
{
	system s = {0};
	for (int i = 0; i < f->fact.n; i++)
		vec_push(f->a, &s, f->fact.at[i]);
	vec_push(f->a, &s, opposite);
	index_ranges(f, &s);
	for (int k = 0; k < f->ncolumn; k++)
		if (!eliminate(f->a, &s, k))
			return false;
	return contradiction(&s);
}

bool facts_imply(struct facts *f, struct affine e)
{
	struct fact opposite = {.c = -1}; /* whole numbers: not e >= 0 is -1 - e >= 0 */
	return add_affine(f, &opposite, e, -1) && impossible(f, opposite);
}

bool facts_less(struct facts *f, struct node *x, struct node *y)
{
	struct fact opposite = {0};
	return add(f, &opposite, x, 1) && add(f, &opposite, y, -1) && impossible(f, opposite);
}
