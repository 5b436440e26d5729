/* Steps that pick and arrange values: which examples, which of their values, in which order. Ranges
 * are half open: lo..hi are lo, lo+1, ... hi-1. */
#include "data_work.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int range_of(const struct dgm_data_work *w, const struct dgm_step *s, const char *what,
                    int64_t size, int64_t *lo, int64_t *hi)
{
	*lo = s->lo;
	*hi = s->hi < 0 ? size : s->hi;
	if (*lo < 0 || *hi > size || *lo >= *hi)
		return dgm_fail(DGM_ESHAPE,
		                "%s: %s %" PRId64 "..%" PRId64 " asked for, there are 0..%" PRId64
		                " (the end not included)",
		                w->name, what, *lo, *hi, size);
	return DGM_OK;
}

int dgm_step_rows(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	int status = range_of(w, s, "examples", w->d.n, &lo, &hi);
	if (status)
		return status;
	size_t row = (size_t)w->d.items * dgm_data_value_size(w);
	memmove(dgm_data_values(w), (char *)dgm_data_values(w) + (size_t)lo * row,
	        (size_t)(hi - lo) * row);
	w->d.n = hi - lo;
	return DGM_OK;
}

int dgm_step_columns(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	if (w->d.rank != 1)
		return dgm_fail(DGM_ESHAPE, "%s: columns(...) needs examples of one axis, these have %d",
		                w->name, w->d.rank);
	int status = range_of(w, s, "columns", w->d.items, &lo, &hi);
	if (status)
		return status;
	PICKED(" |> columns(%" PRId64 "..%" PRId64 ")", lo, hi);
	size_t size = dgm_data_value_size(w), from = (size_t)w->d.items * size,
	       to = (size_t)(hi - lo) * size;
	char *v = dgm_data_values(w);
	for (int64_t e = 0; e < w->d.n; e++)
		memmove(v + (size_t)e * to, v + (size_t)e * from + (size_t)lo * size, to);
	w->d.items = hi - lo;
	w->d.dim[0] = hi - lo;
	return DGM_OK;
}

int dgm_step_shuffle(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t n = w->d.n;
	size_t row = (size_t)w->d.items * dgm_data_value_size(w);
	int64_t *index = malloc((size_t)n * sizeof *index);
	char *to = malloc((size_t)n * row), *from = dgm_data_values(w);
	if (!index || !to) {
		free(index);
		free(to);
		return dgm_data_no_memory(w);
	}
	dgm_permutation(index, n, s->seed, 0);
	for (int64_t e = 0; e < n; e++)
		memcpy(to + (size_t)e * row, from + (size_t)index[e] * row, row);
	free(index);
	free(from);
	if (w->d.u8)
		w->d.u8 = (uint8_t *)to;
	else
		w->d.f32 = (float *)(void *)to;
	return DGM_OK;
}

int dgm_step_onehot(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t n = d->n * d->items, q = s->more[0];
	if (q < 1 || n > DGM_DATA_MAX_DENSE / q)
		return dgm_fail(DGM_ELIMIT, "%s: onehot(%" PRId64 ") of %" PRId64 " values: %s", w->name, q,
		                n, q < 1 ? "at least 1 is needed" : "at most 2^32 are made");
	if (d->rank == DGM_MAX_RANK)
		return dgm_fail(DGM_ESHAPE, "%s: onehot(...) adds an axis, and there are %d already",
		                w->name, d->rank);
	uint8_t *v = calloc((size_t)n, (size_t)q);
	if (!v)
		return dgm_data_no_memory(w);
	for (int64_t i = 0; i < n; i++) {
		double x = d->u8 ? d->u8[i] * w->scale : d->f32[i];
		if (!(x >= 0 && x < (double)q && x == floor(x))) {
			free(v);
			return dgm_fail(DGM_EDOMAIN,
			                "%s: example %" PRId64 ", unit %" PRId64
			                " (both from 0) is %g, and onehot(%" PRId64
			                ") needs whole numbers from 0 to %" PRId64,
			                w->name, i / d->items, i % d->items, x, q, q - 1);
		}
		v[i * q + (int64_t)x] = 1;
	}
	dgm_data_set_bytes(w, v);
	d->items *= q;
	d->dim[d->rank++] = q;
	if (!*w->label)
		snprintf(w->label, sizeof w->label, "count");
	CHANGED(" |> onehot(%" PRId64 ")", q);
	return DGM_OK;
}
