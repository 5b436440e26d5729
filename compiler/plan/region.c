/* region: kernels to regions.
 *
 * Two kernels that depend on each other share a region only when both have the same number of rows
 * and each reads, of what the region writes, nothing but its own rows.  A kernel stands in the last
 * region that the kernels after it allow, so what is computed late (statistics of the parameters)
 * stays together and a chain over the rows of a batch is one region.
 *
 * requires: kernels in an order that is right.  ensures: the partition invariant of plan.h. */
#include "plan/work.h"

static struct extent rows_of(const struct kernel *k)
{
	if (k->kind == KERNEL_MATMUL)
		return k->mm.row && !k->mm.sum ? (struct extent){.pop = k->mm.row->pop} : k->mm.m;
	if (k->batch)
		return (struct extent){.pop = k->batch->pop};
	return (struct extent){.pop = -1, .size = k->rank ? k->at[0]->size : 1};
}

static bool same_rows(const struct kernel *p, const struct kernel *q)
{
	struct extent x = rows_of(p), y = rows_of(q);
	return x.pop == y.pop && (x.pop >= 0 || x.size == y.size);
}

struct of {
	const struct kernel *k;
	const struct sym *s;
};

static bool own_row(const struct node *access, void *arg)
{
	const struct of *o = arg;
	if (access->sym != o->s)
		return true;
	if (access->sym->batched)
		return access->batch == o->k->batch;
	if (o->k->batch)
		return false;
	return access->sym->rank == 0 ||
	       (o->k->rank > 0 && affine_single(access->map[0]) == o->k->at[0]);
}

/* Does k, which has the rows of the kernel that writes s, read of s only its own rows? */
static bool reads_own_rows(const struct work_kernel *k, const struct sym *s)
{
	if (k->k.kind == KERNEL_MATMUL && k->k.mm.row)
		return (k->a != s && k->b != s) || (s->batched && !k->k.mm.sum);
	if (k->k.kind == KERNEL_MATMUL)
		return k->b != s && (k->a != s || !k->k.mm.ta);
	struct of o = {&k->k, s};
	for (int i = 0; i < k->k.nstore; i++)
		if (!plan_each_access(k->k.store[i].rhs, own_row, &o))
			return false;
	return true;
}

static bool writes_alone(const struct work_kernel *p, const struct work_kernel *q)
{
	if (p->k.kind == KERNEL_MATMUL)
		return reads_own_rows(q, p->c);
	for (int i = 0; i < p->k.nstore; i++)
		if (!reads_own_rows(q, p->k.store[i].dst))
			return false;
	return true;
}

static bool may_share(const struct work_kernel *p, const struct work_kernel *q)
{
	return p->k.kind != KERNEL_SCAN && q->k.kind != KERNEL_SCAN && same_rows(&p->k, &q->k) &&
	       writes_alone(p, q) && writes_alone(q, p);
}

static void regions_of(struct work *w, const struct work_function *f, struct plan_function *out)
{
	int n = f->kernel.n, last = -1;
	int *level = NEW_ARRAY(w->a, int, n + 1); /* regions behind that of kernel i */
	for (int i = n - 1; i >= 0; i--) {
		for (int j = i + 1; j < n; j++) {
			const struct work_kernel *p = f->kernel.at[i], *q = f->kernel.at[j];
			if (level[j] + 1 <= level[i] || !plan_conflict(p, q))
				continue;
			int l = level[j] + !may_share(p, q);
			level[i] = l > level[i] ? l : level[i];
		}
		last = level[i] > last ? level[i] : last;
	}
	for (int l = last; l >= 0; l--) {
		struct region *r = NEW(w->a, struct region);
		for (int i = 0; i < n; i++) {
			if (level[i] != l)
				continue;
			vec_push(w->a, &r->kernel, &f->kernel.at[i]->k);
		}
		vec_push(w->a, &out->region, r);
	}
}

void plan_regions(struct work *w, struct plan *p)
{
	for (int i = 0; i < w->function.n; i++) {
		struct plan_function *f = NEW(w->a, struct plan_function);
		f->name = w->function.at[i]->name;
		regions_of(w, w->function.at[i], f);
		vec_push(w->a, &p->function, f);
	}
}
