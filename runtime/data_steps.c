/* The steps of a data set, in the order in which they were written.
 *
 * Bytes stay bytes as long as a value is byte times scale: a factor changes the scale alone.  Every
 * other change of values goes through floats, and binarised values are bytes 0/1 again.  Ranges are
 * half open: lo..hi are lo, lo+1, ... hi-1. */
#include "data_work.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const struct dgm_data_work *w)
{
	return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " x %" PRId64 " values",
	                w->name, w->d.n, w->d.items);
}

__attribute__((format(printf, 3, 4))) static void append(char *to, size_t room, const char *fmt,
                                                         ...)
{
	va_list ap;
	size_t at = strlen(to);
	va_start(ap, fmt);
	vsnprintf(to + at, room - at, fmt, ap);
	va_end(ap);
}
#define CHANGED(...) append(w->changes, sizeof w->changes, __VA_ARGS__)

enum dgm_data_domain dgm_data_scan(const struct dgm_data_work *w, float *lo, float *hi)
{
	int64_t n = w->d.n * w->d.items;
	bool present[256] = {false}, whole = true, binary = true;
	*lo = INFINITY;
	*hi = -INFINITY;
	if (w->d.u8) {
		for (int64_t i = 0; i < n; i++)
			present[w->d.u8[i]] = true;
		for (int k = 0; k < 256; k++) {
			if (!present[k])
				continue;
			float v = (float)(k * w->scale);
			*lo = fminf(*lo, v);
			*hi = fmaxf(*hi, v);
			whole = whole && v == rintf(v);
			binary = binary && (v == 0 || v == 1);
		}
	} else {
		for (int64_t i = 0; i < n; i++) {
			float v = w->d.f32[i];
			*lo = v < *lo ? v : *lo;
			*hi = v > *hi ? v : *hi;
			whole = whole && v == rintf(v);
		}
		binary = whole && *lo >= 0 && *hi <= 1;
	}
	if (binary)
		return DGM_DATA_BINARY;
	if (*lo >= 0 && *hi <= 1)
		return DGM_DATA_UNIT;
	return whole && *lo >= 0 ? DGM_DATA_COUNT : DGM_DATA_REAL;
}

static int to_floats(struct dgm_data_work *w)
{
	if (w->d.f32)
		return DGM_OK;
	int64_t n = w->d.n * w->d.items;
	float value[256], *f = malloc((size_t)n * sizeof *f);
	if (!f)
		return no_memory(w);
	for (int k = 0; k < 256; k++)
		value[k] = (float)(k * w->scale);
	for (int64_t i = 0; i < n; i++)
		f[i] = value[w->d.u8[i]];
	free(w->d.u8);
	w->d.u8 = NULL;
	w->d.f32 = f;
	w->scale = 1;
	w->d.scale = 1;
	return DGM_OK;
}

/* Puts 0/1 values in the place of what there was. */
static void set_bytes(struct dgm_data_work *w, uint8_t *v)
{
	free(w->d.u8);
	free(w->d.f32);
	w->d.u8 = v;
	w->d.f32 = NULL;
	w->scale = 1;
	w->d.scale = 1;
}

static int step_affine(struct dgm_data_work *w, const struct dgm_step *s)
{
	bool mul = s->kind == DGM_STEP_MUL;
	double inverse = 1 / s->value;
	if (!isfinite(s->value))
		return dgm_fail(DGM_EDOMAIN, "%s: %s by %g is not a number", w->name,
		                mul ? "a product" : "a sum", s->value);
	if (mul && inverse >= 2 && fabs(inverse - rint(inverse)) < 1e-9 * inverse)
		CHANGED(" / %.9g", rint(inverse));
	else
		CHANGED(" %c %.9g", mul ? '*' : s->value < 0 ? '-' : '+', mul ? s->value : fabs(s->value));
	if (mul && w->d.u8) {
		w->scale *= s->value;
		w->d.scale = (float)w->scale;
		return DGM_OK;
	}
	int status = to_floats(w);
	if (status)
		return status;
	float *f = w->d.f32;
	int64_t n = w->d.n * w->d.items;
	double a = mul ? s->value : 1, b = mul ? 0 : s->value;
	for (int64_t i = 0; i < n; i++)
		f[i] = (float)(f[i] * a + b);
	return DGM_OK;
}

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

