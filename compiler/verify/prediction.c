/* The definition of multi_prediction: passes of mean field over what is missing, each site's q
 * proportional to exp(-<E>) over the others', by sums over all their values. */
#include "verify/verify.h"

#include <math.h>

struct guess {
	struct trial *t;
	const struct goal *goal;
	const double *example;
	double *q;
	bool *sites; /* hidden or missing */
};

static bool predicts(const struct trial *t, const struct goal *goal, int group)
{
	return t->visible[group] && (!goal->args.of || goal->args.of[group]);
}

/* Of several such objectives each has its own. */
static const char *missing_name(const struct guess *g, const struct engine *e, int group)
{
	const char *name = g->t->m->group.at[group]->name;
	int n = 1;
	for (const struct goal *before = e->c.goal.at; before < g->goal; before++)
		n += before->objective == g->goal->objective && predicts(g->t, before, group);
	return n > 1 ? arena_printf(g->t->a, "%s.missing%d", name, n)
	             : arena_printf(g->t->a, "%s.missing", name);
}

/* Which sites are missing, and their means at first. */
static void begin(struct guess *g, const struct engine *e, int row)
{
	struct trial *t = g->t;
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		const struct group *of = t->m->group.at[s->group];
		double *q = g->q + meanfield_offset(t, s->group);
		const char *missing = missing_name(g, e, s->group);
		bool hidden = t->hidden[s->group], two = of->family->shape == SHAPE_TWO;
		g->sites[i] =
		    hidden || (predicts(t, g->goal, s->group) && engine_get(e, missing, row, s->at[0]) > 0);
		for (int k = 0; k < s->width && g->sites[i]; k++)
			q[s->at[k]] = !two     ? 1.0 / s->n
			              : hidden ? of->family->start
			                       : memory_get(&t->mem, of->mean)[s->at[k]];
	}
}

static bool has_value(const struct site *s, int k, const double *x)
{
	bool same = true;
	for (int i = 0; i < s->width; i++)
		same = same && s->x[k * s->width + i] == x[s->at[i]];
	return same;
}

/* - log of the normalised weight of the value that the example has */
static double surprise(const struct guess *g, const struct site *s, const double *log_w)
{
	const double *x = g->example + meanfield_offset(g->t, s->group);
	double sum = 0;
	int own = 0;
	while (!has_value(s, own, x))
		own++;
	for (int k = 0; k < s->n; k++)
		sum += exp(log_w[k] - log_w[own]);
	return log(sum);
}

/* All missing sites of a group, from the means before; the surprise at what they are. */
static double update(struct guess *g, int group)
{
	struct trial *t = g->t;
	int64_t at = meanfield_offset(t, group), n = meanfield_offset(t, t->m->group.n);
	double *next = arena_copy(t->a, g->q, sizeof *next * (size_t)n);
	double damping = g->goal->args.damping, loss = 0;
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		double *log_w = NEW_ARRAY(t->a, double, s->n);
		if (s->group != group || !g->sites[i])
			continue;
		meanfield_site(t, g->q, g->sites, s, log_w);
		for (int k = 0; k < s->width; k++)
			next[at + s->at[k]] =
			    (1 - damping) * trial_site_mean(t, s, log_w, k) + damping * g->q[at + s->at[k]];
		loss += t->visible[group] ? surprise(g, s, log_w) : 0;
	}
	g->q = next;
	return loss;
}

double prediction_loss(struct trial *t, const struct goal *goal, const struct engine *e, int row)
{
	int64_t n = meanfield_offset(t, t->m->group.n);
	struct guess g = {.t = t, .goal = goal, .example = t->row[row]};
	double loss = 0;
	g.q = arena_copy(t->a, t->row[row], sizeof *g.q * (size_t)n);
	g.sites = NEW_ARRAY(t->a, bool, t->site.n + 1);
	begin(&g, e, row);
	for (int pass = 0; pass < (int)goal->args.steps; pass++) {
		loss = 0;
		for (int i = 0; i < t->m->group.n; i++)
			if (t->hidden[i])
				update(&g, i);
		for (int i = 0; i < t->m->group.n; i++)
			if (predicts(t, goal, i))
				loss += update(&g, i);
	}
	return loss;
}
