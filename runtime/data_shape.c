/* Steps that pick and arrange values: which examples, which of their values, in which order. Ranges
 * are half open: lo..hi are lo, lo+1, ... hi-1. */
#include "data_work.h"
#include <Random123/philox.h>
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

/* Puts n*items values of the kind there was in the place of what there was. */
static void set_values(struct dgm_data_work *w, void *to)
{
	free(dgm_data_values(w));
	if (w->d.u8)
		w->d.u8 = to;
	else
		w->d.f32 = to;
}

static void forget_sequences(struct dgm_data_work *w)
{
	free(w->d.start);
	w->d.start = NULL;
	w->d.nseq = 0;
}

/* Cuts the sequences to the examples lo..hi-1, which become 0..hi-lo-1. */
static void cut_sequences(struct dgm_data *d, int64_t lo, int64_t hi)
{
	int64_t n = 0;
	for (int64_t i = 0; i < d->nseq; i++) {
		int64_t from = d->start[i] > lo ? d->start[i] : lo;
		int64_t to = d->start[i + 1] < hi ? d->start[i + 1] : hi;
		if (from < to)
			d->start[n++] = from - lo;
	}
	if (d->start)
		d->start[n] = hi - lo;
	d->nseq = n;
}

static void keep_examples(struct dgm_data_work *w, int64_t lo, int64_t hi)
{
	size_t row = (size_t)w->d.items * dgm_data_value_size(w);
	char *v = dgm_data_values(w);
	memmove(v, v + (size_t)lo * row, (size_t)(hi - lo) * row);
	cut_sequences(&w->d, lo, hi);
	w->d.n = hi - lo;
}

int dgm_step_rows(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	int status = range_of(w, s, "examples", w->d.n, &lo, &hi);
	if (!status)
		keep_examples(w, lo, hi);
	return status;
}

static int needs_order(const struct dgm_data_work *w, const char *what)
{
	if (!w->unordered)
		return DGM_OK;
	return dgm_fail(DGM_ESHAPE, "%s: %s needs the examples in the order of the file", w->name,
	                what);
}

int dgm_step_sequences(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	int status = needs_order(w, "sequences(...)");
	if (!status && !w->d.start)
		status = dgm_fail(DGM_ESHAPE, "%s: it holds no sequences to choose from", w->name);
	if (!status)
		status = range_of(w, s, "sequences", w->d.nseq, &lo, &hi);
	if (!status)
		keep_examples(w, w->d.start[lo], w->d.start[hi]);
	return status;
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
	set_values(w, to);
	forget_sequences(w);
	w->unordered = true;
	return DGM_OK;
}

int dgm_step_transpose(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	size_t size = dgm_data_value_size(w);
	(void)s;
	if (d->rank != 1)
		return dgm_fail(DGM_ESHAPE, "%s: transpose needs examples of one axis, these have %d",
		                w->name, d->rank);
	char *to = malloc((size_t)(d->n * d->items) * size), *from = dgm_data_values(w);
	if (!to)
		return dgm_data_no_memory(w);
	for (int64_t e = 0; e < d->n; e++)
		for (int64_t u = 0; u < d->items; u++)
			memcpy(to + (size_t)(u * d->n + e) * size, from + (size_t)(e * d->items + u) * size,
			       size);
	set_values(w, to);
	forget_sequences(w);
	d->dim[0] = d->n;
	d->n = d->items;
	d->items = d->dim[0];
	PICKED(" |> transpose");
	return DGM_OK;
}

/* Patch k: words 0, 1 and 2 of Philox4x32-10 at counter { k low, k high, 0, stream } choose the
 * example, the row and the column, each by the high half of a product. */
