/* What a training tells while it runs: monitors, a line of metrics.jsonl an epoch, progress, and at
 * the end the monitors' curves and the times.
 *
 * A monitor is mean(a) - mean(b), divided by `per`.  The curves are drawn from metrics.jsonl, which
 * also holds the epochs before a resume. */
#include "train_work.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PER_LINE = 16 }; /* monitors in a line of metrics.jsonl; more begin another line */

int dgm_report_open(struct dgm_trainer *tr)
{
	char path[4096];
	int status = dgm_train_path(tr, "metrics.jsonl", path, sizeof path);

	if (!status)
		status = dgm_metrics_open(&tr->metrics, path, tr->update > 0 ? tr->update : -1);
	if (status)
		return status;
	if (tr->t->json) {
		tr->echo = fopen(path, "r");
		if (!tr->echo || fseek(tr->echo, 0, SEEK_END) != 0)
			return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	}
	tr->first_epoch = tr->epoch;
	tr->first_update = tr->update;
	dgm_progress_begin(&tr->progress, tr->t->model, (double)(tr->t->epochs - tr->epoch),
	                   tr->t->quiet);
	return DGM_OK;
}

/* Copies what metrics.jsonl gained to standard output. */
static int copy_lines(FILE *from)
{
	char text[4096];
	size_t n;

	clearerr(from);
	while ((n = fread(text, 1, sizeof text, from)) > 0)
		fwrite(text, 1, n, stdout);
	if (ferror(from))
		return dgm_fail(DGM_EIO, "metrics.jsonl: cannot be read: %s", strerror(errno));
	return dgm_stdout_flush();
}

static int write_line(struct dgm_trainer *tr, const char *const *name, const double *value, int n)
{
	const char *k[PER_LINE] = {NULL};
	double v[PER_LINE] = {0};

	for (int i = 0; i < n; i++) {
		k[i] = name[i];
		v[i] = value[i];
	}
	char digest[24];
	snprintf(digest, sizeof digest, "%016" PRIx64, dgm_params_digest(tr->s));
#define PAIR(i) k[i], 'd', v[i]
	return dgm_metrics_line(
	    tr->metrics, "model", 's', tr->t->model, "epoch", 'i', tr->epoch, "update", 'i', tr->update,
	    "seconds", 'd', round((tr->seconds + dgm_now() - tr->start) * 1000) / 1000, "rate", 'd',
	    tr->rate[0], "parameters", 's', digest, "seed", 'i', (int64_t)tr->t->seed, PAIR(0), PAIR(1),
	    PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6), PAIR(7), PAIR(8), PAIR(9), PAIR(10), PAIR(11),
	    PAIR(12), PAIR(13), PAIR(14), PAIR(15), NULL);
#undef PAIR
}

static int monitor_value(const struct dgm_trainer *tr, const struct dgm_monitor *m, double *value)
{
	struct dgm_mean a, b = {0};
	int status = dgm_figure_mean(tr->s, &m->a, tr->t->seed, &a);

	if (!status && m->b.fn)
		status = dgm_figure_mean(tr->s, &m->b, tr->t->seed, &b);
	if (status)
		return status;
	*value = (a.mean - b.mean) / (m->per != 0 ? m->per : 1);
	return isfinite(*value)
	           ? DGM_OK
	           : dgm_fail(DGM_ENONFINITE, "%s: %s is %s at the end of epoch %" PRId64, tr->t->model,
	                      m->name, isnan(*value) ? "not a number" : "infinite", tr->epoch);
}

/* What the monitor that may stop the training says. */
static void heed(struct dgm_trainer *tr, double value)
{
	const struct dgm_stop *stop = &tr->t->stop;
	const int64_t every = tr->t->monitor[stop->monitor].every;

	if (tr->best_epoch < 0 || (stop->higher ? value > tr->best : value < tr->best)) {
		tr->best = value;
		tr->best_epoch = tr->epoch;
		memcpy(tr->best_params, tr->s->params, (size_t)tr->s->nparam * sizeof *tr->best_params);
	}
	tr->stopped = tr->epoch - (tr->best_epoch < 0 ? 0 : tr->best_epoch) >= stop->patience * every;
}

