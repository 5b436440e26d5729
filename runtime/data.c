/* Data sets: finding the file, calling its reader, and the order in which things are checked.
 *
 * A file is looked for as written if its path is absolute, else beside the .dgm file, then in each
 * folder of DGM_DATA, then in /usr/share/datasets.  Raw values must be finite.  The digest is a
 * 64-bit multiply-and-shift hash over the sizes, the values as read and the steps. */
#include "data_work.h"
#include "reader.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct dgm_reader *const dgm_readers[] = {
    &dgm_reader_idx,           &dgm_reader_npy,  &dgm_reader_npz,
    &dgm_reader_mat,           &dgm_reader_csv,  &dgm_reader_libsvm,
    &dgm_reader_libsvm_labels, &dgm_reader_bars, NULL,
};

#define DEBIAN_FOLDER "/usr/share/datasets"

/* Writes folder/path; true when there is something of that name. */
static bool try_folder(const char *folder, size_t len, const char *path, char *to, size_t room)
{
	struct stat st;
	int n = snprintf(to, room, "%.*s/%s", (int)len, folder, path);
	return n > 0 && (size_t)n < room &&
	       (stat(to, &st) == 0 || (errno != ENOENT && errno != ENOTDIR));
}

static int find_file(const struct dgm_data_spec *spec, char *to, size_t room)
{
	const char *path = spec->path, *env = getenv("DGM_DATA");
	const char *base = spec->base_dir && *spec->base_dir ? spec->base_dir : ".";
	if (!path || !*path)
		return dgm_fail(DGM_EIO, "%s: the name of its file is empty", spec->name);
	if (*path == '/') {
		if ((size_t)snprintf(to, room, "%s", path) >= room)
			return dgm_fail(DGM_EIO, "%s: the name is too long", path);
		return DGM_OK;
	}
	if (try_folder(base, strlen(base), path, to, room))
		return DGM_OK;
	for (const char *p = env; p && *p;) {
		size_t len = strcspn(p, ":");
		if (len && try_folder(p, len, path, to, room))
			return DGM_OK;
		p += len + (p[len] == ':');
	}
	if (try_folder(DEBIAN_FOLDER, strlen(DEBIAN_FOLDER), path, to, room))
		return DGM_OK;
	const char *hint = strncmp(path, "fashion-mnist/", 14) == 0
	                       ? "; apt-get install dataset-fashion-mnist brings it"
	                       : "";
	if (env && *env)
		return dgm_fail(DGM_EIO, "%s: no such file in %s, DGM_DATA (%s) or " DEBIAN_FOLDER "%s",
		                path, base, env, hint);
	return dgm_fail(DGM_EIO,
	                "%s: no such file in %s or " DEBIAN_FOLDER
	                ", and DGM_DATA, which may name further folders, is not set%s",
	                path, base, hint);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9E3779B97F4A7C15u;
	return h ^ h >> 32;
}

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t x;
		memcpy(&x, p, 8);
		h = mix(h, x);
	}
	uint64_t rest = n;
	for (size_t i = 0; i < n; i++)
		rest = rest << 8 | p[i];
	return mix(h, rest);
}

static uint64_t digest(const struct dgm_raw *r, int64_t values, const struct dgm_data_spec *spec,
                       int nstep)
{
	uint64_t h = mix(0xCBF29CE484222325u, (uint64_t)r->n);
	for (int i = 0; i < r->rank; i++)
		h = mix(h, (uint64_t)r->dim[i]);
	h = r->u8 ? mix_bytes(h, r->u8, (size_t)values) : mix_bytes(h, r->f32, (size_t)values * 4);
	if (r->start)
		h = mix_bytes(h, r->start, (size_t)r->nseq * sizeof *r->start);
	for (int i = 0; i < nstep; i++) {
		const struct dgm_step *s = &spec->step[i];
		h = mix(h, (uint64_t)s->kind);
		h = mix_bytes(h, &s->value, sizeof s->value);
		h = mix(mix(mix(h, (uint64_t)s->lo), (uint64_t)s->hi), s->seed);
		h = mix(mix(h, (uint64_t)s->more[0]), (uint64_t)s->more[1]);
	}
	return h;
}

