/* fuse: LOOP kernels over equal index spaces become one kernel with several stores.
 *
 * A kernel moves up to an earlier one when nothing in between must stay before it, and when neither
 * reads what the other writes at another element than its own.  Then a temporary that only later
 * stores of its own kernel read is replaced by its expression, and what nothing reads is dropped.
 *
 * Kernels in turn stay as they are.  No kernel gets more than MAX_STORES stores, nor more than
 * MAX_DRAWS random numbers, each of which has a buffer on the stack.
 *
 * requires: kernels in an order that is right.  ensures: the same, with fewer kernels; draws are
 * neither doubled nor reordered. */
#include "plan/work.h"

enum { MAX_STORES = 64, MAX_DRAWS = 8 };

static bool same_space(const struct kernel *x, const struct kernel *y)
{
	if ((x->batch ? x->batch->pop : -1) != (y->batch ? y->batch->pop : -1) || x->rank != y->rank)
		return false;
	for (int i = 0; i < x->rank; i++)
		if (x->at[i]->size != y->at[i]->size || x->at[i]->pop != y->at[i]->pop)
			return false;
	return true;
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

/* Does q read what p writes only at its own element? */
static bool reads_own(const struct kernel *p, const struct kernel *q)
{
	for (int i = 0; i < p->nstore; i++)
		for (int j = 0; j < q->nstore; j++) {
			struct own o = {q, p->store[i].dst};
			if (!plan_each_access(q->store[j].rhs, own_or_other, &o))
				return false;
		}
	return true;
}

static int draws(const struct node *x)
{
	int n = x->kind == N_OP && op_flags(x->op) & OPF_DRAW ? 1 : 0;
	for (int i = 0; i < x->nkid; i++)
		n += draws(x->kid[i]);
	return n;
}

static int draws_in(const struct kernel *k)
{
	int n = 0;
	for (int s = 0; s < k->nstore; s++)
		n += draws(k->store[s].rhs);
	return n;
}

/* Is there room in one kernel for both? */
static bool fit(const struct kernel *p, const struct kernel *q)
{
	int more = draws_in(q);
	return p->nstore + q->nstore <= MAX_STORES && (!more || draws_in(p) + more <= MAX_DRAWS);
}

static bool has_bound_name(const struct node *x, const char *name)
{
	for (int i = 0; i < x->nbound; i++)
		if (x->bound[i]->name == name)
			return true;
	for (int i = 0; i < x->nkid; i++)
		if (has_bound_name(x->kid[i], name))
			return true;
	return false;
}

/* A fresh index for a fused kernel, with a name that no reduction inside uses. */
static const struct idx *fresh(struct work *w, const struct idx *ix, const struct kernel *x,
                               const struct kernel *y)
{
	const char *name = intern(ix->name);
	for (bool clash = true; clash;) {
		clash = false;
		for (int i = 0; i < x->nstore; i++)
			clash = clash || has_bound_name(x->store[i].rhs, name);
		for (int i = 0; i < y->nstore; i++)
			clash = clash || has_bound_name(y->store[i].rhs, name);
		if (clash)
			name = intern(arena_printf(w->a, "%s'", name));
	}
	return ix->pop >= 0 ? idx_batch(w->a, name, ix->pop) : idx_new(w->a, name, ix->size);
}

static void rename_to(struct work *w, struct kernel *k, const struct kernel *to)
{
	for (int s = 0; s < k->nstore; s++) {
		struct node *x = k->store[s].rhs;
		if (k->batch)
			x = ex_rename_batch(w->a, x, k->batch, to->batch);
		for (int i = 0; i < k->rank; i++)
			x = ex_subst_idx(w->a, x, k->at[i], affine_idx(w->a, to->at[i]));
		k->store[s].rhs = x;
	}
}

/* x := x then y. */
static void append(struct work *w, struct kernel *x, struct kernel *y)
{
	struct kernel k = *x;
	if (x->batch)
		k.batch = fresh(w, x->batch, x, y);
	for (int i = 0; i < x->rank; i++)
		k.at[i] = fresh(w, x->at[i], x, y);
	rename_to(w, x, &k);
	rename_to(w, y, &k);
	k.nstore = x->nstore + y->nstore;
	k.store = NEW_ARRAY(w->a, struct store, k.nstore);
	for (int i = 0; i < k.nstore; i++)
		k.store[i] = i < x->nstore ? x->store[i] : y->store[i - x->nstore];
	*x = k;
}

static void fuse_function(struct work *w, struct work_function *f)
{
	int n = 0;
	for (int i = 0; i < f->kernel.n; i++) {
		struct work_kernel *q = f->kernel.at[i], *host = NULL;
		for (int j = n - 1; j >= 0 && q->k.kind == KERNEL_LOOP && !q->k.sequential; j--) {
			struct work_kernel *p = f->kernel.at[j];
			if (p->k.kind == KERNEL_LOOP && !p->k.sequential && same_space(&p->k, &q->k) &&
			    fit(&p->k, &q->k) && reads_own(&p->k, &q->k) && reads_own(&q->k, &p->k)) {
				host = p;
				break;
			}
			if (plan_conflict(p, q))
				break;
		}
		if (host)
			append(w, &host->k, &q->k);
		else
			f->kernel.at[n++] = q;
	}
	f->kernel.n = n;
}

/* ---- temporaries that live inside one kernel ------------------------------------------------- */

struct uses {
	int n;
	bool in_reduce;
};

static void count_uses(const struct node *x, const struct sym *s, bool in_reduce, struct uses *u)
{
	if (x->kind == N_ACCESS && x->sym == s) {
		u->n++;
		u->in_reduce = u->in_reduce || in_reduce;
	}
	for (int i = 0; i < x->nkid; i++)
		count_uses(x->kid[i], s, in_reduce || x->kind == N_REDUCE, u);
}

static bool has_reduce(const struct node *x)
{
	if (x->kind == N_REDUCE)
		return true;
	for (int i = 0; i < x->nkid; i++)
		if (has_reduce(x->kid[i]))
			return true;
	return false;
}

static bool used_elsewhere(const struct work *w, const struct work_kernel *home,
                           const struct sym *s)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			const struct work_kernel *k = w->function.at[i]->kernel.at[j];
			if (k != home && (plan_reads(k, s) || plan_writes(k, s)))
				return true;
		}
	return false;
}

