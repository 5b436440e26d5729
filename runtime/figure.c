/* Means of a figure over a data set: with x_n = the number that a function gives for example n,
 *     mean = sum_n x_n / N,   standard error = sqrt(sum_n (x_n - mean)^2 / (N - 1) / N),
 * in double, in the order of the examples, by Welford's update (Technometrics 1962). */
#include "train_work.h"

#include <math.h>
#include <stdlib.h>

int dgm_figure_rows(struct dgm_store *s, const struct dgm_figure *f, struct dgm_call *call,
                    int64_t first, int64_t *index, int64_t rows)
{
	for (int64_t i = 0; i < rows; i++)
		index[i] = f->which ? f->which[first + i] : first + i;
	int status = dgm_inputs_load(s, f->input, f->ninput, index, rows, call->seed, 0);

	if (status)
		return status;
	call->pop[f->pop] = rows;
	call->row0[f->pop] = first;
	call->step = 0; /* random numbers are an example's own, in whatever block it stands */
	if (f->start)
		dgm_run(f->start, call);
	dgm_refine_run(&f->refine, s, call);
	dgm_run(f->fn, call);
	return DGM_OK;
}

int dgm_figure_mean(struct dgm_store *s, const struct dgm_figure *f, uint64_t seed,
                    struct dgm_mean *out)
{
	const int64_t capacity = s->pop_capacity[f->pop];
	const int64_t stride = dgm_item_stride(&s->mod->slot[f->out]);
	const int64_t items = dgm_slot_items(&s->mod->slot[f->out]);
	struct dgm_call call = dgm_call_on(s, seed);
	double mean = 0, squares = 0;
	int64_t n, *index;
	int status = dgm_inputs_check(s, f->input, f->ninput, f->pop, &n);

	*out = (struct dgm_mean){NAN, NAN, 0};
	if (status)
		return status;
	if (f->limit > 0 && f->limit < n)
		n = f->limit;
	for (int64_t u = 0; f->sums && u < items; u++)
		f->sums[u] = 0;
	if (n < 1 || capacity < 1)
		return dgm_fail(DGM_ESHAPE, "%s: there are no examples to average over", f->fn->name);
	index = malloc((size_t)capacity * sizeof *index);
	if (!index)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", f->fn->name);
	call.stage = DGM_STAGE_FIGURE;
	for (int64_t first = 0; first < n && !status; first += capacity) {
		int64_t rows = n - first < capacity ? n - first : capacity;
		const float *x = s->slot[f->out];

		status = dgm_figure_rows(s, f, &call, first, index, rows);
		for (int64_t i = 0; i < rows && !status; i++) {
			double v = (double)x[i * stride], d = v - mean;

			mean += d / (double)(first + i + 1);
			squares += d * (v - mean);
			if (f->each)
				f->each[first + i] = v;
			for (int64_t u = 0; f->sums && u < items; u++)
				f->sums[u] += (double)x[i * stride + u];
		}
	}
	free(index);
	if (status)
		return status;
	*out = (struct dgm_mean){mean, n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN, n};
	return DGM_OK;
}
