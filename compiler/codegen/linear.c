/* Affine forms over the indices in scope, and axes that run as one.
 *
 * An access becomes the number of its element within the item, sum(k) subscript_k * stride_k, an
 * affine form in the indices.  Two neighbouring axes p, q (q of size n) run as one index r = p*n +
 * q when every form uses them as c*n and c: then p := 0, q := r has the same value. */
#include "codegen/emit.h"

void lin_add(struct lin *l, const struct idx *i, int64_t coef)
{
	int k = 0;
	while (k < l->n && l->t[k].ix != i)
		k++;
	if (k == MAX_TERMS)
		BUG("codegen: more than %d indices in one access", MAX_TERMS);
	if (k == l->n) {
		l->t[l->n].ix = i;
		l->t[l->n++].coef = 0;
	}
	l->t[k].coef += coef;
}

static void lin_add_affine(struct lin *l, struct affine x, int64_t scale)
{
	l->c += scale * x.c;
	for (int k = 0; k < x.n; k++)
		lin_add(l, x.ix[k], scale * x.coef[k]);
}

struct lin lin_affine(struct affine x)
{
	struct lin l = {0};
	lin_add_affine(&l, x, 1);
	return l;
}

struct lin lin_access(const struct sym *s, const struct affine *map)
{
	struct lin l = {0};
	int64_t stride = 1;
	for (int k = s->rank - 1; k >= 0; k--) {
		lin_add_affine(&l, map[k], stride);
		stride *= s->dim[k];
	}
	return l;
}

struct lin lin_at(const struct sym *s, const struct idx *const *at)
{
	struct lin l = {0};
	int64_t stride = 1;
	for (int k = s->rank - 1; k >= 0; k--) {
		lin_add(&l, at[k], stride);
		stride *= s->dim[k];
	}
	return l;
}

int64_t lin_coef(const struct lin *l, const struct idx *i)
{
	for (int k = 0; k < l->n; k++)
		if (l->t[k].ix == i)
			return l->t[k].coef;
	return 0;
}

bool lin_range(struct emit *e, const struct lin *l, int64_t *lo, int64_t *hi)
{
	*lo = *hi = l->c;
	for (int k = 0; k < l->n; k++) {
		const struct bind *b = bind_find(e, l->t[k].ix);
		if (!b)
			BUG("codegen: index %s is not bound", l->t[k].ix->name);
		if (b->max < 0 && l->t[k].coef)
			return false;
		int64_t end = l->t[k].coef * b->max;
		if (end < 0)
			*lo += end;
		else
			*hi += end;
	}
	return true;
}

LLVMValueRef lin_value(struct emit *e, const struct lin *l, const struct bind **bind, int64_t *coef)
{
	const struct bind *b[MAX_TERMS];
	int order[MAX_TERMS];
	*bind = NULL;
	*coef = 0;
	for (int k = 0; k < l->n; k++) {
		b[k] = bind_find(e, l->t[k].ix);
		if (!b[k])
			BUG("codegen: index %s is not bound", l->t[k].ix->name);
		if (b[k]->lanes && l->t[k].coef) {
			if (*bind)
				BUG("codegen: two indices run over lanes");
			*bind = b[k];
			*coef = l->t[k].coef;
		}
		int at = k; /* outer scopes first: what is known there is added there */
		for (; at > 0 && b[order[at - 1]]->scope->depth > b[k]->scope->depth; at--)
			order[at] = order[at - 1];
		order[at] = k;
	}
	LLVMValueRef sum = emit_int(e, l->c);
	for (int k = 0; k < l->n; k++) {
		int t = order[k];
		if (!l->t[t].coef)
			continue;
		struct scope *was = scope_goto(e, b[t]->scope);
		LLVMValueRef v = b[t]->value;
		if (l->t[t].coef != 1)
			v = LLVMBuildNSWMul(e->b, v, emit_int(e, l->t[t].coef), "");
		bool zero = LLVMIsAConstantInt(sum) && !LLVMConstIntGetSExtValue(sum);
		sum = zero ? v : LLVMBuildNSWAdd(e->b, sum, v, "");
		scope_goto(e, was);
	}
	return sum;
}

/* ---- which axes run as one --------------------------------------------------------------------
 */
static bool affine_has(const struct affine *x, const struct idx *i)
{
	for (int k = 0; k < x->n; k++)
		if (x->ix[k] == i)
			return true;
	return false;
}

static bool guards_have(const struct guard *g, int n, const struct idx *i)
{
	for (int k = 0; k < n; k++)
		if (affine_has(&g[k].e, i))
			return true;
	return false;
}

static bool node_joins(const struct node *x, const struct idx *p, const struct idx *q, int64_t size)
{
	if (x->kind == N_INDEX && (affine_has(&x->index, p) || affine_has(&x->index, q)))
		return false;
	if (x->nguard && (guards_have(x->guard, x->nguard, p) || guards_have(x->guard, x->nguard, q)))
		return false;
	if (x->kind == N_ACCESS) {
		struct lin l = lin_access(x->sym, x->map);
		if (lin_coef(&l, p) != lin_coef(&l, q) * size)
			return false;
	}
	for (int k = 0; k < x->nkid; k++)
		if (!node_joins(x->kid[k], p, q, size))
			return false;
	return true;
}

int group_axes(const struct idx *const *ix, int n, struct node *const *root, int nroot,
               const struct guard *guard, int nguard, struct group *out)
{
	struct group rev[MAX_BOUND + MAX_RANK];
	int ngroup = 0;
	for (int k = n - 1; k >= 0; k--) {
		struct group *g = ngroup ? &rev[ngroup - 1] : NULL;
		bool join = g && g->size >= 0 && ix[k]->size >= 0 && !guards_have(guard, nguard, ix[k]) &&
		            !guards_have(guard, nguard, g->lead);
		for (int r = 0; join && r < nroot; r++)
			join = node_joins(root[r], ix[k], g->lead, g->size);
		if (join) {
			g->other[g->nother++] = g->first = ix[k];
			g->size *= ix[k]->size;
		} else {
			rev[ngroup++] = (struct group){.lead = ix[k], .first = ix[k], .size = ix[k]->size};
		}
	}
	for (int k = 0; k < ngroup; k++)
		out[k] = rev[ngroup - 1 - k];
	return ngroup;
}

static int score_lin(const struct lin *l, const struct idx *i, int64_t row)
{
	int64_t c = lin_coef(l, i) + row;
	return c == 0 ? 0 : c == 1 ? 1 : -2;
}

int lane_score(struct emit *e, const struct node *x, const struct idx *i)
{
	int score = 0;
	if (x->kind == N_ACCESS && x->sym->kind != SYM_SCALAR) {
		struct lin l = lin_access(x->sym, x->map);
		const struct dgm_slot *s = &e->slot[slot_of(e, x->sym)];
		int64_t row = x->batch == i ? dgm_item_stride(s) * (s->repr == DGM_BITS ? 64 : 1) : 0;
		score = score_lin(&l, i, row);
	}
	for (int k = 0; k < x->nkid; k++)
		score += lane_score(e, x->kid[k], i);
	return score;
}
