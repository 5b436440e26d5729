/* trace: a few chains of a sample block over time: the conditional means of the first visible
 * variable as pictures, a line a chain, a column at sweeps 1, 2, 5, 10, 20, 50, ... and the last;
 * and the mean of its states as curves, which shows where chains stay apart. */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>

enum { CHAINS = 8, POINTS = 200, MAX_COLUMNS = 64 };

struct trace {
	const struct group *g;
	int64_t sweeps, units, every; /* every so many sweeps a point of the curves */
	int chains, columns, points, column, point;
	bool pictured;
	float *tile;   /* chains x columns x units */
	double *x, *y; /* points; chains x points */
};

/* 1, 2, 5, 10, ..., n */
static bool shown(int64_t sweep, int64_t n)
{
	int64_t ten = 1;
	while (ten * 10 <= sweep)
		ten *= 10;
	return sweep == n || sweep == ten || sweep == 2 * ten || sweep == 5 * ten;
}

int trace_begin(struct chains *k, int64_t sweeps)
{
	if (sweeps < 2)
		return EXIT_DONE;
	struct trace *t = calloc(1, sizeof *t);
	k->trace = t;
	if (t) {
		const struct group *g = first_visible(k->c->m);
		*t = (struct trace){
		    .g = g, .sweeps = sweeps, .units = 1, .every = (sweeps - 1) / POINTS + 1};
		t->chains = k->rows < CHAINS ? (int)k->rows : CHAINS;
		t->points = (int)(sweeps / t->every);
		t->pictured = job_pictured(k->s, g);
		for (int r = 0; r < g->sym->rank; r++)
			t->units *= g->sym->dim[r];
		for (int64_t ten = 1; ten <= sweeps && t->columns < MAX_COLUMNS; ten *= 10)
			t->columns += 1 + (2 * ten <= sweeps) + (5 * ten <= sweeps);
		t->columns += !shown(sweeps, sweeps + 1);
		t->tile = malloc((size_t)(t->chains * t->columns * t->units) * sizeof *t->tile);
		t->x = malloc((size_t)t->points * sizeof *t->x);
		t->y = malloc((size_t)(t->points * t->chains) * sizeof *t->y);
	}
	if (t && t->tile && t->x && t->y)
		return EXIT_DONE;
	dgm_fail(DGM_ENOMEM, "no memory for the chains of %s over time", k->c->m->name);
	return run_failed();
}

static void add_column(const struct chains *k, const struct dgm_call *call)
{
	struct trace *t = k->trace;
	const int slot = keep_slot(k, t->g, "sample.mean");
	dgm_run(dgm_function_find(k->c->mod, "sample.mean"), call);
	for (int c = 0; c < t->chains; c++)
		for (int64_t u = 0; u < t->units; u++)
			t->tile[(c * t->columns + t->column) * t->units + u] = keep_value(k, slot, c, u);
	t->column++;
}

static void add_point(const struct chains *k, int64_t sweep)
{
	struct trace *t = k->trace;
	const int slot = keep_slot(k, t->g, "sample");
	t->x[t->point] = (double)sweep;
	for (int c = 0; c < t->chains; c++) {
		double sum = 0;
		for (int64_t u = 0; u < t->units; u++)
			sum += (double)keep_value(k, slot, c, u);
		t->y[c * t->points + t->point] = sum / (double)t->units;
	}
	t->point++;
}

void trace_sweep(struct chains *k, const struct dgm_call *call, int64_t sweep)
{
	const struct trace *t = k->trace;
	if (t && t->pictured && t->column < t->columns && shown(sweep, t->sweeps))
		add_column(k, call);
	if (t && t->point < t->points && sweep % t->every == 0)
		add_point(k, sweep);
}

static int write_curves(const struct chains *k, const char *path)
{
	const struct trace *t = k->trace;
	struct arena *a = k->s->u->cx.prog;
	struct dgm_series s[CHAINS];
	for (int c = 0; c < t->chains; c++)
		s[c] = (struct dgm_series){arena_printf(a, "chain %d", c + 1), t->point, t->x,
		                           t->y + (ptrdiff_t)c * t->points};
	return dgm_svg_curves(path, arena_printf(a, "mean of %s", t->g->name), "sweep", s, t->chains);
}

int trace_write(const struct chains *k)
{
	const struct trace *t = k->trace;
	if (!t)
		return EXIT_DONE;
	const struct family *f = t->g->family;
	const bool finite = isfinite(f->lo) && isfinite(f->hi);
	int64_t h, w;
	int status = write_curves(k, sample_path(k->s, k->c->block, "chains", "svg"));
	job_picture(k->s, t->g, &h, &w);
	if (status == DGM_OK && t->pictured)
		status = dgm_png_grid(sample_path(k->s, k->c->block, "chains", "png"), t->tile,
		                      t->chains * t->columns, h, w, t->units, t->columns,
		                      finite ? (float)f->lo : 0, finite ? (float)f->hi : 0);
	return status == DGM_OK ? EXIT_DONE : run_failed();
}

void trace_free(struct chains *k)
{
	if (!k->trace)
		return;
	free(k->trace->tile);
	free(k->trace->x);
	free(k->trace->y);
	free(k->trace);
}
