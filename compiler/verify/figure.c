/* Figures of the examples, in double and by generated code, against brute force. */
#include "verify/verify.h"

#include <math.h>

static double free_energy(struct trial *t)
{
	return trial_base(t, t->visible) - trial_logsum(t, t->hidden, NULL);
}

static double pseudo_likelihood(struct trial *t)
{
	double sum = 0;
	for (int i = 0; i < t->site.n; i++)
		if (t->visible[t->site.at[i].group])
			sum += trial_site_log_p(t, &t->site.at[i], t->hidden);
	return sum;
}

/* sum (v - E[v | h = E[h | v]])^2: the hidden units at their means, then each visible site at its
 * own. */
static double reconstruction(struct trial *t)
{
	double sum = 0, *mean = trial_hidden_means(t);
	trial_load(t, mean);
	for (int i = 0; i < t->site.n; i++) {
		struct site at_means = t->site.at[i], *s = &at_means;
		const double *v = memory_get(&t->mem, t->m->group.at[s->group]->sym);
		if (!t->visible[s->group] || !trial_refine(t, s))
			continue;
		double *log_w = NEW_ARRAY(t->a, double, s->n);
		trial_site(t, s, NULL, log_w);
		for (int k = 0; k < s->width; k++)
			sum += pow(v[s->at[k]] - trial_site_mean(t, s, log_w, k), 2);
	}
	return sum;
}

/* - log p(v), the hidden units summed out, of a model whose factors make it normalised */
static double nll(struct trial *t)
{
	return -trial_logsum(t, t->hidden, NULL);
}

static const struct {
	const char *name, *function;
	bool (*expand)(struct expansion *x);
	double (*truth)(struct trial *t);
	bool directed; /* of models that are products of factors, else of those without any */
} figures[] = {
    {"figure free_energy", "free_energy", objective_free_energy, free_energy, false},
    {"figure pseudo_likelihood", "pseudo_likelihood", objective_pseudo_likelihood,
     pseudo_likelihood, false},
    {"figure reconstruction", "reconstruction", objective_reconstruction, reconstruction, false},
    {"figure nll", "nll", objective_nll, nll, true},
};
enum { NFIGURE = sizeof figures / sizeof *figures };

void verify_figures(struct trial *t)
{
	static const int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
	bool there[NFIGURE];
	for (int k = 0; k < NFIGURE; k++) {
		there[k] = false;
		if (figures[k].directed ? !model_normalised(t->m) : t->m->factor.n > 0)
			continue;
		there[k] = figures[k].expand(expansion_new(&t->u->cx, t->m)) && figures[k].expand(c.x);
		if (!there[k])
			report_skip(t->report, figures[k].name, trial_why(t));
	}
	for (int generated = 0; generated < 2; generated++) {
		struct engine e;
		if (!engine_open(&e, t, "figures", &c, generated, pop)) {
			report_skip(t->report, "generated code", dgm_error());
			return;
		}
		for (int k = 0; k < NFIGURE; k++) {
			if (!there[k])
				continue;
			engine_run(&e, figures[k].function);
			for (int r = 0; r < ROWS; r++) {
				trial_load(t, t->row[r]);
				double got =
				    engine_get(&e, arena_printf(t->a, "out.%s", figures[k].function), r, 0);
				report_compare(t->report, engine_label(&e, figures[k].name),
				               off_by(got, figures[k].truth(t)), engine_tolerance(&e, TOL_DOUBLE));
			}
		}
		engine_close(&e);
	}
}
