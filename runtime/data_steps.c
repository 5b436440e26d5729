/* The steps of a data set, in the order in which they were written.
 *
 * Bytes stay bytes as long as a value is byte times scale: a factor changes the scale alone.  Every
 * other change of values goes through floats, and binarised values are bytes 0/1 again. */
#include "data_work.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int dgm_data_no_memory(const struct dgm_data_work *w)
{
	return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " x %" PRId64 " values",
	                w->name, w->d.n, w->d.items);
}

void dgm_data_append(char *to, size_t room, const char *fmt, ...)
{
	va_list ap;
	size_t at = strlen(to);
	va_start(ap, fmt);
	vsnprintf(to + at, room - at, fmt, ap);
	va_end(ap);
}

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
			if (isnan(v)) /* missing */
				continue;
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

size_t dgm_data_value_size(const struct dgm_data_work *w)
{
	return w->d.u8 ? 1 : sizeof(float);
}

void *dgm_data_values(const struct dgm_data_work *w)
{
	return w->d.u8 ? (void *)w->d.u8 : (void *)w->d.f32;
}

int dgm_data_to_floats(struct dgm_data_work *w)
{
	if (w->d.f32)
		return DGM_OK;
	int64_t n = w->d.n * w->d.items;
	float value[256], *f = malloc((size_t)n * sizeof *f);
	if (!f)
		return dgm_data_no_memory(w);
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

int dgm_data_set_bytes(struct dgm_data_work *w, uint8_t *v, int64_t q)
{
	int64_t n = w->d.n * w->d.items * q;
	float *f = w->gaps ? malloc((size_t)n * sizeof *f) : NULL;
	if (w->gaps && !f) {
		free(v);
		return dgm_data_no_memory(w);
	}
	for (int64_t i = 0; f && i < n; i++)
		f[i] = isnan(w->d.f32[i / q]) ? NAN : v[i];
	if (f) {
		free(v);
		v = NULL;
	}
	free(w->d.u8);
	free(w->d.f32);
	w->d.u8 = v;
	w->d.f32 = f;
	w->scale = 1;
	w->d.scale = 1;
	return DGM_OK;
}

int dgm_step_affine(struct dgm_data_work *w, const struct dgm_step *s)
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
	int status = dgm_data_to_floats(w);
	if (status)
		return status;
	float *f = w->d.f32;
	int64_t n = w->d.n * w->d.items;
	double a = mul ? s->value : 1, b = mul ? 0 : s->value;
	for (int64_t i = 0; i < n; i++)
		f[i] = (float)(f[i] * a + b);
	return DGM_OK;
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

int dgm_step_binarize(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct dgm_data *d = &w->d;
	int64_t n = d->n * d->items;
	int status = check_unit(w, s);
	if (status)
		return status;
	if (d->n > UINT32_MAX)
		return dgm_fail(DGM_ELIMIT, "%s: at most 2^32 examples can be binarised", w->name);
	snprintf(w->changes, sizeof w->changes, "%s", w->picked);
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
		return dgm_data_no_memory(w);
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
	return dgm_data_set_bytes(w, v, 1);
}

const struct dgm_step_row dgm_step_table[DGM_STEP_COUNT] = {
#define STEP(id, name, signature, places, picks, gaps, run) \
	{name, signature, places, picks, gaps, run},
#include "data_step.def"
#undef STEP
};

int dgm_data_step(struct dgm_data_work *w, const struct dgm_step *s)
{
	if ((unsigned)s->kind >= DGM_STEP_COUNT)
		return dgm_fail(DGM_EFORMAT, "%s: unknown step %d", w->name, (int)s->kind);
	const struct dgm_step_row *row = &dgm_step_table[s->kind];
	if (w->d.resampled && !row->picks)
		return dgm_fail(
		    DGM_EDOMAIN,
		    "%s: after binarize(resampled) values are drawn anew for each batch, and no "
		    "later step may change them",
		    w->name);
	if (w->gaps && !row->gaps)
		return dgm_fail(DGM_EDOMAIN, "%s: %s needs all values, and some are missing", w->name,
		                row->name);
	return row->run(w, s);
}

/* Notes which values are missing and puts 0 for them. */
static int mark_missing(struct dgm_data_work *w)
{
	int64_t n = w->d.n * w->d.items;
	w->d.missing = calloc((size_t)n, 1);
	if (!w->d.missing)
		return dgm_data_no_memory(w);
	for (int64_t i = 0; i < n; i++) {
		if (!isnan(w->d.f32[i]))
			continue;
		w->d.missing[i] = 1;
		w->d.f32[i] = 0;
	}
	w->gaps = false;
	return DGM_OK;
}

int dgm_data_finish(struct dgm_data_work *w)
{
	struct dgm_data *d = &w->d;
	float lo, hi;
	enum dgm_data_domain domain = dgm_data_scan(w, &lo, &hi);
	int64_t n = d->n * d->items;
	if (!isfinite(lo) || !isfinite(hi))
		return dgm_fail(DGM_EDOMAIN, "%s: %s", w->name,
		                lo > hi ? "all values are missing"
		                        : "a value became infinite in its steps");
	int status = w->gaps ? mark_missing(w) : DGM_OK;
	if (status)
		return status;
	if (domain == DGM_DATA_BINARY && !(d->u8 && w->scale == 1)) {
		uint8_t *v = malloc((size_t)n);
		if (!v)
			return dgm_data_no_memory(w);
		for (int64_t i = 0; i < n; i++)
			v[i] = d->u8 ? d->u8[i] * w->scale > 0.5 : d->f32[i] > 0.5f;
		dgm_data_set_bytes(w, v, 1);
	}
	d->domain = d->resampled ? DGM_DATA_BINARY : domain;
	const char *base = *w->label ? w->label : "real";
	if (!*w->label && domain == DGM_DATA_BINARY) {
		base = "fixed";
		snprintf(w->changes, sizeof w->changes, "%s", w->picked);
	} else if (!*w->label && domain == DGM_DATA_COUNT) {
		base = "count";
	}
	snprintf(w->key, sizeof w->key, "%s%s", base, w->changes);
	return DGM_OK;
}
