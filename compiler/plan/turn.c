/* turn: sequential statements, whose elements are assigned step after step, each step from what the
 * steps before it stored.
 *
 * Where a step has many elements (a one-hot unit's), what all of them need again, such as the input
 * of every state and its exponential in a cumulative sum, becomes a store of its own at the head of
 * the step: a sum that reads dst, or the body of one that is long to compute, and that varies over
 * the step's own axes, under their own names or those of an inner sum.
 *
 * A step of one element has its sums over lanes, so a matrix should be read along its rows.
 *
 * requires: a right side from which what does not read dst has been taken out.  ensures: no store
 * of the kernel reads of its dst another element of its step. */
#include "plan/work.h"

struct turn {
	struct work *w;
	const struct stmt *s;
	const struct seq *layout;
	VEC(struct store) store;
};

static bool changes(const struct turn *t, const struct node *x)
{
	if (ex_mentions(x, t->s->dst))
		return true;
	for (int i = 0; i < t->store.n; i++)
		if (ex_mentions(x, t->store.at[i].dst))
			return true;
	return false;
}

static int outer_axes(const struct turn *t)
{
	return t->s->dst->rank - t->s->inner;
}

/* The index of x that runs over each of the step's axes; false: not one for each. */
static bool step_indices(const struct turn *t, const struct node *x, const struct idx **axis)
{
	struct seq free = plan_free(x), rest = {.n = 0};
	int outer = outer_axes(t), k = 0;
	for (int i = 0; i < free.n; i++) {
		bool fixed = free.ix[i] == t->s->batch;
		for (int d = 0; d < outer; d++)
			fixed = fixed || free.ix[i] == t->s->at[d];
		if (!fixed)
			seq_push(&rest, free.ix[i]);
	}
	if (rest.n != t->s->inner)
		return false;
	for (int d = 0; d < rest.n; d++)
		axis[d] = seq_has(&rest, t->s->at[outer + d]) ? t->s->at[outer + d] : NULL;
	for (int d = 0; d < rest.n; d++) {
		if (axis[d])
			continue;
		for (bool own = true; own; k += own) {
			own = false;
			for (int e = 0; e < rest.n; e++)
				own = own || (k < rest.n && rest.ix[k] == t->s->at[outer + e]);
		}
		if (k == rest.n || rest.ix[k]->size != t->s->at[outer + d]->size)
			return false;
		axis[d] = rest.ix[k++];
	}
	return true;
}

/* x as an access to a store of the step; NULL: it is none. */
static struct node *as_store(struct turn *t, struct node *x, bool guarded)
{
	struct arena *a = t->w->a;
	const struct idx *axis[MAX_RANK], *at[MAX_RANK];
	if (ex_has_draw(x) || (guarded && !plan_in_bounds(t->w, x)) || !step_indices(t, x, axis))
		return NULL;
	int outer = outer_axes(t), k = 0;
	struct node *rhs = x;
	for (int d = 0; d < t->s->dst->rank; d++) {
		at[d] = d < outer ? t->s->at[d] : axis[d - outer];
		if (at[d] != t->s->at[d])
			rhs = ex_subst_idx(a, rhs, at[d], affine_idx(a, t->s->at[d]));
	}
	while (k < t->store.n && !ex_same(t->store.at[k].rhs, rhs))
		k++;
	if (k == t->store.n) {
		const struct sym *temp = plan_temp(t->w, t->layout, VALUES_REAL);
		vec_push(a, &t->store, ((struct store){.dst = temp, .rhs = rhs}));
	}
	return ex_at(a, t->store.at[k].dst, t->s->batch, at);
}

static struct node *extract(struct turn *t, struct node *x, bool guarded, bool body)
{
	if (!changes(t, x))
		return x;
	struct node **kid = NEW_ARRAY(t->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = extract(t, x->kid[i], guarded || x->nguard > 0, x->kind == N_REDUCE);
	struct node *y = plan_rebuild(t->w, x, kid);
	bool wanted = y->kind == N_REDUCE || (body && plan_heavy(y));
	struct node *access = wanted ? as_store(t, y, guarded) : NULL;
	return access ? access : y;
}

/* x in a sum over k, with matrices that are read along a column copied so that it is a row. */
static struct node *as_rows(struct turn *t, struct node *x, const struct idx *k)
{
	if (x->kind == N_ACCESS) {
		struct factor f = plan_factor(x);
		struct seq layout = {.n = 0};
		if (!k || x->batch || x->sym->rank < 2 || !f.plain || !seq_has(&f.ix, k) ||
		    f.ix.ix[f.ix.n - 1] == k)
			return x;
		for (int i = 0; i < f.ix.n; i++)
			if (f.ix.ix[i] != k)
				seq_push(&layout, f.ix.ix[i]);
		seq_push(&layout, k);
		return plan_materialise(t->w, x, &layout);
	}
	if (x->kind == N_REDUCE)
		k = x->nbound == 1 && changes(t, x) ? x->bound[0] : NULL;
	struct node **kid = NEW_ARRAY(t->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = as_rows(t, x->kid[i], k);
	return plan_rebuild(t->w, x, kid);
}

struct own {
	const struct kernel *k;
	const struct sym *s;
};

static bool own_or_other(const struct node *access, void *arg)
{
	const struct own *o = arg;
	return access->sym != o->s || plan_own_element(o->k, access);
}

void plan_emit_turn(struct work *w, const struct stmt *s, const struct seq *layout,
                    struct node *rhs)
{
	struct turn t = {.w = w, .s = s, .layout = layout};
	rhs = plan_hoist(w, layout, rhs, s->dst);
	if (!s->inner)
		rhs = as_rows(&t, rhs, NULL);
	struct work_kernel *k = plan_loop(w, s->dst, layout);
	k->k.sequential = true;
	k->k.inner = s->inner;
	if (s->inner) {
		struct own own = {&k->k, s->dst};
		rhs = extract(&t, rhs, false, false);
		if (!plan_each_access(rhs, own_or_other, &own)) {
			const struct sym *temp = plan_temp(w, layout, VALUES_REAL);
			vec_push(w->a, &t.store, ((struct store){.dst = temp, .rhs = rhs}));
			rhs = plan_access(w, temp, layout);
		}
	}
	vec_push(w->a, &t.store,
	         ((struct store){.dst = s->dst, .accumulate = s->accumulate, .rhs = rhs}));
	k->k.store = t.store.at;
	k->k.nstore = t.store.n;
	plan_emit(w, k);
}