int dgm_report_epoch(struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	const char *name[PER_LINE];
	double value[PER_LINE];
	int n = 0, lines = 0, status = DGM_OK;
	size_t at = 0;

	if (tr->acceptance.n) {
		name[n] = "acceptance";
		value[n++] = tr->acceptance.sum / (double)tr->acceptance.n;
		name[n] = "step";
		value[n++] = (double)*(const float *)tr->s->slot[t->sweep.size];
		at = (size_t)snprintf(tr->note, sizeof tr->note, ", acceptance %.3f", value[0]);
		tr->acceptance = (struct dgm_acceptance){0};
	}
	if (tr->swaps.n) {
		name[n] = "swaps";
		value[n++] = tr->swaps.sum / (double)tr->swaps.n;
		tr->swaps = (struct dgm_acceptance){0};
	}
	for (int i = 0; i < t->nmonitor; i++) {
		const struct dgm_monitor *m = &t->monitor[i];

		if (m->every > 0 && tr->epoch % m->every != 0 && tr->epoch != t->epochs)
			continue;
		if (n == PER_LINE) {
			status = write_line(tr, name, value, n);
			lines++;
			n = 0;
		}
		if (!status)
			status = monitor_value(tr, m, &value[n]);
		if (status)
			return status;
		if (t->stop.patience && i == t->stop.monitor)
			heed(tr, value[n]);
		if (at < sizeof tr->note)
			at += (size_t)snprintf(tr->note + at, sizeof tr->note - at, ", %s %.6g", m->name,
			                       value[n]);
		name[n++] = m->name;
	}
	if (n || !lines)
		status = write_line(tr, name, value, n);
	if (tr->echo && !status)
		status = copy_lines(tr->echo);
	dgm_progress_at(&tr->progress, (double)(tr->epoch - tr->first_epoch),
	                "epoch %" PRId64 "/%" PRId64 "%s", tr->epoch, t->epochs, tr->note);
	return status;
}

struct points {
	double *x, *y;
	int64_t n, room;
};

static bool add_point(struct points *p, double x, double y)
{
	if (p->n == p->room) {
		int64_t room = p->room ? 2 * p->room : 64;
		double *nx = realloc(p->x, (size_t)room * sizeof *nx), *ny;

		if (!nx)
			return false;
		p->x = nx;
		ny = realloc(p->y, (size_t)room * sizeof *ny);
		if (!ny)
			return false;
		p->y = ny;
		p->room = room;
	}
	p->x[p->n] = x;
	p->y[p->n++] = y;
	return true;
}

/* The points of every monitor in a line of metrics.jsonl. */
static bool read_line(const struct dgm_train *t, const char *line, size_t len, struct points *p)
{
	cJSON *j = cJSON_ParseWithLength(line, len);
	const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(j, "epoch");
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(j, "model");
	bool fine = true;

	if (cJSON_IsNumber(epoch) && cJSON_IsString(model) && !strcmp(model->valuestring, t->model))
		for (int i = 0; i < t->nmonitor && fine; i++) {
			const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, t->monitor[i].name);

			if (v)
				fine =
				    add_point(&p[i], epoch->valuedouble, cJSON_IsNumber(v) ? v->valuedouble : NAN);
		}
	cJSON_Delete(j);
	return fine;
}

static int draw_curves(const struct dgm_trainer *tr)
{
	const struct dgm_train *t = tr->t;
	struct points *p = calloc((size_t)t->nmonitor + 1, sizeof *p);
	struct dgm_series *s = calloc((size_t)t->nmonitor + 1, sizeof *s);
	char path[4096], *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *f = NULL;
	bool fine = p && s;
	int status = dgm_train_path(tr, "metrics.jsonl", path, sizeof path);

	if (!status && fine && !(f = fopen(path, "r")))
		status = dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	while (f && fine && (len = getline(&line, &room, f)) > 0)
		fine = read_line(t, line, (size_t)len, p);
	if (!fine)
		status = dgm_fail(DGM_ENOMEM, "%s: not enough memory for the curves", t->model);
	for (int i = 0; i < t->nmonitor && !status; i++)
		s[i] = (struct dgm_series){t->monitor[i].name, p[i].n, p[i].x, p[i].y};
	if (!status)
		status = dgm_train_path(tr, "curve.svg", path, sizeof path);
	if (!status)
		status = dgm_svg_curves(path, t->model, "epoch", s, t->nmonitor);
	for (int i = 0; p && i < t->nmonitor; i++) {
		free(p[i].x);
		free(p[i].y);
	}
	if (f)
		fclose(f);
	free(line);
	free(p);
	free(s);
	return status;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int dgm_report_finish(struct dgm_trainer *tr)
{
	int64_t n = tr->update - tr->first_update;

	if (n > DGM_RING)
		n = DGM_RING;
	if (tr->t->time && n > 0) {
		qsort(tr->duration, (size_t)n, sizeof *tr->duration, by_value);
		fprintf(stderr, "update_ms %.4f\n", tr->duration[n / 2] * 1000);
	}
	return tr->t->nmonitor ? draw_curves(tr) : DGM_OK;
}

int dgm_report_close(struct dgm_trainer *tr)
{
	dgm_progress_end(&tr->progress);
	if (tr->echo)
		fclose(tr->echo);
	return dgm_metrics_close(tr->metrics);
}