static size_t value_size(const struct dgm_data_work *w)
{
	return w->d.u8 ? 1 : sizeof(float);
}

static void *values(const struct dgm_data_work *w)
{
	return w->d.u8 ? (void *)w->d.u8 : (void *)w->d.f32;
}

static int step_rows(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	int status = range_of(w, s, "examples", w->d.n, &lo, &hi);
	if (status)
		return status;
	size_t row = (size_t)w->d.items * value_size(w);
	memmove(values(w), (char *)values(w) + (size_t)lo * row, (size_t)(hi - lo) * row);
	w->d.n = hi - lo;
	return DGM_OK;
}

static int step_columns(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t lo, hi;
	if (w->d.rank != 1)
		return dgm_fail(DGM_ESHAPE, "%s: columns(...) needs examples of one axis, these have %d",
		                w->name, w->d.rank);
	int status = range_of(w, s, "columns", w->d.items, &lo, &hi);
	if (status)
		return status;
	append(w->picked, sizeof w->picked, " |> columns(%" PRId64 "..%" PRId64 ")", lo, hi);
	size_t size = value_size(w), from = (size_t)w->d.items * size, to = (size_t)(hi - lo) * size;
	char *v = values(w);
	for (int64_t e = 0; e < w->d.n; e++)
		memmove(v + (size_t)e * to, v + (size_t)e * from + (size_t)lo * size, to);
	w->d.items = hi - lo;
	w->d.dim[0] = hi - lo;
	return DGM_OK;
}

static int step_shuffle(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t n = w->d.n;
	size_t row = (size_t)w->d.items * value_size(w);
	int64_t *index = malloc((size_t)n * sizeof *index);
	char *to = malloc((size_t)n * row), *from = values(w);
	if (!index || !to) {
		free(index);
		free(to);
		return no_memory(w);
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

static int step_standardize(struct dgm_data_work *w)
{
	int status = to_floats(w);
	if (status)
		return status;
	int64_t n = w->d.n, items = w->d.items;
	double *mean = calloc((size_t)items * 2, sizeof *mean), *var = mean + items;
	if (!mean)
		return no_memory(w);
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++)
			mean[u] += w->d.f32[e * items + u];
	for (int64_t u = 0; u < items; u++)
		mean[u] /= (double)n;
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++) {
			double x = w->d.f32[e * items + u] - mean[u];
			var[u] += x * x;
		}
	for (int64_t u = 0; u < items && !status; u++) {
		/* below this the differences are rounding */
		double tiny = 1e-7 * fabs(mean[u]);
		var[u] /= (double)n;
		if (var[u] <= tiny * tiny)
			status = dgm_fail(DGM_EDOMAIN,
			                  "%s: unit %" PRId64 " (from 0) is %g in all %" PRId64
			                  " examples: it cannot be brought to variance 1",
			                  w->name, u, mean[u], n);
	}
	for (int64_t e = 0; e < n && !status; e++)
		for (int64_t u = 0; u < items; u++) {
			float *v = &w->d.f32[e * items + u];
			*v = (float)((*v - mean[u]) / sqrt(var[u]));
		}
	free(mean);
	CHANGED(" |> standardize");
	return status;
}

static int check_unit(const struct dgm_data_work *w, const struct dgm_step *s)
{
	float lo, hi;
	enum dgm_data_domain domain = dgm_data_scan(w, &lo, &hi);
	bool fits = lo >= 0 && hi <= 1;
	/* a threshold has its meaning on any scale, but 0.5 on grey values is a forgotten division */
	if (s->kind == DGM_STEP_BINARIZE_THRESHOLD &&
	    !(domain == DGM_DATA_COUNT && s->value > 0 && s->value < 1))
		fits = true;
	if (fits)
		return DGM_OK;
	return dgm_fail(DGM_EDOMAIN,
	                "%s: binarize needs values in [0,1], these run from %g to %g: %s first",
	                w->name, lo, hi,
	                lo >= 0 && hi > 1 && hi <= 255 && domain == DGM_DATA_COUNT ? "divide by 255"
	                                                                           : "scale them");
}

