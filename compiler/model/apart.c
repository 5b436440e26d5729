/* Products of units that are different by their subscripts: h[i]*h[i+2], h[0]*h[1]*h[2], x[i]*x[j]
 * over i < j.  Blocks are one unit in this. */
#include "model/model.h"

struct products {
	struct arena *a;
	const struct group *g;
	VEC(struct guard) here; /* what holds where the products are */
};
typedef VEC(const struct node *) access_vec;

static int64_t least(struct affine x)
{
	int64_t v = x.c;
	for (int k = 0; k < x.n; k++)
		v += x.coef[k] > 0 ? 0 : x.coef[k] * (x.ix[k]->size - 1);
	return v;
}

static bool at_least(const struct products *p, struct affine x, int64_t bound)
{
	bool yes = least(x) >= bound;
	for (int i = 0; !yes && i < p->here.n; i++)
		yes = least(affine_add(p->a, x, p->here.at[i].e, -1)) >= bound;
	return yes;
}

static bool different(const struct products *p, const struct node *x, const struct node *y)
{
	for (int i = 0; i < p->g->sym->rank; i++) {
		struct affine u = x->map[i], v = y->map[i];
		int64_t size = p->g->block[i];
		if (at_least(p, affine_add(p->a, u, v, -1), size) ||
		    at_least(p, affine_add(p->a, v, u, -1), size) ||
		    (u.n == 0 && v.n == 0 && u.c / size != v.c / size))
			return true;
	}
	return false;
}

/* The accesses in x to the group, each index that x binds one of its own. */
static void accesses(const struct products *p, struct node *x, access_vec *out)
{
	if (x->kind == N_ACCESS && x->sym == p->g->sym)
		vec_push(p->a, out, x);
	for (int i = 0; i < x->nkid; i++) {
		struct node *kid = x->kid[i];
		for (int k = 0; k < x->nbound; k++) {
			const struct idx *own = idx_new(p->a, x->bound[k]->name, x->bound[k]->size);
			kid = ex_subst_idx(p->a, kid, x->bound[k], affine_idx(p->a, own));
		}
		accesses(p, kid, out);
	}
}

static bool apart(struct products *p, struct node *x);

static bool factors_apart(struct products *p, const struct node *x)
{
	access_vec seen = {0};
	for (int i = 0; i < x->nkid; i++) {
		int before = seen.n;
		if (!apart(p, x->kid[i]))
			return false;
		accesses(p, x->kid[i], &seen);
		for (int k = 0; k < before; k++)
			for (int q = before; q < seen.n; q++)
				if (!different(p, seen.at[k], seen.at[q]))
					return false;
	}
	return true;
}

static bool apart(struct products *p, struct node *x)
{
	if (!ex_mentions(x, p->g->sym) || x->kind == N_ACCESS)
		return true;
	if (x->kind == N_OP && x->op == OP_MUL)
		return factors_apart(p, x);
	if ((x->kind == N_OP && x->op != OP_ADD) || (x->kind == N_REDUCE && x->red != RED_SUM))
		return false;
	int outside = p->here.n;
	bool yes = true;
	for (int i = 0; i < x->nguard; i++)
		vec_push(p->a, &p->here, x->guard[i]);
	for (int i = 0; yes && i < x->nkid; i++)
		yes = apart(p, x->kid[i]);
	p->here.n = outside;
	return yes;
}

bool model_apart(struct arena *a, const struct group *g, struct node *x)
{
	struct products p = {.a = a, .g = g};
	return apart(&p, x);
}
