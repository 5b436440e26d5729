/* The parameters of a model as a safetensors file: every DGM_PARAM slot under its name, F32. */
#include "files.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t values_of(const struct dgm_tensor *t)
{
	int64_t n = 1;
	for (int i = 0; i < t->rank; i++)
		n *= t->dim[i];
	return n;
}

/* The parameters as tensors that point into the store; NULL: no memory. */
static struct dgm_tensor *tensors_of(const struct dgm_store *s, int *n)
{
	const struct dgm_module *m = s->mod;
	struct dgm_tensor *t = calloc((size_t)m->nslot + 1, sizeof *t);
	*n = 0;
	for (int i = 0; t && i < m->nslot; i++)
		if (m->slot[i].space == DGM_PARAM) {
			t[*n] = (struct dgm_tensor){.name = m->slot[i].name,
			                            .dtype = "F32",
			                            .rank = m->slot[i].rank,
			                            .data = s->slot[i]};
			memcpy(t[(*n)++].dim, m->slot[i].dim, sizeof t->dim);
		}
	if (!t)
		dgm_fail(DGM_ENOMEM, "%s: not enough memory for its parameters", m->model);
	return t;
}

int dgm_params_save(const struct dgm_store *s, const char *path, const char *const *meta)
{
	int n;
	struct dgm_tensor *t = tensors_of(s, &n);
	if (!t)
		return DGM_ENOMEM;
	int status = dgm_safetensors_write(path, t, n, meta);
	free(t);
	return status;
}

static void shape_text(const struct dgm_tensor *t, char *to, size_t room)
{
	int at = snprintf(to, room, "[");
	for (int i = 0; i < t->rank && (size_t)at < room; i++)
		at += snprintf(to + at, room - (size_t)at, "%s%" PRId64, i ? "," : "", t->dim[i]);
	if ((size_t)at < room)
		snprintf(to + at, room - (size_t)at, "]");
}

static int check_one(const char *path, const struct dgm_tensor *want, const struct dgm_tensor *got)
{
	char a[200], b[200];
	if (strcmp(got->dtype, "F32") != 0)
		return dgm_fail(DGM_EFORMAT,
		                "%s: parameter '%s' is of type %s, expected F32: convert it first", path,
		                got->name, got->dtype);
	bool same = want->rank == got->rank;
	for (int i = 0; same && i < want->rank; i++)
		same = want->dim[i] == got->dim[i];
	if (!same) {
		shape_text(want, a, sizeof a);
		shape_text(got, b, sizeof b);
		return dgm_fail(DGM_ESHAPE, "%s: parameter '%s' has shape %s, the model has %s", path,
		                got->name, b, a);
	}
	const float *v = got->data;
	for (int64_t i = 0; i < values_of(got); i++)
		if (!isfinite(v[i]))
			return dgm_fail(DGM_EDOMAIN, "%s: parameter '%s' holds %s at position %" PRId64, path,
			                got->name, isnan(v[i]) ? "NaN" : "an infinite value", i);
	return DGM_OK;
}

static const struct dgm_tensor *find(const struct dgm_tensor *t, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(t[i].name, name) == 0)
			return &t[i];
	return NULL;
}

/* Everything is checked before anything is copied: a file that does not fit changes nothing. */
int dgm_params_load(struct dgm_store *s, const char *path)
{
	struct dgm_tensor *got;
	int ngot, nwant;
	char **meta;
	void *block;
	int status = dgm_safetensors_read(path, &got, &ngot, &meta, &block);
	if (status)
		return status;
	struct dgm_tensor *want = tensors_of(s, &nwant);
	if (!want)
		status = DGM_ENOMEM;
	for (int i = 0; i < nwant && !status; i++) {
		const struct dgm_tensor *g = find(got, ngot, want[i].name);
		status = g ? check_one(path, &want[i], g)
		           : dgm_fail(DGM_EFORMAT, "%s: there is no parameter '%s' in it, which %s has",
		                      path, want[i].name, s->mod->model);
	}
	for (int i = 0; i < ngot && !status; i++)
		if (!find(want, nwant, got[i].name))
			status = dgm_fail(DGM_EFORMAT, "%s: it holds '%s', which is no parameter of %s", path,
			                  got[i].name, s->mod->model);
	for (int i = 0; i < nwant && !status; i++)
		memcpy(want[i].data, find(got, ngot, want[i].name)->data,
		       (size_t)values_of(&want[i]) * sizeof(float));
	free(want);
	free(block);
	return status;
}

/* A 64-bit multiply-and-shift hash over names, shapes and values. */
uint64_t dgm_params_digest(const struct dgm_store *s)
{
	uint64_t h = 0xCBF29CE484222325u;
	for (int i = 0; i < s->mod->nslot; i++) {
		const struct dgm_slot *slot = &s->mod->slot[i];
		if (slot->space != DGM_PARAM)
			continue;
		for (const char *p = slot->name; *p; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001B3u;
		for (int k = 0; k < slot->rank; k++)
			h = (h ^ (uint64_t)slot->dim[k]) * 0x9E3779B97F4A7C15u;
		const float *v = s->slot[i];
		for (int64_t k = 0; k < dgm_slot_items(slot); k++) {
			uint32_t bits;
			memcpy(&bits, &v[k], sizeof bits);
			h = (h ^ bits) * 0x9E3779B97F4A7C15u;
			h ^= h >> 32;
		}
	}
	return h;
}
