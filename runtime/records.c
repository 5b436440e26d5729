/* What runs left, read again: the lines of results.jsonl as records, the numbers of metrics.jsonl
 * as series.  A line that is no JSON object, or not of what it has to hold, is an error; but the
 * last one of metrics.jsonl, to which lines are added as a run goes on, may be half written. */
#include "files.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct line {
	const char *path;
	int64_t number; /* from 1 */
	const char *text;
	cJSON *object;
};

static int no_memory(const struct line *at)
{
	return dgm_fail(DGM_ENOMEM, "%s: not enough memory", at->path);
}

static int damaged(const struct line *at, const char *why)
{
	return dgm_fail(DGM_EFORMAT,
	                "%s:%lld: %s: the file is damaged, or of another version of dgm; run the "
	                "experiment again, or remove it and 'dgm eval' with its parameters, to have it "
	                "anew",
	                at->path, (long long)at->number, why);
}

/* The object that the line is, with nothing behind it; NULL: it is none. */
static cJSON *parse_line(const char *line, size_t len)
{
	const char *end = NULL;
	cJSON *j = memchr(line, 0, len) ? NULL : cJSON_ParseWithOpts(line, &end, true);

	if (cJSON_IsObject(j))
		return j;
	cJSON_Delete(j);
	return NULL;
}

/* Calls take() with each object of the file, which take then owns.  torn: the last line may be half
 * written. */
static int read_lines(const char *path, int (*take)(void *to, const struct line *at), void *to,
                      bool torn)
{
	FILE *f = fopen(path, "r");
	struct line at = {.path = path};
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	struct stat kind;
	int status = DGM_OK;

	if (!f)
		return dgm_fail(DGM_EIO, "%s: cannot be read: %s", path, strerror(errno));
	if (fstat(fileno(f), &kind) == 0 && !S_ISREG(kind.st_mode)) /* a device may have no end */
		status = dgm_fail(DGM_EIO, "%s: cannot be read: it is no regular file", path);
	while (!status && (len = getline(&line, &room, f)) > 0) {
		at.number++;
		at.text = line;
		at.object = parse_line(line, (size_t)len);
		if (at.object)
			status = take(to, &at);
		else if (!torn || line[len - 1] == '\n')
			status = damaged(&at, "the line is no JSON object");
	}
	if (!status && ferror(f))
		status = dgm_fail(DGM_EIO, "%s: cannot be read: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return status;
}

/* An array that doubles; NULL: no memory, and the old one stays. */
static void *grown(void *at, size_t n, size_t *room, size_t size)
{
	size_t want = *room ? 2 * *room : 16;
	void *more = n < *room ? at : realloc(at, want * size);

	if (n >= *room && more)
		*room = want;
	return more;
}

/* ---- results.jsonl ---- */
struct records {
	struct dgm_record *at;
	size_t n, room;
};

static const char *text(const cJSON *j, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);

	return cJSON_IsString(v) ? v->valuestring : "";
}

static double number(const cJSON *j, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);

	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static int64_t count(const cJSON *j, const char *key)
{
	double v = number(j, key);

	return v >= 0 && v < 9e15 ? (int64_t)v : -1;
}

/* A figure has all that it is compared by, a line without one a warning. */
static const char *wanting(const cJSON *j)
{
	static const char *const texts[] = {"model",    "figure", "quantity",    "kind",      "data",
	                                    "data_key", "method", "data_digest", "parameters"};

	if (!cJSON_GetObjectItemCaseSensitive(j, "figure"))
		return *text(j, "warning") ? NULL : "the line is neither a figure nor a warning";
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(j, texts[i])))
			return "the figure lacks a text, such as its data key or its digests";
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(j, "stderr");

	if (!cJSON_IsNumber(error) && !cJSON_IsNull(error))
		return "the figure lacks \"stderr\", a number or null";
	return isfinite(number(j, "value")) && count(j, "examples") >= 0 && !isnan(number(j, "seed"))
	           ? NULL
	           : "the figure lacks a number: its value, its examples or its seed";
}

