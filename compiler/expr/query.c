/* Questions asked of expressions: sameness up to the names of bound indices, free indices, which
 * symbols are mentioned, polynomial degree. */
#include "expr/internal.h"

#include <math.h>
#include <string.h>

/* ---- sameness ---- */
struct match { /* pairs of bound indices; y NULL: not decided */
	const struct idx *x[64], *y[64];
	int n;
};

static bool same(const struct node *x, const struct node *y, struct match *m);

static bool same_idx(const struct idx *x, const struct idx *y, struct match *m)
{
	for (int k = m->n - 1; k >= 0; k--)
		if (m->x[k] == x && m->y[k] != NULL)
			return m->y[k] == y;
	for (int k = m->n - 1; k >= 0; k--)
		if (m->y[k] == y && m->x[k] != NULL)
			return false;
	for (int k = m->n - 1; k >= 0; k--) {
		if (m->x[k] != x || m->y[k] != NULL)
			continue;
		m->y[k] = y;
		return x->size == y->size && x->pop == y->pop;
	}
	return x == y;
}

static bool same_affine(struct affine x, struct affine y, struct match *m)
{
	if (x.c != y.c || x.n != y.n)
		return false;
	bool used[64] = {false};
	for (int k = 0; k < x.n; k++) {
		bool found = false;
		for (int q = 0; q < y.n && q < 64 && !found; q++) {
			if (used[q] || x.coef[k] != y.coef[q])
				continue;
			struct match save = *m;
			if (same_idx(x.ix[k], y.ix[q], m))
				found = used[q] = true;
			else
				*m = save;
		}
		if (!found)
			return false;
	}
	return true;
}

static bool same_guards(const struct node *x, const struct node *y, struct match *m)
{
	if (x->nguard != y->nguard)
		return false;
	bool used[64] = {false};
	for (int i = 0; i < x->nguard; i++) {
		bool found = false;
		for (int k = 0; k < y->nguard && k < 64 && !found; k++) {
			if (used[k] || x->guard[i].equal != y->guard[k].equal)
				continue;
			struct match save = *m;
			if (same_affine(x->guard[i].e, y->guard[k].e, m))
				found = used[k] = true;
			else
				*m = save;
		}
		if (!found)
			return false;
	}
	return true;
}

static bool same_reduce(const struct node *x, const struct node *y, struct match *m)
{
	if (x->red != y->red || x->nbound != y->nbound || x->nguard != y->nguard ||
	    m->n + x->nbound > 64)
		return false;
	int base = m->n;
	for (int k = 0; k < x->nbound; k++) {
		m->x[m->n] = x->bound[k];
		m->y[m->n++] = NULL;
	}
	bool ok = same(x->kid[0], y->kid[0], m) && same_guards(x, y, m);
	for (int k = base; ok && k < m->n; k++) { /* each was paired with an index that y binds here */
		bool bound = m->y[k] == NULL;
		for (int q = 0; q < y->nbound; q++)
			bound = bound || y->bound[q] == m->y[k];
		ok = bound;
	}
	m->n = base;
	return ok;
}

static bool same(const struct node *x, const struct node *y, struct match *m)
{
	if (x->kind != y->kind || x->hash != y->hash || x->nkid != y->nkid)
		return false;
	if (x == y && m->n == 0)
		return true;
	switch (x->kind) {
	case N_CONST:
		return x->num == y->num;
	case N_INDEX:
		return same_affine(x->index, y->index, m);
	case N_ACCESS:
		if (x->sym != y->sym)
			return false;
		if (x->batch && !same_idx(x->batch, y->batch, m))
			return false;
		for (int i = 0; i < x->sym->rank; i++)
			if (!same_affine(x->map[i], y->map[i], m))
				return false;
		return true;
	case N_MASK:
		return same(x->kid[0], y->kid[0], m) && same_guards(x, y, m);
	case N_REDUCE:
		return same_reduce(x, y, m);
	case N_OP:
		if (x->op != y->op || x->num != y->num)
			return false;
		if (op_arity(x->op) >= 0) {
			for (int i = 0; i < x->nkid; i++)
				if (!same(x->kid[i], y->kid[i], m))
					return false;
			return true;
		}
		if (x->nkid > 64)
			return x == y;
		bool used[64] = {false};
		for (int i = 0; i < x->nkid; i++) {
			bool found = false;
			for (int k = 0; k < y->nkid && !found; k++) {
				if (used[k] || x->kid[i]->hash != y->kid[k]->hash)
					continue;
				struct match save = *m;
				if (same(x->kid[i], y->kid[k], m))
					found = used[k] = true;
				else
					*m = save;
			}
			if (!found)
				return false;
		}
		return true;
	}
	return false;
}

bool ex_same(const struct node *x, const struct node *y)
{
	struct match m = {.n = 0};
	return same(x, y, &m);
}

/* ---- mentions ---- */
bool ex_mentions(const struct node *x, const struct sym *s)
{
	if (x->kind == N_ACCESS && x->sym == s)
		return true;
	for (int i = 0; i < x->nkid; i++)
		if (ex_mentions(x->kid[i], s))
			return true;
	return false;
}

