/* loglik parzen(validation = DATA): the log-density of held-out examples under windows on samples
 * of a model that is drawn from factor by factor.  The width is the one of several, at equal
 * distances of their logarithms, at which the validation data are likeliest (Goodfellow et al.
 * 2014). */
#include "driver/driver.h"
#include "parzen.h"

#include <math.h>
#include <stdlib.h>

/* The only visible variable of real numbers; NULL: there is another number of these. */
static const struct group *windowed(const struct model *m)
{
	const struct group *only = NULL;
	int n = 0;
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (g->role != GROUP_VISIBLE || g->sym->values != VALUES_REAL ||
		    g->family->shape == SHAPE_ONEHOT)
			continue;
		only = g;
		n++;
	}
	return n == 1 ? only : NULL;
}

bool expand_parzen(struct expansion *x)
{
	const struct model *m = x->m;
	const struct group *bad = model_normalised(m) && windowed(m) ? NULL : m->group.at[0];
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_GIVEN)
			bad = m->group.at[i];
	if (bad)
		diag(x->cx->diags, DIAG_PARZEN, bad->span);
	return !bad && objective_sampler(x);
}

/* Rows of a slot as doubles. */
static void widen(const struct dgm_slot *slot, const float *from, int64_t rows, double *to)
{
	const int64_t items = dgm_slot_items(slot), stride = dgm_item_stride(slot);
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < items; i++)
			to[r * items + i] = (double)from[r * stride + i];
}

static double *room(int64_t rows, int64_t items)
{
	double *x = malloc((size_t)rows * (size_t)items * sizeof *x);
	if (!x)
		dgm_fail(DGM_ENOMEM, "not enough memory for %lld examples", (long long)rows);
	return x;
}

/* n samples of the visible group; NULL: no memory. */
static double *samples(struct evaluation *e, const struct group *g, int64_t n)
{
	const struct dgm_module *m = e->c.mod;
	const int at = dgm_slot_find(m, arena_printf(e->c.x->cx->prog, "%s.sample", g->name));
	const int64_t items = dgm_slot_items(&m->slot[at]), most = e->store->pop_capacity[POP_SAMPLES];
	struct dgm_call call = dgm_call_on(e->store, (uint64_t)e->s->u->opt->seed);
	double *x = room(n, items);
	call.stage = SAMPLE_STAGE;
	for (int64_t first = 0; x && first < n; first += most) {
		call.row0[POP_SAMPLES] = first;
		call.pop[POP_SAMPLES] = n - first < most ? n - first : most;
		dgm_run(dgm_function_find(m, "sample.sweep"), &call);
		sample_elements(&e->c, &call);
		widen(&m->slot[at], e->store->slot[at], call.pop[POP_SAMPLES], x + first * items);
	}
	return x;
}

/* The examples of a data set; NULL: no memory, or they cannot be read. */
static double *examples(const struct evaluation *e, const struct dgm_data *d)
{
	const struct dgm_slot slot = {.name = d->name, .pop = POP_DATA, .rank = 1, .dim = {d->items}};
	float *row = NEW_ARRAY(e->s->u->cx.tmp, float, dgm_item_stride(&slot));
	double *x = room(d->n, d->items);
	for (int64_t i = 0; x && i < d->n; i++) {
		if (dgm_data_batch(d, &i, 1, &slot, row, (uint64_t)e->s->u->opt->seed, 0) != DGM_OK) {
			free(x);
			return NULL;
		}
		widen(&slot, row, 1, x + i * d->items);
	}
	return x;
}

static struct dgm_mean mean_of(const double *x, int64_t n, int64_t step)
{
	double sum = 0, squares = 0;
	for (int64_t i = 0; i < n; i++)
		sum += x[i * step] / (double)n;
	for (int64_t i = 0; i < n; i++)
		squares += (x[i * step] - sum) * (x[i * step] - sum);
	return (struct dgm_mean){sum, n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN, n};
}

/* The mean log-density of a data set for each width; false: failed. */
static bool densities(const struct evaluation *e, const struct dgm_parzen *p,
                      const struct dgm_data *d, struct dgm_mean *out)
{
	double *x = examples(e, d), *each = x ? room(d->n, p->nwidth) : NULL;
	bool ok = each && dgm_parzen(p, x, d->n, each) == DGM_OK;
	for (int k = 0; ok && k < p->nwidth; k++)
		out[k] = mean_of(each + k, d->n, p->nwidth);
	free(x);
	free(each);
	return ok;
}

struct windows { /* the arguments */
	const struct dgm_data *validation;
	int64_t samples;
	double from, to;
	int widths;
};

static int evaluate_windows(struct evaluation *e, const struct group *g, const struct dgm_data *d,
                            const struct windows *w)
{
	struct arena *a = e->s->u->cx.prog;
	double *width = NEW_ARRAY(a, double, w->widths);
	struct dgm_mean *on = NEW_ARRAY(a, struct dgm_mean, w->widths), test;
	double *point = samples(e, g, w->samples);
	struct dgm_parzen p = {point, w->samples, d->items, width, w->widths};
	int best = 0;
	for (int k = 0; k < w->widths; k++)
		width[k] = w->from * pow(w->to / w->from, w->widths > 1 ? k / (w->widths - 1.0) : 0);
	bool ok = point && densities(e, &p, w->validation, on);
	for (int k = 1; k < w->widths && ok; k++)
		best = on[k].mean > on[best].mean ? k : best;
	p.width += best;
	p.nwidth = 1;
	ok = ok && densities(e, &p, d, &test);
	free(point);
	if (!ok)
		return run_failed();
	const char *end = w->widths > 1 && (best == 0 || best == w->widths - 1)
	                      ? ", at the end of the range: widen it"
	                      : "";
	const char *method =
	    arena_printf(a, "Parzen windows of width %.4g, chosen on %s%s, on %lld samples", *p.width,
	                 w->validation->name, end, (long long)w->samples);
	struct result r = {
	    .figure = "log-density (Parzen windows)",
	    .kind = "windows on samples",
	    .value = test.mean,
	    .error = test.stderr_,
	    .method = method,
	    .detail = {{"samples", (double)w->samples, NULL}, {"width", *p.width, NULL}}};
	return evaluation_record(e, r) == DGM_OK ? EXIT_DONE : run_failed();
}

int evaluate_parzen(struct evaluation *e, const struct value *arg, struct log_z *none)
{
	(void)none;
	struct unit *u = e->s->u;
	const struct group *g = windowed(e->c.m);
	const struct binding_def *bound = e->c.block->bind;
	int status = EXIT_FILE;
	while (bound->var->sym != g->sym)
		bound++;
	struct windows w = {.samples = (int64_t)arg[1].num, .from = arg[2].num, .to = arg[3].num};
	w.widths = (int)arg[4].num;
	const struct dgm_data *d = dataset(u, bound->data, false, &status);
	if (d)
		w.validation = dataset(u, data_named(u, arg[0].name), false, &status);
	if (!d || !w.validation)
		return status;
	return evaluate_windows(e, g, d, &w);
}