int dgm_step_patches(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t h = s->lo, wide = s->hi, n = s->more[0];
	size_t size = dgm_data_value_size(w);
	philox4x32_key_t key = {{(uint32_t)s->seed, (uint32_t)(s->seed >> 32)}};
	if (d->rank != 2 || h < 1 || wide < 1 || h > d->dim[0] || wide > d->dim[1])
		return dgm_fail(DGM_ESHAPE,
		                "%s: patches of %" PRId64 " x %" PRId64
		                " need examples of two axes, at least as large; these have %d%s",
		                w->name, h, wide, d->rank, d->rank == 2 ? " and are too small" : "");
	if (n < 1 || n > DGM_MAX_DENSE / (h * wide) || d->n > UINT32_MAX)
		return dgm_fail(DGM_ELIMIT,
		                "%s: %" PRId64 " patches asked for: from 1 to 2^32 values are cut", w->name,
		                n);
	char *to = malloc((size_t)(n * h * wide) * size), *from = dgm_data_values(w);
	if (!to)
		return dgm_data_no_memory(w);
	for (int64_t k = 0; k < n; k++) {
		philox4x32_ctr_t c = {{(uint32_t)k, (uint32_t)(k >> 32), 0, DGM_STREAM_PATCHES}};
		philox4x32_ctr_t r = philox4x32(c, key);
		int64_t e = (int64_t)((uint64_t)r.v[0] * (uint64_t)d->n >> 32);
		int64_t y = (int64_t)((uint64_t)r.v[1] * (uint64_t)(d->dim[0] - h + 1) >> 32);
		int64_t x = (int64_t)((uint64_t)r.v[2] * (uint64_t)(d->dim[1] - wide + 1) >> 32);
		for (int64_t i = 0; i < h; i++)
			memcpy(to + (size_t)((k * h + i) * wide) * size,
			       from + (size_t)((e * d->dim[0] + y + i) * d->dim[1] + x) * size,
			       (size_t)wide * size);
	}
	set_values(w, to);
	forget_sequences(w);
	w->unordered = true;
	d->n = n;
	d->dim[0] = h;
	d->dim[1] = wide;
	d->items = h * wide;
	PICKED(" |> patches(%" PRId64 ", %" PRId64 ", %" PRId64 ", seed %" PRIu64 ")", h, wide, n,
	       s->seed);
	return DGM_OK;
}

/* Examples t with `back` before them and `ahead` behind them in their sequence; the boundaries of
 * what they make go to `start`. */
static int64_t windows(const struct dgm_data *d, int64_t back, int64_t ahead, int64_t *start,
                       int64_t *nseq)
{
	int64_t n = 0, whole[2] = {0, d->n};
	const int64_t *from = d->start ? d->start : whole;
	*nseq = 0;
	for (int64_t i = 0; i < (d->start ? d->nseq : 1); i++) {
		int64_t length = from[i + 1] - from[i];
		if (back >= length || ahead >= length - back)
			continue;
		start[(*nseq)++] = n;
		n += length - back - ahead;
	}
	start[*nseq] = n;
	return n;
}

static void copy_windows(struct dgm_data_work *w, const struct dgm_step *s, int64_t back,
                         int64_t ahead, char *to)
{
	const struct dgm_data *d = &w->d;
	size_t row = (size_t)d->items * dgm_data_value_size(w);
	size_t window = (size_t)(s->hi - s->lo + 1) * row;
	const char *from = dgm_data_values(w);
	for (int64_t i = 0; i < (d->start ? d->nseq : 1); i++) {
		int64_t first = d->start ? d->start[i] : 0, end = d->start ? d->start[i + 1] : d->n;
		for (int64_t t = first + back; t < end - ahead; t++, to += window)
			memcpy(to, from + (size_t)(t + s->lo) * row, window);
	}
}