static int take_record(void *to, const struct line *line)
{
	struct records *r = to;
	cJSON *j = line->object;
	const char *why = wanting(j);
	struct dgm_record *at = why ? NULL : grown(r->at, r->n, &r->room, sizeof *at);
	char *own = at ? strdup(line->text) : NULL;

	if (at)
		r->at = at;
	if (!own) {
		cJSON_Delete(j);
		return why ? damaged(line, why) : no_memory(line);
	}
	at[r->n++] = (struct dgm_record){.line = own,
	                                 .model = text(j, "model"),
	                                 .warning = text(j, "warning"),
	                                 .figure = text(j, "figure"),
	                                 .quantity = text(j, "quantity"),
	                                 .kind = text(j, "kind"),
	                                 .per = text(j, "per"),
	                                 .data = text(j, "data"),
	                                 .key = text(j, "data_key"),
	                                 .method = text(j, "method"),
	                                 .verdict = text(j, "verdict"),
	                                 .data_digest = text(j, "data_digest"),
	                                 .parameters = text(j, "parameters"),
	                                 .block = text(j, "block"),
	                                 .value = number(j, "value"),
	                                 .error = number(j, "stderr"),
	                                 .betas = number(j, "betas"),
	                                 .samples = number(j, "samples"),
	                                 .chains = number(j, "chains"),
	                                 .ess = number(j, "ess"),
	                                 .examples = count(j, "examples"),
	                                 .seed = count(j, "seed"),
	                                 .json = j};
	return DGM_OK;
}

int dgm_records_read(const char *path, struct dgm_record **out, int *n)
{
	struct records r = {0};
	int status = read_lines(path, take_record, &r, false);

	if (status) {
		dgm_records_free(r.at, (int)r.n);
		r = (struct records){0};
	}
	*out = r.at;
	*n = (int)r.n;
	return status;
}

void dgm_records_free(struct dgm_record *r, int n)
{
	for (int i = 0; i < n; i++) {
		cJSON_Delete(r[i].json);
		free((char *)r[i].line);
	}
	free(r);
}

/* ---- metrics.jsonl ---- */
struct growing { /* a series, its points one behind the other */
	char *name;
	double *x, *y;
	size_t n, room_x, room_y;
};
struct all_series {
	struct growing *at;
	size_t n, room;
};

static struct growing *series_of(struct all_series *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->at[i].name, name))
			return &all->at[i];
	struct growing *at = grown(all->at, all->n, &all->room, sizeof *at);
	char *own = at ? strdup(name) : NULL;

	if (at)
		all->at = at;
	if (!own)
		return NULL;
	at[all->n] = (struct growing){.name = own};
	return &at[all->n++];
}

static bool add_point(struct growing *s, double x, double y)
{
	double *nx = grown(s->x, s->n, &s->room_x, sizeof *nx);

	if (nx)
		s->x = nx;
	double *ny = nx ? grown(s->y, s->n, &s->room_y, sizeof *ny) : NULL;

	if (!ny)
		return false;
	s->y = ny;
	nx[s->n] = x;
	ny[s->n++] = y;
	return true;
}

static bool plotted(const char *name)
{
	static const char *const other[] = {"model", "epoch",      "update", "seconds",
	                                    "rate",  "parameters", "seed"};

	for (size_t i = 0; i < sizeof other / sizeof *other; i++)
		if (!strcmp(name, other[i]))
			return false;
	return true;
}

static int take_points(void *to, const struct line *line)
{
	double epoch = number(line->object, "epoch");
	const cJSON *v;
	bool fine = true;

	cJSON_ArrayForEach(v, line->object)
	{
		if (!fine || !(epoch >= 0) || !plotted(v->string))
			continue;
		struct growing *s = series_of(to, v->string);

		fine = s && add_point(s, epoch, cJSON_IsNumber(v) ? v->valuedouble : NAN);
	}
	cJSON_Delete(line->object);
	return fine ? DGM_OK : no_memory(line);
}

int dgm_metrics_read(const char *path, struct dgm_series **out, int *n)
{
	struct all_series all = {0};
	int status = read_lines(path, take_points, &all, true);
	struct dgm_series *s = calloc(all.n + 1, sizeof *s);

	if (!s && !status)
		status = dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
	for (size_t i = 0; i < all.n; i++) {
		const struct growing *g = &all.at[i];

		if (s)
			s[i] = (struct dgm_series){g->name, (int64_t)g->n, g->x, g->y};
	}
	*out = s;
	*n = s ? (int)all.n : 0;
	free(all.at);
	if (status) {
		dgm_series_free(s, *n);
		*out = NULL;
		*n = 0;
	}
	return status;
}

void dgm_series_free(struct dgm_series *s, int n)
{
	for (int i = 0; i < n; i++) {
		free((char *)s[i].name);
		free((double *)s[i].x);
		free((double *)s[i].y);
	}
	free(s);
}
