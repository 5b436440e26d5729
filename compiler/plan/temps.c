/* temps: the kernels a function has so far, the temporaries they fill, and what is known to be
 * stored where.
 *
 * Invariant: a known value holds at the end of the list of kernels: nothing after the kernel that
 * stored it has written it or anything it was computed from. */
#include "plan/work.h"

const struct sym *plan_temp(struct work *w, const struct seq *layout, enum values values)
{
	bool batched = layout->n > 0 && layout->ix[0]->pop >= 0;
	int rank = layout->n - batched;
	bool rows =
	    rank > 0 && batched && layout->ix[1]->pop >= 0; /* is its first axis a population? */
	if (rank > MAX_RANK || seq_batches(layout) != batched + rows)
		BUG("plan: a temporary over %d indices, batch index not first", layout->n);
	values = rows ? VALUES_REAL : values;
	int64_t dim[MAX_RANK];
	for (int i = 0; i < rank; i++)
		dim[i] = i || !rows ? layout->ix[i + batched]->size : w->prog->most.at[layout->ix[1]->pop];
	struct sym *s = sym_new(w->a, arena_printf(w->a, "$%d", w->ntemp++), SYM_TEMP, values, batched,
	                        rank, dim, (struct span){0});
	struct tensor t = {.sym = s, .space = SPACE_TEMP, .pop = batched ? layout->ix[0]->pop : -1};
	vec_push(w->a, &w->tensor, ((struct work_tensor){.t = t}));
	return s;
}

struct node *plan_access(struct work *w, const struct sym *s, const struct seq *layout)
{
	int batched = s->batched;
	return ex_at(w->a, s, batched ? layout->ix[0] : NULL, layout->ix + batched);
}

static void forget(struct work *w, const struct sym *s)
{
	int n = 0;
	for (int i = 0; i < w->value.n; i++)
		if (w->value.at[i].sym != s && !ex_mentions(w->value.at[i].rhs, s))
			w->value.at[n++] = w->value.at[i];
	w->value.n = n;
	n = 0;
	for (int i = 0; i < w->product.n; i++) {
		const struct known_product *p = &w->product.at[i];
		if (p->a != s && p->b != s && p->c != s)
			w->product.at[n++] = *p;
	}
	w->product.n = n;
	n = 0;
	for (int i = 0; i < w->rows.n; i++)
		if (w->rows.at[i].of != s && w->rows.at[i].to != s)
			w->rows.at[n++] = w->rows.at[i];
	w->rows.n = n;
	n = 0;
	for (int i = 0; i < w->copy.n; i++)
		if (w->copy.at[i].of != s && w->copy.at[i].to != s)
			w->copy.at[n++] = w->copy.at[i];
	w->copy.n = n;
}

void plan_emit(struct work *w, struct work_kernel *k)
{
	vec_push(w->a, &w->f->kernel, k);
	if (k->k.kind == KERNEL_MATMUL)
		forget(w, k->c);
	for (int i = 0; i < k->k.nstore; i++)
		forget(w, k->k.store[i].dst);
}

struct work_kernel *plan_loop(struct work *w, const struct sym *dst, const struct seq *layout)
{
	struct work_kernel *k = NEW(w->a, struct work_kernel);
	int batched = dst->batched;
	k->k.kind = KERNEL_LOOP;
	k->k.batch = batched ? layout->ix[0] : NULL;
	k->k.rank = dst->rank;
	for (int i = 0; i < dst->rank; i++)
		k->k.at[i] = layout->ix[i + batched];
	return k;
}

void plan_emit_loop(struct work *w, const struct sym *dst, const struct seq *layout,
                    bool accumulate, struct node *rhs)
{
	rhs = plan_hoist(w, layout, rhs, NULL);
	struct work_kernel *k = plan_loop(w, dst, layout);
	k->k.store = NEW(w->a, struct store);
	k->k.nstore = 1;
	k->k.store[0] = (struct store){.dst = dst, .accumulate = accumulate, .rhs = rhs};
	plan_emit(w, k);
}

/* A product of accesses to binary symbols is binary. */
static enum values values_of(const struct node *x)
{
	if (x->kind == N_ACCESS)
		return x->sym->values == VALUES_BINARY ? VALUES_BINARY : VALUES_REAL;
	if (x->kind != N_OP || x->op != OP_MUL)
		return VALUES_REAL;
	for (int i = 0; i < x->nkid; i++)
		if (values_of(x->kid[i]) != VALUES_BINARY)
			return VALUES_REAL;
	return VALUES_BINARY;
}

struct node *plan_materialise(struct work *w, struct node *x, const struct seq *layout)
{
	const struct sym *t = plan_temp(w, layout, values_of(x));
	plan_emit_loop(w, t, layout, false, x);
	plan_learn(w, t, layout, x);
	return plan_access(w, t, layout);
}

static struct node *rename_idx(struct work *w, struct node *x, const struct idx *from,
                               const struct idx *to)
{
	if (from->pop >= 0)
		return ex_rename_batch(w->a, x, from, to);
	return ex_subst_idx(w->a, x, from, affine_idx(w->a, to));
}

void plan_learn(struct work *w, const struct sym *s, const struct seq *layout, struct node *rhs)
{
	if (rhs->kind == N_CONST || plan_factor(rhs).plain || ex_has_draw(rhs) || ex_mentions(rhs, s))
		return;
	struct known_value v = {.sym = s};
	for (int i = 0; i < layout->n; i++) { /* its own indices: no other expression has them */
		const struct idx *ix = layout->ix[i];
		struct idx *own =
		    ix->pop >= 0 ? idx_batch(w->a, ix->name, ix->pop) : idx_new(w->a, ix->name, ix->size);
		rhs = rename_idx(w, rhs, ix, own);
		if (i == 0 && s->batched)
			v.batch = own;
		else
			v.at[i - s->batched] = own;
	}
	v.rhs = rhs;
	vec_push(w->a, &w->value, v);
}

/* Tries every assignment of the indices of x, from number `done` on, to those of v. */
static bool unify(struct work *w, const struct known_value *v, struct node *x,
                  const struct seq *free, int done, struct seq *layout)
{
	if (done == free->n)
		return ex_same(x, v->rhs);
	const struct idx *ix = free->ix[done];
	for (int i = 0; i < free->n; i++) {
		if (layout->ix[i])
			continue;
		const struct idx *own = v->batch && i == 0 ? v->batch : v->at[i - (v->batch != NULL)];
		if (own->pop != ix->pop || own->size != ix->size)
			continue;
		layout->ix[i] = ix;
		if (unify(w, v, rename_idx(w, x, ix, own), free, done + 1, layout))
			return true;
		layout->ix[i] = NULL;
	}
	return false;
}

struct node *plan_known(struct work *w, struct node *x)
{
	struct seq free = plan_free(x);
	for (int i = 0; i < w->value.n; i++) {
		const struct known_value *v = &w->value.at[i];
		const struct node *y = v->rhs;
		if (y->kind != x->kind || y->op != x->op || y->nkid != x->nkid ||
		    v->sym->rank + v->sym->batched != free.n)
			continue;
		struct seq layout = {.n = free.n};
		if (unify(w, v, x, &free, 0, &layout))
			return plan_access(w, v->sym, &layout);
	}
	return NULL;
}
