/* What functions of a plan cost: multiply-adds in matrix products, and in running sums and steps.
 */
#include "driver/driver.h"
#include "plan/plan.h"

#include <math.h>
#include <string.h>

typedef double kernel_cost(const struct kernel *k, double rows);

static double kernels_cost(const struct plan *p, const char *name, double rows, kernel_cost *cost)
{
	double sum = 0;
	for (int f = 0; f < p->function.n; f++) {
		if (strcmp(p->function.at[f]->name, name) != 0)
			continue;
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++)
				sum += cost(p->function.at[f]->region.at[r]->kernel.at[k], rows);
	}
	return sum;
}

static double product_cost(const struct kernel *k, double rows)
{
	const struct extent *e[3] = {&k->mm.m, &k->mm.n, &k->mm.k};
	double cost = k->mm.row ? rows : 1;
	for (int i = 0; i < 3; i++)
		cost *= e[i]->pop >= 0 ? rows : (double)e[i]->size;
	return k->kind == KERNEL_MATMUL ? cost : 0;
}

/* The elements that the sums of x go through. */
static double summed(const struct node *x)
{
	double n = 0;
	for (int k = 0; k < x->nkid; k++)
		n += summed(x->kid[k]);
	if (x->kind != N_REDUCE || x->red != RED_SUM)
		return n;
	n = fmax(n, 1);
	for (int b = 0; b < x->nbound; b++)
		n *= (double)x->bound[b]->size;
	return n;
}

static bool is_outer(const struct kernel *k, const struct idx *i)
{
	bool outer = false;
	for (int d = 0; d < k->nouter; d++)
		outer = outer || k->outer[d] == i;
	return outer;
}

static double running_cost(const struct kernel *k, double rows)
{
	bool scan = k->kind == KERNEL_SCAN;
	double sum = 0;
	if (!scan && k->kind != KERNEL_STEPS)
		return 0;
	for (int d = 0; d < k->nouter; d++)
		rows *= (double)k->outer[d]->size;
	for (int c = 0; c < k->ncarry; c++)
		sum += (double)k->lane->size * fmax(summed(k->carry[c].term), 1);
	for (int s = 0; s < k->nstore; s++) {
		const struct store *t = &k->store[s];
		double n = fmax(summed(t->rhs), scan || t->accumulate);
		for (int r = 0; r < t->dst->rank; r++)
			n *= t->at[r] == k->scan || is_outer(k, t->at[r]) ? 1 : (double)t->at[r]->size;
		sum += t->before ? 0 : n;
	}
	return rows * (double)k->scan->size * sum;
}

double plan_products(const struct plan *p, const char *function, double rows)
{
	return kernels_cost(p, function, rows, product_cost);
}

double plan_running(const struct plan *p, const char *function, double rows)
{
	return kernels_cost(p, function, rows, running_cost);
}