static int step_binarize(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t n = d->n * d->items;
	int status = check_unit(w, s);
	if (status)
		return status;
	if (d->n > UINT32_MAX)
		return dgm_fail(DGM_ELIMIT, "%s: at most 2^32 examples can be binarised", w->name);
	*w->changes = 0;
	if (s->kind == DGM_STEP_BINARIZE_RESAMPLED) {
		d->resampled = true;
		snprintf(w->label, sizeof w->label, "resampled");
		return DGM_OK;
	}
	uint8_t *v = malloc((size_t)n);
	float *u = malloc((size_t)((d->items + 63) / 64 * 64) * sizeof *u);
	if (!v || !u) {
		free(v);
		free(u);
		return no_memory(w);
	}
	if (s->kind == DGM_STEP_BINARIZE_FIXED) {
		for (int64_t e = 0; e < d->n; e++) {
			int64_t at = e * d->items;
			dgm_data_draw(v + at, d->u8 ? d->u8 + at : NULL, d->scale, d->f32 ? d->f32 + at : NULL,
			              d->items, u, s->seed, e, 0, DGM_STREAM_FIXED);
		}
		snprintf(w->label, sizeof w->label, "fixed(seed %" PRIu64 ")", s->seed);
	} else {
		for (int64_t i = 0; i < n; i++)
			v[i] = (d->u8 ? (float)(d->u8[i] * w->scale) : d->f32[i]) > s->value;
		snprintf(w->label, sizeof w->label, "threshold(%.9g)", s->value);
	}
	free(u);
	set_bytes(w, v);
	return DGM_OK;
}

int dgm_data_step(struct dgm_data_work *w, const struct dgm_step *s)
{
	bool changes =
	    s->kind != DGM_STEP_ROWS && s->kind != DGM_STEP_COLUMNS && s->kind != DGM_STEP_SHUFFLE;
	if (w->d.resampled && changes)
		return dgm_fail(
		    DGM_EDOMAIN,
		    "%s: after binarize(resampled) values are drawn anew for each batch, and no "
		    "later step may change them",
		    w->name);
	switch (s->kind) {
	case DGM_STEP_MUL:
	case DGM_STEP_ADD:
		return step_affine(w, s);
	case DGM_STEP_ROWS:
		return step_rows(w, s);
	case DGM_STEP_COLUMNS:
		return step_columns(w, s);
	case DGM_STEP_SHUFFLE:
		return step_shuffle(w, s);
	case DGM_STEP_STANDARDIZE:
		return step_standardize(w);
	case DGM_STEP_BINARIZE_FIXED:
	case DGM_STEP_BINARIZE_RESAMPLED:
	case DGM_STEP_BINARIZE_THRESHOLD:
		return step_binarize(w, s);
	}
	return dgm_fail(DGM_EFORMAT, "%s: unknown step %d", w->name, (int)s->kind);
}

int dgm_data_finish(struct dgm_data_work *w)
{
	struct dgm_data *d = &w->d;
	float lo, hi;
	enum dgm_data_domain domain = dgm_data_scan(w, &lo, &hi);
	int64_t n = d->n * d->items;
	if (!isfinite(lo) || !isfinite(hi))
		return dgm_fail(DGM_EDOMAIN, "%s: a value became infinite in its steps", w->name);
	if (domain == DGM_DATA_BINARY && !(d->u8 && w->scale == 1)) {
		uint8_t *v = malloc((size_t)n);
		if (!v)
			return no_memory(w);
		for (int64_t i = 0; i < n; i++)
			v[i] = d->u8 ? d->u8[i] * w->scale > 0.5 : d->f32[i] > 0.5f;
		set_bytes(w, v);
	}
	d->domain = d->resampled ? DGM_DATA_BINARY : domain;
	const char *base = *w->label ? w->label : "real";
	if (!*w->label && domain == DGM_DATA_BINARY) {
		base = "fixed";
		*w->changes = 0;
	} else if (!*w->label && domain == DGM_DATA_COUNT) {
		base = "count";
	}
	snprintf(w->key, sizeof w->key, "%s%s%s", base, w->changes, w->picked);
	return DGM_OK;
}
