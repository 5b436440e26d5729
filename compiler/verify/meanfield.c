/* Mean field where the hidden units cannot be summed out, or the file asks for it: the programs of
 * its start, its passes and its bound against brute force.  With q a product over sites with the
 * program's means, bound = - <E>_q + H(q)  <=  log sum over the hidden of exp(-E), no pass lowers
 * it, and at the fixed point each site's q is proportional to exp(-<E>) over the others' q. */
#include "verify/verify.h"

#include <math.h>

enum { PASSES = 200 };

int64_t meanfield_offset(const struct trial *t, int group)
{
	int64_t at = 0;
	for (int g = 0; g < group; g++)
		at += sym_items(t->m->group.at[g]->sym);
	return at;
}

double *meanfield_means(const struct engine *e, int row)
{
	struct trial *t = e->t;
	double *q = arena_copy(t->a, t->row[row % ROWS],
	                       sizeof *q * (size_t)meanfield_offset(t, t->m->group.n)),
	       *to = q;
	for (int g = 0; g < t->m->group.n; to += sym_items(t->m->group.at[g++]->sym))
		for (int64_t i = 0; t->hidden[g] && i < sym_items(t->m->group.at[g]->sym); i++)
			to[i] = engine_get(e, arena_printf(t->a, "%s.q", t->m->group.at[g]->name), row, i);
	return q;
}

/* q of the k-th value of a site: a finite site's means say the probabilities of its values. */
static double q_of(const struct trial *t, const double *q, const struct site *s, int k)
{
	const double *mean = q + meanfield_offset(t, s->group), *x = s->x + k * s->width;
	double rest = 1;
	if (s->width == 1 && s->n == 2)
		return (mean[s->at[0]] - s->x[1 - k]) / (x[0] - s->x[1 - k]);
	for (int i = 0; i < s->width; i++) {
		if (x[i] > 0)
			return mean[s->at[i]];
		rest -= mean[s->at[i]];
	}
	return rest;
}

/* over these sites from the i-th on, the one held as it is */
static double mean_energy(struct trial *t, const double *q, const bool *sites, int i)
{
	while (i < t->site.n && (!sites[i] || &t->site.at[i] == t->held))
		i++;
	if (i == t->site.n)
		return trial_energy(t);
	double sum = 0;
	for (int k = 0; k < t->site.at[i].n; k++) {
		double p = q_of(t, q, &t->site.at[i], k);
		trial_set(t, &t->site.at[i], k);
		sum += p == 0 ? 0 : p * mean_energy(t, q, sites, i + 1);
	}
	return sum;
}

static const bool *hidden_sites(struct trial *t)
{
	bool *sites = NEW_ARRAY(t->a, bool, t->site.n + 1);
	for (int i = 0; i < t->site.n; i++)
		sites[i] = t->hidden[t->site.at[i].group];
	return sites;
}

double meanfield_energy(struct trial *t, void *q)
{
	return mean_energy(t, q, hidden_sites(t), 0);
}

void meanfield_site(struct trial *t, const double *q, const bool *sites, const struct site *s,
                    double *log_w)
{
	t->held = s;
	for (int k = 0; k < s->n; k++) {
		trial_set(t, s, k);
		log_w[k] = -mean_energy(t, q, sites, 0);
	}
	t->held = NULL;
}

static double bound_of(struct trial *t, const double *q)
{
	double entropy = 0;
	for (int i = 0; i < t->site.n; i++)
		for (int k = 0; t->hidden[t->site.at[i].group] && k < t->site.at[i].n; k++) {
			double p = q_of(t, q, &t->site.at[i], k);
			entropy -= p > 0 ? p * log(p) : 0;
		}
	return entropy - mean_energy(t, q, hidden_sites(t), 0);
}

static void fixed_point(struct engine *e, const double *q)
{
	struct trial *t = e->t;
	const bool *sites = hidden_sites(t);
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		double *log_w = NEW_ARRAY(t->a, double, s->n);
		if (!t->hidden[s->group])
			continue;
		meanfield_site(t, q, sites, s, log_w);
		for (int k = 0; k < s->width; k++)
			report_compare(t->report, engine_label(e, "mean field: fixed point"),
			               off_by(q[meanfield_offset(t, s->group) + s->at[k]],
			                      trial_site_mean(t, s, log_w, k)),
			               engine_tolerance(e, 1e-6));
	}
}