int dgm_step_window(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	const int64_t far = (int64_t)1 << 40;
	int status = needs_order(w, "window(...)");
	if (status)
		return status;
	if (s->lo > s->hi || s->lo < -far || s->hi > far || s->more[0] > far || s->more[1] > far ||
	    s->more[0] < 0 || s->more[1] < 0)
		return dgm_fail(DGM_ESHAPE,
		                "%s: window(%" PRId64 ", %" PRId64
		                ") needs its first row before its last; reach and ahead begin at 0",
		                w->name, s->lo, s->hi);
	int64_t back = -s->lo > s->more[0] ? -s->lo : s->more[0];
	int64_t ahead = s->hi > s->more[1] ? s->hi : s->more[1], rows = s->hi - s->lo + 1;
	if (rows > 1 && d->rank == DGM_MAX_RANK)
		return dgm_fail(DGM_ESHAPE, "%s: window(...) adds an axis, and there are %d already",
		                w->name, d->rank);
	int64_t nseq = 0, *start = malloc((size_t)(d->nseq + 2) * sizeof *start);
	int64_t n = start ? windows(d, back, ahead, start, &nseq) : 0;
	char *to = NULL;
	if (!start)
		status = dgm_data_no_memory(w);
	else if (n == 0)
		status =
		    dgm_fail(DGM_ESHAPE, "%s: no sequence has %" PRId64 " examples, which a window takes",
		             w->name, back + ahead + 1);
	else if (n > DGM_MAX_DENSE / rows / d->items)
		status = dgm_fail(DGM_ELIMIT,
		                  "%s: %" PRId64 " windows of %" PRId64 " x %" PRId64
		                  " values are more than 2^32",
		                  w->name, n, rows, d->items);
	else if (!(to = malloc((size_t)(n * rows * d->items) * dgm_data_value_size(w))))
		status = dgm_data_no_memory(w);
	if (status) {
		free(start);
		return status;
	}
	copy_windows(w, s, back, ahead, to);
	set_values(w, to);
	free(d->start);
	d->start = start;
	d->nseq = nseq;
	d->n = n;
	if (rows > 1) {
		memmove(d->dim + 1, d->dim, (size_t)d->rank * sizeof *d->dim);
		d->dim[0] = rows;
		d->rank++;
		d->items *= rows;
	}
	PICKED(" |> window(%" PRId64 ", %" PRId64 ", reach %" PRId64 ", ahead %" PRId64 ")", s->lo,
	       s->hi, back, ahead);
	return DGM_OK;
}

/* The sequences in pieces of T examples, the last one of a sequence with zeros behind its end; as a
 * mask, 1 where a piece has an example. */
int dgm_step_unroll(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	bool mask = s->kind == DGM_STEP_UNROLL_MASK;
	int64_t t = s->more[0], whole[2] = {0, d->n}, nseq = d->start ? d->nseq : 1, pieces = 0;
	const int64_t *from = d->start ? d->start : whole;
	const char *name = mask ? "unroll_mask" : "unroll";
	size_t row = mask ? 1 : (size_t)d->items * dgm_data_value_size(w);
	int status = needs_order(w, name);
	for (int64_t i = 0; i < nseq && t > 0; i++)
		pieces += (from[i + 1] - from[i] - 1) / t + 1;
	if (status)
		return status;
	if (!mask && d->rank == DGM_MAX_RANK)
		return dgm_fail(DGM_ESHAPE, "%s: %s(...) adds an axis, and there are %d already", w->name,
		                name, d->rank);
	if (t < 1 || t > DGM_MAX_DENSE / pieces / d->items)
		return dgm_fail(DGM_ELIMIT,
		                "%s: %s(%" PRId64 ") makes pieces of 1 to 2^32 values altogether", w->name,
		                name, t);
	char *to = calloc((size_t)(pieces * t), row), *piece = to, *values = dgm_data_values(w);
	if (!to)
		return dgm_data_no_memory(w);
	for (int64_t i = 0; i < nseq; i++)
		for (int64_t e = from[i]; e < from[i + 1]; e += t, piece += (size_t)t * row) {
			size_t n = (size_t)(from[i + 1] - e < t ? from[i + 1] - e : t);
			if (mask)
				memset(piece, 1, n);
			else
				memcpy(piece, values + (size_t)e * row, n * row);
		}
	if (mask) {
		w->gaps = false;
		dgm_data_set_bytes(w, (uint8_t *)to, 1);
		d->rank = 0;
		d->items = 1;
	} else {
		set_values(w, to);
	}
	forget_sequences(w);
	w->unordered = true;
	memmove(d->dim + 1, d->dim, (size_t)d->rank * sizeof *d->dim);
	d->dim[0] = t;
	d->rank++;
	d->items *= t;
	d->n = pieces;
	PICKED(" |> %s(%" PRId64 ")", name, t);
	return DGM_OK;
}