/* May store t of k be replaced by its expression in the later stores? */
static bool can_inline(const struct work *w, const struct work_kernel *k, int t)
{
	const struct store *s = &k->k.store[t];
	if (plan_tensor(w, s->dst)->t.space != SPACE_TEMP || s->accumulate || ex_has_draw(s->rhs) ||
	    ex_mentions(s->rhs, s->dst) || used_elsewhere(w, k, s->dst))
		return false;
	struct uses u = {0};
	int last = t;
	for (int i = 0; i < k->k.nstore; i++) {
		int before = u.n;
		count_uses(k->k.store[i].rhs, s->dst, false, &u);
		if (i != t && (k->k.store[i].dst == s->dst || (i < t && u.n > 0)))
			return false;
		if (u.n > before)
			last = i;
	}
	for (int i = t + 1; i < last; i++)
		if (ex_mentions(s->rhs, k->k.store[i].dst))
			return false;
	return !has_reduce(s->rhs) || (u.n == 1 && !u.in_reduce);
}

static struct node *the_expression(struct arena *a, const struct node *access, void *arg)
{
	(void)a;
	(void)access;
	return arg;
}

static void drop_store(struct kernel *k, int t)
{
	for (k->nstore--; t < k->nstore; t++)
		k->store[t] = k->store[t + 1];
}

static void inline_temps(struct work *w, struct work_kernel *k)
{
	for (int t = 0; t < k->k.nstore && k->k.kind == KERNEL_LOOP && !k->k.sequential; t++) {
		if (!can_inline(w, k, t))
			continue;
		struct subst s = {
		    .from = k->k.store[t].dst, .fn = the_expression, .arg = k->k.store[t].rhs};
		for (int i = t + 1; i < k->k.nstore; i++)
			if (ex_mentions(k->k.store[i].rhs, s.from))
				k->k.store[i].rhs = ex_subst(w->a, k->k.store[i].rhs, &s);
		drop_store(&k->k, t--);
	}
}

/* ---- dead temporaries -------------------------------------------------------------------------
 */

static bool is_read(const struct work *w, const struct sym *s)
{
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++) {
			const struct work_kernel *k = w->function.at[i]->kernel.at[j];
			if (k->k.kind == KERNEL_MATMUL && (k->a == s || k->b == s))
				return true;
			for (int t = 0; t < k->k.nstore; t++)
				if ((k->k.store[t].dst != s && ex_mentions(k->k.store[t].rhs, s)) ||
				    (k->k.store[t].when && ex_mentions(k->k.store[t].when, s)))
					return true;
			if (k->k.kind == KERNEL_SCAN && plan_reads(k, s))
				return true;
		}
	return false;
}

static bool is_dead(const struct work *w, const struct sym *s)
{
	return plan_tensor(w, s)->t.space == SPACE_TEMP && !is_read(w, s);
}

/* Drops the stores of a function that nothing reads; says whether there were any. */
static bool drop_dead(struct work *w, struct work_function *f)
{
	bool changed = false;
	int n = 0;
	for (int i = 0; i < f->kernel.n; i++) {
		struct work_kernel *k = f->kernel.at[i];
		int before = k->k.nstore;
		for (int t = 0; t < k->k.nstore; t++)
			if (is_dead(w, k->k.store[t].dst))
				drop_store(&k->k, t--);
		bool gone = k->k.kind == KERNEL_MATMUL ? is_dead(w, k->c) : k->k.nstore == 0;
		changed = changed || gone || k->k.nstore < before;
		if (!gone)
			f->kernel.at[n++] = k;
	}
	f->kernel.n = n;
	return changed;
}

void plan_fuse(struct work *w)
{
	for (int i = 0; i < w->function.n; i++)
		fuse_function(w, w->function.at[i]);
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++)
			inline_temps(w, w->function.at[i]->kernel.at[j]);
	for (bool changed = true; changed;) {
		changed = false;
		for (int i = 0; i < w->function.n; i++)
			changed = drop_dead(w, w->function.at[i]) || changed;
	}
}
