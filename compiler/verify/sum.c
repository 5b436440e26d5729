/* Sums over states, in one walk with the largest weight so far divided out; exact draws, in a
 * second walk; the conditional of one site. */
#include "verify/verify.h"

#include <math.h>

/* ---- sums ---- */
struct walk {
	struct trial *t;
	const energy *E;
	const bool *which;
	stat_fn *f;
	void *arg;
	int n, integrals;
	double top, sum, coarse, edge, *mean, *now;
	const double
	    *level; /* of draws: probabilities in order, of which `passed` is behind the walk */
	double log_z, passed, **draw;
	int levels, next;
};

static void draw_state(struct walk *w, double lw)
{
	w->passed += exp(lw - w->log_z);
	while (w->next < w->levels && w->level[w->next] < w->passed)
		w->draw[w->next++] = trial_save(w->t);
}

static void rescale(struct walk *w, double lw)
{
	double f = isfinite(w->top) ? exp(w->top - lw) : 0;
	w->top = lw;
	w->sum *= f;
	w->coarse *= f;
	w->edge *= f;
	for (int k = 0; k < w->n; k++)
		w->mean[k] *= f;
}

static void walk_state(struct walk *w, double lw, bool coarse, bool edge)
{
	lw -= trial_energy_of(w->t, w->E);
	if (lw == -INFINITY)
		return;
	if (w->levels) {
		draw_state(w, lw);
		return;
	}
	if (!(lw <= w->top))
		rescale(w, lw);
	double p = exp(lw - w->top);
	w->sum += p;
	w->coarse += coarse ? ldexp(p, w->integrals) : 0;
	w->edge += edge ? p : 0;
	if (w->n && !(p < 1e-18)) {
		w->f(w->t, w->arg, w->now);
		for (int k = 0; k < w->n; k++)
			w->mean[k] += p * w->now[k];
	}
}

static void walk_sites(struct walk *w, int i, double lw, bool coarse, bool edge)
{
	while (i < w->t->site.n &&
	       (!w->which[w->t->site.at[i].group] || &w->t->site.at[i] == w->t->held))
		i++;
	if (i == w->t->site.n) {
		walk_state(w, lw, coarse, edge);
		return;
	}
	const struct site *s = &w->t->site.at[i];
	for (int k = 0; k < s->n; k++) {
		trial_set(w->t, s, k);
		walk_sites(w, i + 1, lw + s->log_w[k], coarse && !(s->halves && k % 2),
		           edge || (s->ends && (k == s->n - 1 || (s->halves && k == 0))));
	}
}

/* The trapezoidal rule's error at half the step is the square of that at the whole, and less. */
double trial_sum(struct trial *t, const energy *E, const bool *which, stat_fn *f, void *arg, int n,
                 double *mean, double *error)
{
	struct walk w = {.t = t, .E = E, .which = which, .f = f, .arg = arg, .n = n, .mean = mean};
	double *was = trial_save(t);
	w.top = -INFINITY;
	w.now = NEW_ARRAY(t->a, double, n + 1);
	for (int k = 0; k < n; k++)
		mean[k] = 0;
	for (int i = 0; i < t->site.n; i++)
		w.integrals +=
		    which[t->site.at[i].group] && t->site.at[i].halves && &t->site.at[i] != t->held;
	walk_sites(&w, 0, 0, true, false);
	trial_load(t, was);
	for (int k = 0; k < n; k++)
		mean[k] /= w.sum;
	double half = w.coarse / w.sum - 1;
	if (error)
		*error = half * half + w.edge / w.sum;
	return w.top + log(w.sum);
}

double trial_logsum(struct trial *t, const bool *which, double *error)
{
	return trial_sum(t, &t->E, which, NULL, NULL, 0, NULL, error);
}

/* Uniform numbers in order, as partial sums of exponential ones; none is so near 1 that rounding in
 * the walk's sum leaves it out. */
static double *in_order(struct trial *t, int n)
{
	double *u = NEW_ARRAY(t->a, double, n), sum = 0;
	for (int i = 0; i < n; i++)
		u[i] = sum -= log(trial_uniform(t));
	sum -= log(trial_uniform(t));
	for (int i = 0; i < n; i++)
		u[i] *= (1 - 1e-9) / sum;
	return u;
}

double **trial_draws(struct trial *t, int n)
{
	struct walk w = {.t = t, .E = &t->E, .which = t->all, .levels = n, .level = in_order(t, n)};
	double *was = trial_save(t);
	w.draw = NEW_ARRAY(t->a, double *, n);
	w.log_z = trial_logsum(t, t->all, NULL);
	walk_sites(&w, 0, 0, true, false);
	trial_load(t, was);
	for (int i = n - 1; i > 0; i--) {
		int k = (int)((i + 1) * trial_uniform(t));
		double *x = w.draw[i];
		w.draw[i] = w.draw[k];
		w.draw[k] = x;
	}
	return w.draw;
}

/* ---- one site ---- */
void trial_site(struct trial *t, const struct site *s, const bool *summed, double *log_w)
{
	double *was = trial_save(t);
	t->held = s;
	for (int k = 0; k < s->n; k++) {
		trial_set(t, s, k);
		log_w[k] = s->log_w[k] + (summed ? trial_logsum(t, summed, NULL) : -trial_energy(t));
	}
	t->held = NULL;
	trial_load(t, was);
}

double trial_site_mean(struct trial *t, const struct site *s, const double *log_w, int element)
{
	double top = -INFINITY, sum = 0, mean = 0;
	(void)t;
	for (int k = 0; k < s->n; k++)
		top = fmax(top, log_w[k]);
	for (int k = 0; k < s->n; k++) {
		sum += exp(log_w[k] - top);
		mean += exp(log_w[k] - top) * s->x[k * s->width + element];
	}
	return mean / sum;
}

double trial_site_log_p(struct trial *t, const struct site *s, const bool *summed)
{
	double *log_w = NEW_ARRAY(t->a, double, s->n), top = -INFINITY, sum = 0;
	trial_site(t, s, summed, log_w);
	for (int k = 0; k < s->n; k++)
		top = fmax(top, log_w[k]);
	for (int k = 0; k < s->n; k++)
		sum += exp(log_w[k] - top);
	t->held = s;
	double here = summed ? trial_logsum(t, summed, NULL) : -trial_energy(t);
	t->held = NULL;
	const struct group *g = t->m->group.at[s->group];
	const double *state = group_state(t, s->group);
	for (int i = 0; i < s->width; i++)
		here -= base_of(g, 1, state + s->at[i]);
	return here - top - log(sum);
}

double *trial_hidden_means(struct trial *t)
{
	double *mean = trial_save(t), *to = mean;
	for (int g = 0; g < t->m->group.n; to += sym_items(t->m->group.at[g++]->sym))
		for (int i = 0; i < t->site.n; i++) {
			const struct site *s = &t->site.at[i];
			double *log_w = NEW_ARRAY(t->a, double, s->n);
			if (s->group != g || !t->hidden[g])
				continue;
			trial_site(t, s, t->hidden, log_w);
			for (int k = 0; k < s->width; k++)
				to[s->at[k]] = trial_site_mean(t, s, log_w, k);
		}
	return mean;
}