/* *gaps: may values be missing?  Then: are some? */
static int check_finite(const struct dgm_raw *r, int64_t values, const char *path, bool *gaps)
{
	bool missing = false;
	for (int64_t i = 0; r->f32 && i < values; i++) {
		float v = r->f32[i];
		int64_t items = values / r->n;
		missing = missing || isnan(v);
		if (!isfinite(v) && !(*gaps && isnan(v)))
			return dgm_fail(DGM_EDOMAIN,
			                "%s: example %" PRId64 ", unit %" PRId64 " (both from 0) is %s", path,
			                i / items, i % items, isnan(v) ? "NaN" : "infinite");
	}
	*gaps = missing;
	return DGM_OK;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Takes over the values of r. */
static struct dgm_data_work *work_new(const struct dgm_data_spec *spec, const struct dgm_raw *r,
                                      int64_t values, const char *path, int nstep, bool gaps)
{
	struct dgm_data_work *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->d = (struct dgm_data){.name = w->name,
	                         .n = r->n,
	                         .rank = r->rank,
	                         .items = values / r->n,
	                         .key = w->key,
	                         .source = w->source,
	                         .digest = digest(r, values, spec, nstep),
	                         .nseq = r->nseq,
	                         .start = r->start,
	                         .u8 = r->u8,
	                         .scale = 1,
	                         .f32 = r->f32};
	memcpy(w->d.dim, r->dim, sizeof w->d.dim);
	w->scale = 1;
	w->gaps = gaps;
	snprintf(w->name, sizeof w->name, "%s", spec->name);
	snprintf(w->file, sizeof w->file, "%.300s%s%.90s", path,
	         spec->member && *spec->member ? ": " : "", spec->member ? spec->member : "");
	float lo, hi;
	if (dgm_data_scan(w, &lo, &hi) == DGM_DATA_BINARY)
		snprintf(w->label, sizeof w->label, "fixed");
	return w;
}

/* The set behind its first nstep steps. */
static int load(const struct dgm_data_spec *spec, int nstep, struct dgm_data_work **out)
{
	const struct dgm_reader *reader = NULL;
	char path[4096];
	*out = NULL;
	for (int i = 0; dgm_readers[i]; i++)
		if (strcmp(dgm_readers[i]->name, spec->reader) == 0)
			reader = dgm_readers[i];
	if (!reader)
		return dgm_fail(DGM_EFORMAT, "%s: there is no reader '%s'", spec->name, spec->reader);
	if (reader->is_file) {
		int status = find_file(spec, path, sizeof path);
		if (status)
			return status;
	} else {
		int at = snprintf(path, sizeof path, "%s(", reader->name);
		for (int i = 0; i < reader->nargs; i++)
			at += snprintf(path + at, sizeof path - (size_t)at, "%s%" PRId64, i ? ", " : "",
			               spec->arg[i]);
		snprintf(path + at, sizeof path - (size_t)at, ")");
	}

	struct dgm_raw raw = {0};
	int status = reader->read(path, spec, &raw);
	if (status)
		return status;
	int64_t values = dgm_raw_values(&raw);
	bool gaps = spec->gaps;
	status = check_finite(&raw, values, path, &gaps);
	struct dgm_data_work *w = NULL;
	if (!status) {
		w = work_new(spec, &raw, values, reader->is_file ? base_name(path) : path, nstep, gaps);
		if (!w)
			status = dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
	}
	if (!w) {
		free(raw.u8);
		free(raw.f32);
		free(raw.start);
		return status;
	}
	for (int i = 0; i < nstep && !status; i++)
		status = dgm_data_step(w, &spec->step[i]);
	if (status)
		dgm_data_free(&w->d);
	else
		*out = w;
	return status;
}

int dgm_data_reference(struct dgm_data_work *w, const struct dgm_step *s,
                       struct dgm_data_work **ref, const struct dgm_step **how)
{
	const struct dgm_data_spec *spec = s->like;
	int n;
	*how = s;
	for (;; spec = (*how)->like) {
		for (n = 0; n < spec->nstep && spec->step[n].kind != s->kind;)
			n++;
		if (n == spec->nstep)
			break;
		*how = &spec->step[n];
		if (!(*how)->like)
			break;
	}
	int status = load(spec, n, ref);
	if (!status)
		w->d.digest = mix(w->d.digest, (*ref)->d.digest);
	return status;
}

int dgm_data_load(const struct dgm_data_spec *spec, struct dgm_data **out)
{
	struct dgm_data_work *w;
	*out = NULL;
	int status = load(spec, spec->nstep, &w);
	if (status)
		return status;
	snprintf(w->source, sizeof w->source, "%s digest:%016" PRIx64, w->file, w->d.digest);
	status = dgm_data_finish(w);
	if (status)
		dgm_data_free(&w->d);
	else
		*out = &w->d;
	return status;
}

void dgm_data_free(struct dgm_data *d)
{
	if (!d)
		return;
	free(d->u8);
	free(d->f32);
	free(d->missing);
	free(d->start);
	free(d);
}
