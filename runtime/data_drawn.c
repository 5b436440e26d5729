/* Data that a model makes of other data: hidden units drawn given examples, or their means.  A
 * batch is made when it is asked for, so that no more than a batch of values is ever there.  Draws
 * are a function
 * of the seed, the step and the row in the batch; the digest of the inputs' digests and the model's
 * parameters. */
#include "files.h"
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int dgm_drawn_new(const struct dgm_drawn *d, const char *name, const char *key,
                  struct dgm_data **out)
{
	struct made {
		struct dgm_data d;
		struct dgm_drawn drawn;
	} *m = calloc(1, sizeof *m);
	const struct dgm_slot *slot = &d->store->mod->slot[d->slot];
	int status;

	if (!m)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", name);
	m->drawn = *d;
	m->d = (struct dgm_data){.name = name,
	                         .key = key,
	                         .source = name,
	                         .rank = slot->rank,
	                         .items = dgm_slot_items(slot),
	                         .domain = d->values,
	                         .digest = dgm_params_digest(d->store),
	                         .scale = 1,
	                         .drawn = &m->drawn};
	memcpy(m->d.dim, slot->dim, sizeof slot->dim);
	status = dgm_inputs_check(d->store, d->input, d->ninput, d->pop, &m->d.n);
	for (int i = 0; i < d->ninput; i++)
		m->d.digest = (m->d.digest ^ d->input[i].data->digest) * 0x9E3779B97F4A7C15u;
	if (status)
		free(m);
	else
		*out = &m->d;
	return status;
}

/* n rows from one slot's buffer to another's, of the same items. */
static void copy_rows(const struct dgm_slot *from, const void *x, const struct dgm_slot *to,
                      void *y, int64_t n)
{
	const int64_t items = dgm_slot_items(to), in = dgm_item_stride(from), out = dgm_item_stride(to);

	if (from->repr == to->repr) {
		memcpy(y, x, (size_t)(n * in) * (to->repr == DGM_BITS ? sizeof(uint64_t) : sizeof(float)));
		return;
	}
	for (int64_t r = 0; r < n; r++)
		for (int64_t u = 0; u < items; u++) {
			const uint64_t *bits = (const uint64_t *)x + r * in + u / 64;
			uint64_t *word = (uint64_t *)y + r * out + u / 64, bit = (uint64_t)1 << u % 64;

			if (to->repr != DGM_BITS)
				((float *)y)[r * out + u] = *bits & bit ? 1 : 0;
			else if (((const float *)x)[r * in + u] != 0)
				*word |= bit;
			else
				*word &= ~bit;
		}
}

int dgm_drawn_batch(const struct dgm_data *d, const int64_t *index, int64_t n,
                    const struct dgm_slot *slot, void *buffer, uint64_t seed, uint32_t step)
{
	const struct dgm_drawn *m = d->drawn;
	const struct dgm_slot *from = &m->store->mod->slot[m->slot];
	const int64_t most = m->store->pop_capacity[m->pop];
	const size_t row =
	    (size_t)dgm_item_stride(slot) * (slot->repr == DGM_BITS ? sizeof(uint64_t) : sizeof(float));

	for (int64_t at = 0; at < n; at += most) {
		const int64_t rows = n - at < most ? n - at : most;
		struct dgm_call call = dgm_call_on(m->store, seed);
		int status = dgm_inputs_load(m->store, m->input, m->ninput, index + at, rows, seed, step);

		if (status)
			return status;
		call.pop[m->pop] = rows;
		call.row0[m->pop] = at;
		call.stage = m->stage;
		call.step = step;
		dgm_run(m->fn, &call);
		dgm_refine_run(&m->refine, m->store, &call);
		copy_rows(from, m->store->slot[m->slot], slot, (char *)buffer + (size_t)at * row, rows);
	}
	return DGM_OK;
}

int dgm_drawn_mean(const struct dgm_data *d, bool smoothed, float *mean, float *variance)
{
	enum { ROWS = 256 };
	const struct dgm_slot rows = {.name = d->name, .repr = DGM_F32, .rank = 1, .dim = {d->items}};
	const int64_t stride = dgm_item_stride(&rows);
	float *x = calloc((size_t)(ROWS * stride), sizeof *x);
	double *sum = calloc((size_t)(2 * d->items), sizeof *sum), *square = sum + d->items;
	const double n = (double)d->n;
	int64_t index[ROWS];
	int status = x && sum ? DGM_OK : dgm_fail(DGM_ENOMEM, "%s: not enough memory", d->name);

	for (int64_t at = 0; at < d->n && !status; at += ROWS) {
		int64_t k = d->n - at < ROWS ? d->n - at : ROWS;

		for (int64_t r = 0; r < k; r++)
			index[r] = at + r;
		status = dgm_drawn_batch(d, index, k, &rows, x, d->drawn->seed, 0);
		for (int64_t r = 0; r < k && !status; r++)
			for (int64_t u = 0; u < d->items; u++) {
				double v = (double)x[r * stride + u];

				sum[u] += v;
				square[u] += v * v;
			}
	}
	for (int64_t u = 0; u < d->items && !status; u++) {
		double m = sum[u] / n;

		if (mean)
			mean[u] = (float)(smoothed ? (sum[u] + 1) / (n + 2) : m);
		if (variance)
			variance[u] = fmaxf((float)(square[u] / n - m * m), DGM_DATA_VARIANCE_FLOOR);
	}
	free(x);
	free(sum);
	return status;
}
