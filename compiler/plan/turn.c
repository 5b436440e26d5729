/* turn: sequential statements, whose elements are assigned step after step, each step from what the
 * steps before it stored.
 *
 * Where a step has many elements (a state's, a one-hot unit's), what they need again becomes a
 * store of its own at the head of the step: a sum that reads dst, or what is long to compute inside
 * one, over the axes that it varies along in a step.  These are the step's own, under their names
 * or those of an inner sum, or others: the layer between two states, the input of every state and
 * its exponential in a cumulative sum.
 *
 * A step of one element has its sums over lanes, so a matrix should be read along its rows.
 *
 * requires: a right side from which what does not read dst has been taken out.  ensures: no store
 * of the kernel reads of its dst another element of its step. */
#include "plan/work.h"

struct turn {
	struct work *w;
	const struct stmt *s;
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

/* Is it an axis of a step? */
static bool is_axis(const struct turn *t, const struct idx *i)
{
	bool is = false;
	for (int d = outer_axes(t); d < t->s->dst->rank; d++)
		is = is || t->s->at[d] == i;
	return is;
}

/* The axes that x varies along in a step; those of the size of one of the step's own are that one,
 * so that the same under another name is found.  *from: their names in x. */
static struct seq step_axes(const struct turn *t, const struct node *x, struct seq *from)
{
	int outer = outer_axes(t);
	struct seq own = {.n = 0}, to = {.n = 0}, free = plan_free(x);
	for (int i = 0; i < free.n; i++) {
		bool fixed = free.ix[i] == t->s->batch;
		for (int d = 0; d < outer; d++)
			fixed = fixed || free.ix[i] == t->s->at[d];
		if (!fixed)
			seq_push(&own, free.ix[i]);
	}
	from->n = 0;
	for (int d = outer; d < t->s->dst->rank; d++)
		for (int i = 0; i < own.n && !seq_has(&to, t->s->at[d]); i++) {
			bool same = own.ix[i] == t->s->at[d];
			bool alike = !seq_has(&own, t->s->at[d]) && own.ix[i]->size == t->s->at[d]->size &&
			             !seq_has(from, own.ix[i]) && !is_axis(t, own.ix[i]);
			if (!same && !alike)
				continue;
			seq_push(from, own.ix[i]);
			seq_push(&to, t->s->at[d]);
		}
	for (int i = 0; i < own.n; i++)
		if (!seq_has(from, own.ix[i])) {
			seq_push(from, own.ix[i]);
			seq_push(&to, own.ix[i]);
		}
	return to;
}

struct around { /* what a node stands in: the indices of sums, conditions */
	struct seq ix;
	const struct guard *guard;
	int nguard;
};

/* Is it computed less often by itself than where it stands, or as often for all of the step? */
static bool pays(const struct turn *t, const struct seq *own, const struct around *around)
{
	double each = seq_size(&around->ix);
	for (int d = outer_axes(t); d < t->s->dst->rank; d++)
		each *= (double)t->s->at[d]->size;
	bool step = own->n == t->s->inner;
	for (int d = 0; d < own->n; d++)
		step = step && is_axis(t, own->ix[d]);
	return step || 2 * seq_size(own) <= each;
}

/* A store of the step that holds rhs over these axes: where in it they stand, in the order of
 * `own`. */
static const struct store *stored(struct turn *t, struct node *rhs, const struct seq *own)
{
	struct store new = {.rhs = rhs};
	struct seq layout = {.n = 0};
	int outer = outer_axes(t);
	if (t->s->batch)
		seq_push(&layout, t->s->batch);
	for (int d = 0; d < outer + own->n; d++) {
		new.at[d] = d < outer ? t->s->at[d] : own->ix[d - outer];
		seq_push(&layout, new.at[d]);
	}
	for (int k = 0; k < t->store.n; k++) {
		const struct store *s = &t->store.at[k];
		bool same = s->dst->rank == outer + own->n;
		struct node *x = rhs;
		for (int d = outer; same && d < s->dst->rank; d++) {
			same = s->at[d]->size == new.at[d]->size;
			x = ex_subst_idx(t->w->a, x, new.at[d], affine_idx(t->w->a, s->at[d]));
		}
		if (same && ex_same(s->rhs, x))
			return s;
	}
	new.dst = plan_temp(t->w, &layout, VALUES_REAL);
	vec_push(t->w->a, &t->store, new);
	return &t->store.at[t->store.n - 1];
}

/* x as an access to a store of the step; NULL: it is none.  Where x reads what is there only under
 * the conditions that it stands in, it is stored under them. */
static struct node *as_store(struct turn *t, struct node *x, const struct around *around)
{
	struct arena *a = t->w->a;
	const struct idx *at[MAX_RANK];
	if (around->nguard && !plan_in_bounds(t->w, x))
		x = ex_mask(a, around->guard, around->nguard, x);
	struct seq from, own = step_axes(t, x, &from);
	int outer = outer_axes(t);
	if (ex_has_draw(x) || !plan_in_bounds(t->w, x) || outer + own.n > MAX_RANK ||
	    seq_batches(&own) || !pays(t, &own, around))
		return NULL;
	struct node *rhs = x;
	for (int d = 0; d < outer + own.n; d++)
		at[d] = d < outer ? t->s->at[d] : from.ix[d - outer];
	for (int d = 0; d < own.n; d++)
		if (own.ix[d] != from.ix[d])
			rhs = ex_subst_idx(a, rhs, from.ix[d], affine_idx(a, own.ix[d]));
	return ex_at(a, stored(t, rhs, &own)->dst, t->s->batch, at);
}

/* What stands inside x. */
static struct around inside(struct turn *t, const struct around *around, const struct node *x)
{
	struct around in = *around;
	for (int i = 0; i < x->nbound && x->kind == N_REDUCE; i++)
		seq_push(&in.ix, x->bound[i]);
	if (!x->nguard)
		return in;
	struct guard *g = NEW_ARRAY(t->w->a, struct guard, in.nguard + x->nguard);
	for (int i = 0; i < in.nguard; i++)
		g[i] = in.guard[i];
	for (int i = 0; i < x->nguard; i++)
		g[in.nguard++] = x->guard[i];
	in.guard = g;
	return in;
}

static struct node *extract(struct turn *t, struct node *x, const struct around *around)
{
	if (!changes(t, x))
		return x;
	struct around in = inside(t, around, x);
	struct node **kid = NEW_ARRAY(t->w->a, struct node *, x->nkid + 1);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = extract(t, x->kid[i], &in);
	struct node *y = plan_rebuild(t->w, x, kid);
	bool nonlinear = y->kind == N_OP && y->op != OP_ADD && y->op != OP_MUL;
	bool wanted = y->kind == N_REDUCE || (around->ix.n && nonlinear);
	struct node *access = wanted ? as_store(t, y, around) : NULL;
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

/* A store over the kernel's axes. */
static void push(struct turn *t, const struct kernel *k, struct store s)
{
	for (int d = 0; d < k->rank; d++)
		s.at[d] = k->at[d];
	vec_push(t->w->a, &t->store, s);
}

void plan_emit_turn(struct work *w, const struct stmt *s, const struct seq *layout,
                    struct node *rhs)
{
	struct turn t = {.w = w, .s = s};
	rhs = plan_hoist(w, layout, rhs, s->dst);
	if (!s->inner)
		rhs = as_rows(&t, rhs, NULL);
	struct work_kernel *k = plan_loop(w, s->dst, layout);
	k->k.sequential = true;
	k->k.inner = s->inner;
	if (s->inner) {
		struct own own = {&k->k, s->dst};
		rhs = extract(&t, rhs, &(struct around){.nguard = 0});
		if (!plan_each_access(rhs, own_or_other, &own)) {
			const struct sym *temp = plan_temp(w, layout, VALUES_REAL);
			push(&t, &k->k, (struct store){.dst = temp, .rhs = rhs});
			rhs = plan_access(w, temp, layout);
		}
	}
	push(&t, &k->k, (struct store){.dst = s->dst, .accumulate = s->accumulate, .rhs = rhs});
	k->k.store = t.store.at;
	k->k.nstore = t.store.n;
	plan_emit(w, k);
}