bool ex_has_draw(const struct node *x)
{
	if (x->kind == N_OP && (op_flags(x->op) & OPF_DRAW))
		return true;
	for (int i = 0; i < x->nkid; i++)
		if (ex_has_draw(x->kid[i]))
			return true;
	return false;
}

bool ex_has_op(const struct node *x, enum op op)
{
	bool has = x->kind == N_OP && x->op == op;
	for (int i = 0; i < x->nkid && !has; i++)
		has = ex_has_op(x->kid[i], op);
	return has;
}

struct free_set {
	const struct idx **out;
	int n, max;
};

static void free_add(struct free_set *f, const struct idx *i, const struct node *const *scope,
                     int depth)
{
	for (int d = 0; d < depth; d++)
		for (int k = 0; k < scope[d]->nbound; k++)
			if (scope[d]->bound[k] == i)
				return;
	for (int k = 0; k < f->n; k++)
		if (f->out[k] == i)
			return;
	if (f->n == f->max)
		BUG("more than %d free indices", f->max);
	f->out[f->n++] = i;
}

static void free_walk(struct free_set *f, const struct node *x, const struct node **scope,
                      int depth)
{
	if (x->kind == N_REDUCE) {
		if (depth == 64)
			BUG("reductions nested more than 64 deep");
		scope[depth++] = x;
	}
	if (x->kind == N_ACCESS) {
		if (x->batch)
			free_add(f, x->batch, scope, depth);
		for (int i = 0; i < x->sym->rank; i++)
			for (int k = 0; k < x->map[i].n; k++)
				free_add(f, x->map[i].ix[k], scope, depth);
	}
	for (int k = 0; k < x->index.n; k++)
		free_add(f, x->index.ix[k], scope, depth);
	for (int g = 0; g < x->nguard; g++)
		for (int k = 0; k < x->guard[g].e.n; k++)
			free_add(f, x->guard[g].e.ix[k], scope, depth);
	for (int i = 0; i < x->nkid; i++)
		free_walk(f, x->kid[i], scope, depth);
}

int ex_free(const struct node *x, const struct idx **out, int max)
{
	const struct node *scope[64];
	struct free_set f = {out, 0, max};
	free_walk(&f, x, scope, 0);
	return f.n;
}

bool ex_uses_idx(const struct node *x, const struct idx *i)
{
	if (x->kind == N_REDUCE)
		for (int k = 0; k < x->nbound; k++)
			if (x->bound[k] == i)
				return false;
	if (x->kind == N_ACCESS) {
		if (x->batch == i)
			return true;
		for (int k = 0; k < x->sym->rank; k++)
			if (affine_uses(x->map[k], i))
				return true;
	}
	if (affine_uses(x->index, i))
		return true;
	for (int g = 0; g < x->nguard; g++)
		if (affine_uses(x->guard[g].e, i))
			return true;
	for (int k = 0; k < x->nkid; k++)
		if (ex_uses_idx(x->kid[k], i))
			return true;
	return false;
}

/* ---- smoothness ---- */
bool ex_smooth(const struct node *x, const struct sym *s)
{
	if (!ex_mentions(x, s))
		return true;
	if ((x->kind == N_OP && (op_flags(x->op) & OPF_KINK)) ||
	    (x->kind == N_REDUCE && (x->red == RED_MAX || x->red == RED_MIN)))
		return false;
	for (int i = 0; i < x->nkid; i++)
		if (!ex_smooth(x->kid[i], s))
			return false;
	return true;
}

/* ---- natural powers, where a function is defined ---- */
static bool natural_power(const struct node *x)
{
	const struct node *e = x->kid[1];
	return e->kind == N_CONST && e->num >= 0 && e->num == floor(e->num) && e->num < 1000;
}

bool ex_entire(const struct node *x, const struct sym *s)
{
	if (!ex_mentions(x, s))
		return true;
	if (x->kind == N_OP &&
	    ((op_flags(x->op) & OPF_PARTIAL) || (x->op == OP_POW && !natural_power(x))))
		return false;
	for (int i = 0; i < x->nkid; i++)
		if (!ex_entire(x->kid[i], s))
			return false;
	return true;
}

/* ---- degree ---- */
int ex_degree(const struct node *x, const struct sym *s)
{
	if (!ex_mentions(x, s))
		return 0;
	switch (x->kind) {
	case N_CONST:
	case N_INDEX:
		return 0;
	case N_ACCESS:
		return 1;
	case N_MASK:
		return ex_degree(x->kid[0], s);
	case N_REDUCE:
		return x->red == RED_SUM ? ex_degree(x->kid[0], s) : -1;
	case N_OP:
		break;
	}
	int d = 0;
	if (x->op == OP_ADD || x->op == OP_MUL) {
		for (int i = 0; i < x->nkid; i++) {
			int k = ex_degree(x->kid[i], s);
			if (k < 0)
				return -1;
			d = x->op == OP_MUL ? d + k : k > d ? k : d;
		}
		return d;
	}
	if (x->op == OP_POW && natural_power(x)) {
		d = ex_degree(x->kid[0], s);
		return d < 0 ? -1 : d * (int)x->kid[1]->num;
	}
	return -1;
}