int dgm_step_onehot(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t n = d->n * d->items, q = s->more[0];
	if (q < 1 || n > DGM_MAX_DENSE / q)
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
		if (isnan(x)) /* missing */
			continue;
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
	int status = dgm_data_set_bytes(w, v, q);
	if (status)
		return status;
	d->items *= q;
	d->dim[d->rank++] = q;
	if (!*w->label)
		snprintf(w->label, sizeof w->label, "count");
	CHANGED(" |> onehot(%" PRId64 ")", q);
	return DGM_OK;
}

int dgm_step_rest(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t q = s->more[0], last = d->rank ? d->dim[d->rank - 1] : 1;
	if (q < 1 || last % q || d->rank == 0 || d->rank == DGM_MAX_RANK)
		return dgm_fail(DGM_ESHAPE,
		                "%s: rest(%" PRId64 ") needs a last axis of a multiple of %" PRId64
		                " values, this one has %" PRId64,
		                w->name, q, q, last);
	float lo, hi;
	int64_t units = d->n * d->items / q;
	uint8_t *v = malloc((size_t)(units * (q + 1)));
	if (!v)
		return dgm_data_no_memory(w);
	int64_t ones = 0, at = 0;
	bool binary = dgm_data_scan(w, &lo, &hi) == DGM_DATA_BINARY;
	for (; binary && at < units && ones <= 1; at++) {
		ones = 0;
		for (int64_t k = 0; k < q; k++) {
			int64_t from = at * q + k;
			v[at * (q + 1) + k] = d->u8 ? d->u8[from] * w->scale == 1 : d->f32[from] == 1;
			ones += v[at * (q + 1) + k];
		}
		v[at * (q + 1) + q] = ones == 0;
	}
	if (!binary || ones > 1) {
		free(v);
		return dgm_fail(DGM_EDOMAIN,
		                "%s: rest(%" PRId64 ") needs values 0 and 1, at most one 1 among %" PRId64
		                " in a row",
		                w->name, q, q);
	}
	dgm_data_set_bytes(w, v, 1);
	d->items = units / d->n * (q + 1);
	d->dim[d->rank - 1] /= q;
	d->dim[d->rank++] = q + 1;
	CHANGED(" |> rest(%" PRId64 ")", q);
	return DGM_OK;
}

/* The sums over the last axis; of an example of one axis a single number. */
int dgm_step_total(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t q = d->rank ? d->dim[d->rank - 1] : 1, n = d->n * d->items / q;
	float *v = malloc(sizeof *v * (size_t)(n + 1));
	(void)s;
	if (!v)
		return dgm_data_no_memory(w);
	for (int64_t i = 0; i < n; i++) {
		double sum = 0;
		for (int64_t k = i * q; k < (i + 1) * q; k++)
			sum += d->u8 ? d->u8[k] * w->scale : (double)d->f32[k];
		v[i] = (float)sum;
	}
	free(d->u8);
	free(d->f32);
	d->u8 = NULL;
	d->f32 = v;
	d->items /= q;
	if (d->rank > 1)
		d->rank--;
	else
		d->dim[0] = 1;
	CHANGED(" |> total");
	return DGM_OK;
}
