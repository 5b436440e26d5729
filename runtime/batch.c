/* Batches: examples of several data sets into the slots of one population, rows shared out to the
 * threads.
 *
 * Resampled data sets draw by (seed, example, step): each gets a seed of its own, or the values of
 * two sets in one row would be drawn from the same uniforms and be dependent.  A set that feeds two
 * slots gives both the same values. */
#include "train_work.h"

#include <inttypes.h>

enum {
	ROWS = 16,       /* of a chunk */
	ALONE = 1 << 17, /* values that are copied sooner than other threads wake up */
	DRAW = 8         /* a value that is drawn costs as much as so many copied ones */
};

int dgm_inputs_check(const struct dgm_store *s, const struct dgm_input *input, int ninput, int pop,
                     int64_t *examples)
{
	for (int i = 0; i < ninput; i++) {
		const struct dgm_slot *slot = &s->mod->slot[input[i].slot];
		const struct dgm_data *d = input[i].data, *first = input[0].data;
		int status;

		if (slot->pop != pop)
			return dgm_fail(DGM_ESHAPE, "%s: slot %s does not belong to the rows of a batch",
			                d->name, slot->name);
		if (d->n != first->n)
			return dgm_fail(DGM_ESHAPE,
			                "%s has %" PRId64 " examples and %s has %" PRId64
			                ": they are used together, row by row",
			                first->name, first->n, d->name, d->n);
		status = dgm_data_batch(d, NULL, 0, slot, s->slot[input[i].slot], 0, 0);
		if (status)
			return status;
	}
	*examples = ninput ? input[0].data->n : 0;
	return DGM_OK;
}

struct load {
	const struct dgm_store *s;
	const struct dgm_input *input;
	int ninput;
	const int64_t *index;
	int64_t n;
	uint64_t seed;
	uint32_t step;
	int status;
};

static int load_rows(const struct load *l, int64_t first, int64_t rows)
{
	for (int i = 0; i < l->ninput; i++) {
		int at = l->input[i].slot, same = 0, status;
		const struct dgm_slot *slot = &l->s->mod->slot[at];
		int64_t unit = slot->repr == DGM_BITS ? 8 : 4;
		char *to = (char *)l->s->slot[at] + first * dgm_item_stride(slot) * unit;

		while (l->input[same].data != l->input[i].data)
			same++;
		status = dgm_data_batch(l->input[i].data, l->index + first, rows, slot, to,
		                        l->seed + (uint64_t)same * 0x9E3779B97F4A7C15u, l->step);
		if (status)
			return status;
	}
	return DGM_OK;
}

static void load_chunk(void *arg, int64_t chunk, int64_t nchunk)
{
	struct load *l = arg;
	int64_t first = chunk * ROWS;
	int status = load_rows(l, first, chunk + 1 < nchunk ? ROWS : l->n - first);

	if (status)
		__atomic_store_n(&l->status, status, __ATOMIC_RELAXED);
}

int dgm_inputs_load(const struct dgm_store *s, const struct dgm_input *input, int ninput,
                    const int64_t *index, int64_t n, uint64_t seed, uint32_t step)
{
	struct load l = {s, input, ninput, index, n, seed, step, DGM_OK};

	int64_t work = 0;

	for (int i = 0; i < ninput; i++)
		work += n * input[i].data->items * (input[i].data->resampled ? DRAW : 1);
	if (work < ALONE)
		return load_rows(&l, 0, n);
	dgm_parallel(load_chunk, &l, (n + ROWS - 1) / ROWS);
	/* a failure's text stayed with the thread that met it: once more, on this one */
	return l.status ? load_rows(&l, 0, n) : DGM_OK;
}
