/* repeat: what a repeated function would compute in each of its calls from what none of them
 * changes is computed once, at the end of the function that runs before it (program.h).
 *
 * requires: kernels in an order that is right.  ensures: the same; only temporaries that one kernel
 * writes, without draws, have moved. */
#include "plan/work.h"

static int writers(const struct work *w, const struct sym *s)
{
	int n = 0;
	for (int i = 0; i < w->function.n; i++)
		for (int j = 0; j < w->function.at[i]->kernel.n; j++)
			n += plan_writes(w->function.at[i]->kernel.at[j], s);
	return n;
}

static bool only_temp(const struct work *w, const struct sym *s)
{
	return plan_tensor(w, s)->t.space == SPACE_TEMP && writers(w, s) == 1;
}

static bool may_move(const struct work *w, const struct work_function *f, int at)
{
	const struct work_kernel *k = f->kernel.at[at];
	bool product = k->k.kind == KERNEL_MATMUL;
	if ((!product && k->k.kind != KERNEL_LOOP) || k->k.sequential ||
	    (product && !only_temp(w, k->c)))
		return false;
	for (int i = 0; i < k->k.nstore; i++)
		if (!only_temp(w, k->k.store[i].dst) || ex_has_draw(k->k.store[i].rhs))
			return false;
	for (int i = 0; i < f->kernel.n; i++)
		for (int t = 0; t < w->tensor.n; t++) {
			const struct sym *s = w->tensor.at[t].t.sym;
			if (plan_reads(k, s) && plan_writes(f->kernel.at[i], s))
				return false;
		}
	return true;
}

static struct work_function *work_of(const struct work *w, const struct function *f)
{
	for (int i = 0; i < w->prog->function.n; i++)
		if (w->prog->function.at[i] == f)
			return w->function.at[i];
	BUG("plan: %s is no function of the program", f->name);
}

void plan_repeat(struct work *w)
{
	for (int i = 0; i < w->prog->function.n; i++) {
		struct work_function *f = w->function.at[i], *first;
		if (!w->prog->function.at[i]->first)
			continue;
		first = work_of(w, w->prog->function.at[i]->first);
		for (int j = 0; j < f->kernel.n; j++) {
			if (!may_move(w, f, j))
				continue;
			vec_push(w->a, &first->kernel, f->kernel.at[j]);
			f->kernel.n--;
			for (int k = j--; k < f->kernel.n; k++)
				f->kernel.at[k] = f->kernel.at[k + 1];
		}
	}
}
