/* Parallel tempering (Geyer 1991): replicas of a chain at several temperatures change places.  What
 * changes places is the states; a row keeps its temperature.  With log p_b(x) = -E_base(x) - b G(x)
 *     p_i(x_j) p_j(x_i) / (p_i(x_i) p_j(x_j)) = exp((b_i - b_j)(G(x_i) - G(x_j))). */
#include "train.h"

#include <math.h>
#include <string.h>

enum { STREAM = 4095 }; /* of a stage: no draw of a program gets that far */

int64_t dgm_tempering_rows(const struct dgm_tempering *t)
{
	return t->chains * t->temperatures;
}

void dgm_tempering_begin(const struct dgm_tempering *t, const struct dgm_store *s)
{
	if (t->temperatures < 2)
		return;
	for (int64_t row = 0; row < dgm_tempering_rows(t); row++)
		((float *)s->slot[t->b])[row] =
		    (float)(1 - (double)(row / t->chains) / (double)(t->temperatures - 1));
}

static void exchange(char *x, char *y, size_t bytes)
{
	char kept[4096];

	for (size_t at = 0; at < bytes; at += sizeof kept) {
		size_t n = bytes - at < sizeof kept ? bytes - at : sizeof kept;

		memcpy(kept, x + at, n);
		memcpy(x + at, y + at, n);
		memcpy(y + at, kept, n);
	}
}

static void swap_rows(const struct dgm_tempering *t, const struct dgm_store *s, int64_t i,
                      int64_t j)
{
	for (int k = 0; k < t->nstate; k++) {
		const struct dgm_slot *slot = &s->mod->slot[t->state[k]];
		size_t bytes = (size_t)dgm_item_stride(slot) * (slot->repr == DGM_BITS ? 8 : 4);
		char *x = s->slot[t->state[k]];

		exchange(x + (size_t)i * bytes, x + (size_t)j * bytes, bytes);
	}
}

void dgm_tempering_swap(const struct dgm_tempering *t, const struct dgm_store *s,
                        struct dgm_call *call, struct dgm_acceptance *a)
{
	const int64_t rows = dgm_tempering_rows(t);
	const float *gap, *b;
	float u;

	if (t->temperatures < 2)
		return;
	gap = s->slot[t->out];
	b = s->slot[t->b];
	call->pop[t->pop] = rows;
	dgm_run(t->gap, call);
	dgm_uniform(&u, 1, call->seed, (uint32_t)rows, call->step, call->stage * 4096 + STREAM);
	for (int64_t row = 0, odd = u < 0.5f; row + t->chains < rows; row++) {
		const int64_t other = row + t->chains;

		if ((row / t->chains + odd) % 2)
			continue;
		dgm_uniform(&u, 1, call->seed, (uint32_t)row, call->step, call->stage * 4096 + STREAM);
		double gain = ((double)b[row] - (double)b[other]) * ((double)gap[row] - (double)gap[other]);
		double p = gain < 0 ? exp(gain) : gain >= 0;

		a->sum += p;
		a->n++;
		if ((double)u < p)
			swap_rows(t, s, row, other);
	}
	call->step++;
}