/* The figure `bound` is minus the bound, and the base measures of the visible units. */
static void compare_row(struct engine *e, int r, double *last)
{
	struct trial *t = e->t;
	trial_load(t, t->row[r]);
	double log_p = trial_logsum(t, t->hidden, NULL),
	       tolerance = engine_tolerance(e, TOL_DOUBLE) * (1 + fabs(log_p));
	double bound = trial_base(t, t->visible) - engine_get(e, "out.bound", r, 0);
	report_compare(t->report, engine_label(e, "mean field: bound"),
	               off_by(bound, bound_of(t, meanfield_means(e, r))),
	               engine_tolerance(e, TOL_DOUBLE));
	report_compare(t->report, engine_label(e, "mean field: bound above log p by"),
	               fmax(0, bound - log_p), tolerance);
	report_compare(t->report, engine_label(e, "mean field: a pass lowers the bound by"),
	               fmax(0, *last - bound), tolerance);
	*last = bound;
}

static void compare(struct engine *e)
{
	double last[ROWS];
	for (int r = 0; r < ROWS; r++)
		last[r] = -INFINITY;
	engine_run(e, "meanfield.start");
	for (int k = 0; k < PASSES; k++) {
		engine_run(e, "meanfield.pass");
		if (k >= 8 && k < PASSES - 1)
			continue;
		engine_run(e, "bound");
		for (int r = 0; r < ROWS; r++)
			compare_row(e, r, &last[r]);
	}
	for (int r = 0; r < ROWS; r++) {
		trial_load(e->t, e->t->row[r]);
		fixed_point(e, meanfield_means(e, r));
	}
}

static bool asks_for_posterior(const struct trial *t)
{
	const struct checked *file = t->u->checked;
	bool approximated;
	for (int i = 0; i < file->block.n; i++)
		if (block_clause(file->block.at[i], "posterior"))
			return true;
	for (int i = 0; i < file->data.n; i++)
		if (drawn_mean_of(file->data.at[i], t->m, &approximated) && approximated)
			return true;
	return false;
}

void verify_meanfield(struct trial *t)
{
	static const int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
	struct engine e;
	energy F;
	if (model_sum_out(NULL, t->m, &t->m->E, t->hidden, &F) && !asks_for_posterior(t))
		return;
	if (!objective_bound(c.x, 0)) {
		report_skip(t->report, "mean field", trial_why(t));
		return;
	}
	for (int generated = 0; generated < 2; generated++) {
		if (!engine_open(&e, t, "mean field", &c, generated, pop)) {
			report_skip(t->report, "mean field, generated code", dgm_error());
			return;
		}
		compare(&e);
		engine_close(&e);
	}
}

/* ---- means given the data, the other hidden groups summed out ---- */
static void compare_means(struct engine *e, const struct group *g)
{
	struct trial *t = e->t;
	const char *name = arena_printf(t->a, "%s.mean", g->name),
	           *label = engine_label(e, "means given the data");
	engine_run(e, "mean");
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		for (int i = 0; i < t->site.n; i++) {
			const struct site *s = &t->site.at[i];
			double *log_w = NEW_ARRAY(t->a, double, s->n);
			if (t->m->group.at[s->group] != g)
				continue;
			trial_site(t, s, t->hidden, log_w);
			for (int k = 0; k < s->width; k++)
				report_compare(
				    t->report, label,
				    off_by(engine_get(e, name, r, s->at[k]), trial_site_mean(t, s, log_w, k)),
				    engine_tolerance(e, TOL_DOUBLE));
		}
	}
}

void verify_means(struct trial *t)
{
	static const int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	for (int i = 0; i < t->u->checked->data.n; i++) {
		bool approximated;
		const struct group *g = drawn_mean_of(t->u->checked->data.at[i], t->m, &approximated);
		struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
		struct engine e;
		if (!g || approximated)
			continue;
		if (!objective_mean(c.x, g)) {
			report_skip(t->report, "means given the data", trial_why(t));
			continue;
		}
		for (int generated = 0; generated < 2; generated++) {
			if (!engine_open(&e, t, arena_printf(t->a, "means of %s", g->name), &c, generated,
			                 pop)) {
				report_skip(t->report, "means given the data, generated code", dgm_error());
				return;
			}
			compare_means(&e, g);
			engine_close(&e);
		}
	}
}
