/* work: questions about expressions and kernels that several passes ask. */
#include "plan/work.h"

bool seq_has(const struct seq *s, const struct idx *i)
{
	for (int k = 0; k < s->n; k++)
		if (s->ix[k] == i)
			return true;
	return false;
}

void seq_push(struct seq *s, const struct idx *i)
{
	if (s->n == MAX_FREE)
		BUG("plan: more than %d indices", MAX_FREE);
	s->ix[s->n++] = i;
}

bool seq_same(const struct seq *x, const struct seq *y)
{
	if (x->n != y->n)
		return false;
	for (int k = 0; k < x->n; k++)
		if (x->ix[k] != y->ix[k])
			return false;
	return true;
}

int seq_batches(const struct seq *s)
{
	int n = 0;
	for (int k = 0; k < s->n; k++)
		n += s->ix[k]->pop >= 0;
	return n;
}

bool plan_storable(const struct work *w, const struct seq *s)
{
	int n = seq_batches(s), rank = s->n - (n > 0);
	for (int k = 0; k < s->n && n > 1; k++)
		n += s->ix[k]->pop >= 0 && !w->prog->most.at[s->ix[k]->pop];
	return n <= 2 && rank <= MAX_RANK;
}

double seq_size(const struct seq *s)
{
	double size = 1;
	for (int k = 0; k < s->n; k++)
		size *= s->ix[k]->pop >= 0 ? BATCH_ROWS : (double)s->ix[k]->size;
	return size;
}

struct work_tensor *plan_tensor(const struct work *w, const struct sym *s)
{
	for (int i = 0; i < w->tensor.n; i++)
		if (w->tensor.at[i].t.sym == s)
			return &w->tensor.at[i];
	BUG("plan: %s is no tensor of the program", s->name);
}

bool plan_each_access(const struct node *x, bool (*fn)(const struct node *access, void *arg),
                      void *arg)
{
	if (x->kind == N_ACCESS)
		return fn(x, arg);
	for (int i = 0; i < x->nkid; i++)
		if (!plan_each_access(x->kid[i], fn, arg))
			return false;
	return true;
}

bool plan_reads(const struct work_kernel *k, const struct sym *s)
{
	if (k->k.kind == KERNEL_MATMUL)
		return k->a == s || k->b == s || (k->k.mm.accumulate && k->c == s);
	for (int i = 0; i < k->k.nstore; i++)
		if (ex_mentions(k->k.store[i].rhs, s) ||
		    (k->k.store[i].accumulate && k->k.store[i].dst == s) ||
		    (k->k.store[i].when && ex_mentions(k->k.store[i].when, s)))
			return true;
	for (int i = 0; i < k->k.ncarry; i++)
		if (ex_mentions(k->k.carry[i].term, s))
			return true;
	for (int i = 0; i < k->k.nkept; i++)
		if (k->k.kept[i].sym == s || ex_mentions(k->k.kept[i].rhs, s))
			return true;
	return false;
}

bool plan_writes(const struct work_kernel *k, const struct sym *s)
{
	if (k->k.kind == KERNEL_MATMUL)
		return k->c == s;
	for (int i = 0; i < k->k.nstore; i++)
		if (k->k.store[i].dst == s)
			return true;
	return false;
}

/* Does q touch what p writes? */
static bool touches_written(const struct work_kernel *p, const struct work_kernel *q)
{
	if (p->k.kind == KERNEL_MATMUL)
		return plan_reads(q, p->c) || plan_writes(q, p->c);
	for (int i = 0; i < p->k.nstore; i++)
		if (plan_reads(q, p->k.store[i].dst) || plan_writes(q, p->k.store[i].dst))
			return true;
	return false;
}

bool plan_conflict(const struct work_kernel *p, const struct work_kernel *q)
{
	return touches_written(p, q) || touches_written(q, p);
}

bool plan_own_element(const struct kernel *k, const struct node *access)
{
	if (access->batch != k->batch || access->sym->rank != k->rank)
		return false;
	for (int i = 0; i < k->rank; i++)
		if (affine_single(access->map[i]) != k->at[i])
			return false;
	return true;
}

struct seq plan_free(const struct node *x)
{
	struct seq s;
	s.n = ex_free(x, s.ix, MAX_FREE);
	if (s.n > MAX_FREE)
		BUG("plan: more than %d free indices", MAX_FREE);
	return s;
}

struct node *plan_rebuild(struct work *w, struct node *x, struct node **kid)
{
	bool same = true;
	for (int i = 0; i < x->nkid; i++)
		same = same && kid[i] == x->kid[i];
	if (same)
		return x;
	struct node *y = x;
	switch (x->kind) {
	case N_CONST:
	case N_INDEX:
	case N_ACCESS:
		return x;
	case N_OP:
		y = ex_op(w->a, x->op, kid, x->nkid);
		break;
	case N_REDUCE:
		y = ex_reduce(w->a, x->red, x->bound, x->nbound, x->guard, x->nguard, kid[0]);
		break;
	case N_MASK:
		y = ex_mask(w->a, x->guard, x->nguard, kid[0]);
		break;
	}
	return ex_with_span(w->a, y, x->span);
}

/* The least and greatest value of an affine form; false when an index in it has no size. */
static bool affine_range(struct affine x, int64_t *lo, int64_t *hi)
{
	*lo = *hi = x.c;
	for (int i = 0; i < x.n; i++) {
		if (x.ix[i]->pop >= 0)
			return false;
		int64_t far = x.coef[i] * (x.ix[i]->size - 1);
		if (far < 0)
			*lo += far;
		else
			*hi += far;
	}
	return true;
}

/* Is e >= 0 by one of the guards? */
static bool guard_says(struct arena *a, struct affine e, const struct guard *g, int n)
{
	for (int i = 0; i < n; i++) {
		struct affine rest = affine_add(a, e, g[i].e, -1);
		if (!rest.n && rest.c >= 0)
			return true;
	}
	return false;
}

bool plan_guarded(struct work *w, struct affine e, int64_t size, const struct guard *g, int n)
{
	int64_t lo, hi;
	bool sized = affine_range(e, &lo, &hi);
	return ((sized && lo >= 0) || guard_says(w->a, e, g, n)) &&
	       ((sized && hi < size) ||
	        guard_says(w->a, affine_add(w->a, affine_const(size - 1), e, -1), g, n));
}

static bool in_bounds(struct work *w, const struct node *x, const struct guard *g, int n)
{
	for (int i = 0; x->kind == N_ACCESS && i < x->sym->rank; i++)
		if (!plan_guarded(w, x->map[i], x->sym->dim[i], g, n))
			return false;
	for (int i = 0; i < x->nkid; i++)
		if (!in_bounds(w, x->kid[i], x->nguard ? x->guard : g, x->nguard ? x->nguard : n))
			return false;
	return true;
}

bool plan_in_bounds(struct work *w, const struct node *x)
{
	return in_bounds(w, x, NULL, 0);
}
