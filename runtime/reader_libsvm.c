/* libsvm: sparse text of a label and features counted from 1, an example a line, plain or gzip:
 *
 *     -1 3:1 11:0.5      # comment
 *
 * libsvm(file, features = n) gives the features, those not named 0; libsvm_labels(file) the labels.
 * Features of a line are in any order, each at most once. */
#include "reader.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"
#define MAX_FEATURES ((int64_t)1 << 24)

struct table {
	struct dgm_lines *l;
	int64_t features; /* 0: the labels are read */
	int64_t n;
	int64_t *stamp; /* of a feature: the last example, from 1, that names it */
	struct dgm_floats f;
};

static int parse_number(const struct table *t, const char *text, size_t len, float *to)
{
	char cell[64], *end;
	const char *path = t->l->s->path;
	if (len < sizeof cell) {
		memcpy(cell, text, len);
		cell[len] = 0;
	}
	if (len == 0 || len >= sizeof cell || strspn(cell, "0123456789+-.eE") < len)
		return dgm_fail(DGM_EFORMAT, "%s: line %" PRId64 ": '%.*s' is not a number", path,
		                t->l->number, len < 40 ? (int)len : 40, text);
	*to = (float)strtod(cell, &end);
	if (*end)
		return dgm_fail(DGM_EFORMAT, "%s: line %" PRId64 ": '%s' is not a number", path,
		                t->l->number, cell);
	if (!isfinite(*to))
		return dgm_fail(DGM_EDOMAIN, "%s: line %" PRId64 ": '%s' is out of range", path,
		                t->l->number, cell);
	return DGM_OK;
}

/* INDEX:VALUE of len bytes, for the features of the last example. */
static int parse_feature(struct table *t, const char *text, size_t len)
{
	const char *path = t->l->s->path, *colon = memchr(text, ':', len);
	int64_t index = 0;
	for (const char *p = text; colon && p < colon; p++) {
		if (*p < '0' || *p > '9')
			colon = NULL;
		else if (index <= MAX_FEATURES)
			index = index * 10 + (*p - '0');
	}
	if (!colon || colon == text)
		return dgm_fail(DGM_EFORMAT,
		                "%s: line %" PRId64 ": '%.*s' is no feature, expected NUMBER:VALUE", path,
		                t->l->number, len < 40 ? (int)len : 40, text);
	if (index < 1 || index > t->features)
		return dgm_fail(
		    DGM_ESHAPE, "%s: line %" PRId64 ": feature %.*s, and they run from 1 to %" PRId64, path,
		    t->l->number, (int)(colon - text < 40 ? colon - text : 40), text, t->features);
	if (t->stamp[index - 1] == t->n)
		return dgm_fail(DGM_EFORMAT, "%s: line %" PRId64 " has feature %" PRId64 " twice", path,
		                t->l->number, index);
	t->stamp[index - 1] = t->n;
	return parse_number(t, colon + 1, len - (size_t)(colon + 1 - text),
	                    &t->f.v[t->f.n - t->features + index - 1]);
}

static int parse_line(struct table *t, char *line)
{
	int64_t width = t->features ? t->features : 1;
	size_t len = strcspn(line, BLANKS);
	float label;
	if (t->f.n > DGM_MAX_DENSE - width)
		return dgm_fail(DGM_ELIMIT, "%s: with %" PRId64 " features, at most 2^32 values are read",
		                t->l->s->path, t->features);
	if (!dgm_floats_reserve(&t->f, width))
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " x %" PRId64 " values",
		                t->l->s->path, t->n + 1, width);
	memset(t->f.v + t->f.n, 0, (size_t)width * sizeof *t->f.v);
	t->f.n += width;
	t->n++;
	int status = parse_number(t, line, len, &label);
	if (!status && !t->features)
		t->f.v[t->f.n - 1] = label;
	for (char *p = line + len; !status && t->features;) {
		p += strspn(p, BLANKS);
		len = strcspn(p, BLANKS);
		if (len == 0)
			break;
		status = parse_feature(t, p, len);
		p += len;
	}
	return status;
}

static int read_lines(struct table *t)
{
	for (;;) {
		char *line;
		int status = dgm_lines_next(t->l, &line);
		if (status || !line)
			return status;
		line[strcspn(line, "#")] = 0;
		line += strspn(line, BLANKS);
		if (*line)
			status = parse_line(t, line);
		if (status)
			return status;
	}
}

static int read_table(const char *path, int64_t features, struct dgm_raw *out)
{
	struct dgm_stream s;
	struct dgm_lines l;
	struct table t = {.l = &l, .features = features};
	int status = dgm_stream_open(&s, path);
	if (!status)
		status = dgm_lines_open(&l, &s);
	if (!status) {
		t.stamp = calloc((size_t)features + 1, sizeof *t.stamp);
		status = t.stamp ? read_lines(&t) : dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
		dgm_lines_close(&l);
	}
	if (!status && t.n == 0)
		status = dgm_fail(DGM_EFORMAT, "%s: it is empty", path);
	if (status)
		free(t.f.v);
	else
		*out =
		    (struct dgm_raw){.n = t.n, .rank = features ? 1 : 0, .dim = {features}, .f32 = t.f.v};
	free(t.stamp);
	dgm_stream_close(&s);
	return status;
}

static int read_features(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	int64_t features = spec->arg[0];
	if (features < 1 || features > MAX_FEATURES)
		return dgm_fail(DGM_ELIMIT, "%s: %" PRId64 " features asked for, from 1 to 2^24 are read",
		                path, features);
	return read_table(path, features, out);
}

static int read_labels(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	(void)spec;
	return read_table(path, 0, out);
}

const struct dgm_reader dgm_reader_libsvm = {"libsvm", "path:str features:int", true, 1,
                                             read_features};
const struct dgm_reader dgm_reader_libsvm_labels = {"libsvm_labels", "path:str", true, 0,
                                                    read_labels};
