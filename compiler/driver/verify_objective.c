/* The objectives of the file's train blocks that are numbers of the examples: their gradients,
 * along a random direction in each parameter, against differences of the objective's own
 * definition, by brute force from the free energy F = -log sum over the hidden of exp(-E). */
#include "driver/verify.h"

#include <math.h>
#include <string.h>

struct defined { /* what a definition reads */
	const struct compiled *c;
	const struct engine *e; /* after its run: the noise that it drew */
	int row;
};

static double log_sum_hidden(struct trial *t)
{
	return trial_logsum(t, t->hidden, NULL);
}

static bool is_visible(const struct trial *t, int i)
{
	return t->visible[t->site.at[i].group];
}

/* -log p(v) */
static double nll(struct trial *t, const struct defined *d)
{
	(void)d;
	return trial_logsum(t, t->all, NULL) - log_sum_hidden(t);
}

/* -log p(y | the other visible units) */
static double conditional(struct trial *t, const struct defined *d)
{
	const struct value *v = objective_value(d->c, "target");
	bool *which = NEW_ARRAY(t->a, bool, t->m->group.n);
	for (int i = 0; i < t->m->group.n; i++)
		which[i] = t->hidden[i] || strcmp(t->m->group.at[i]->name, v->name) == 0;
	return trial_logsum(t, which, NULL) - log_sum_hidden(t);
}

/* - sum over visible units of log p(unit | the other visible units) */
static double pseudo(struct trial *t, const struct defined *d)
{
	double sum = 0;
	(void)d;
	for (int i = 0; i < t->site.n; i++)
		sum -= is_visible(t, i) ? trial_site_log_p(t, &t->site.at[i], t->hidden) : 0;
	return sum;
}

/* sum over visible units of (1 - p(unit | the other visible units))^2 */
static double ratio(struct trial *t, const struct defined *d)
{
	double sum = 0;
	(void)d;
	for (int i = 0; i < t->site.n; i++)
		sum += is_visible(t, i) ? pow(expm1(trial_site_log_p(t, &t->site.at[i], t->hidden)), 2) : 0;
	return sum;
}

#define H 0.03
/* log p'(x) and log p''(x) of a visible unit, by differences of fourth order */
static void curvature(struct trial *t, const struct site *s, double *first, double *second)
{
	double *x = memory_get(&t->mem, t->m->group.at[s->group]->sym) + s->at[0], was = *x, f[5];
	for (int k = 0; k < 5; k++) {
		*x = was + (k - 2) * H;
		f[k] = log_sum_hidden(t);
	}
	*x = was;
	*first = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * H);
	*second = (16 * (f[3] + f[1]) - (f[4] + f[0]) - 30 * f[2]) / (12 * H * H);
}

/* sum of (log p')^2/2 + log p'' */
static double score(struct trial *t, const struct defined *d)
{
	double sum = 0, first, second;
	(void)d;
	for (int i = 0; i < t->site.n; i++)
		if (is_visible(t, i)) {
			curvature(t, &t->site.at[i], &first, &second);
			sum += first * first / 2 + second;
		}
	return sum;
}

/* sum of (sigma log p' at v + sigma z, plus z)^2/2, z the noise that was drawn */
static double denoising(struct trial *t, const struct defined *d)
{
	double sigma = objective_value(d->c, "sigma")->num, sum = 0, first, second;
	double *z = NEW_ARRAY(t->a, double, t->site.n);
	for (int i = 0; i < t->site.n; i++) {
		const struct site *s = &t->site.at[i];
		const struct group *g = t->m->group.at[s->group];
		if (!is_visible(t, i))
			continue;
		z[i] = engine_get(d->e, arena_printf(t->a, "%s.noise", g->name), d->row, s->at[0]);
		memory_get(&t->mem, g->sym)[s->at[0]] += sigma * z[i];
	}
	for (int i = 0; i < t->site.n; i++)
		if (is_visible(t, i)) {
			curvature(t, &t->site.at[i], &first, &second);
			sum += pow(sigma * first + z[i], 2) / 2;
		}
	return sum;
}

static const struct definition {
	const char *objective;
	double (*value)(struct trial *t, const struct defined *d); /* at the state's visible units */
	double tolerance;                                          /* of the gradient, in double */
} definitions[] = {
    {"nll", nll, TOL_SLOPE},
    {"conditional", conditional, TOL_SLOPE},
    {"pseudo_likelihood", pseudo, TOL_SLOPE},
    {"ratio_matching", ratio, TOL_SLOPE},
    {"score_matching", score, 1e-6},
    {"denoising", denoising, 1e-6},
};

struct mean {
	const struct definition *is;
	struct defined d;
};

static double mean_value(struct trial *t, void *arg)
{
	struct mean *m = arg;
	double sum = 0;
	for (m->d.row = 0; m->d.row < ROWS; m->d.row++) {
		trial_load(t, t->row[m->d.row]);
		sum += m->is->value(t, &m->d) / ROWS;
	}
	return sum;
}

static void compare(struct trial *t, const struct compiled *c, const char *key,
                    const struct definition *is, bool generated)
{
	struct states st = {.units = 0};
	struct engine e;
	const char *name = arena_printf(t->a, "objective %s: gradient", c->objective->name);
	if (c->objective->exact && !t->joint)
		return;
	if (c->objective->exact)
		objective_states(&t->u->cx, t->m, &st);
	int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	pop[POP_STATES] = (int64_t)1 << st.units;
	if (!engine_open(&e, t, key, c, generated, pop)) {
		report_skip(t->report, name, dgm_error());
		return;
	}
	struct mean m = {is, {c, &e, 0}};
	engine_run(&e, "train.first");
	engine_run(&e, "train.final");
	if (c->objective->exact) {
		double log_z = engine_log_z(&e), error, truth;
		trial_load(t, t->row[0]);
		truth = trial_logsum(t, t->all, &error);
		if (trial_known(t, "log Z of the objective", error))
			report_compare(t->report, engine_label(&e, "log Z of the objective"),
			               off_by(log_z, truth), engine_tolerance(&e, TOL_DOUBLE) + 10 * error);
	}
	for (int w = 0; w < t->m->weight.n; w++)
		report_compare(t->report, engine_label(&e, name),
		               off_by(engine_gradient(&e, w), trial_slope(t, w, mean_value, &m)),
		               engine_tolerance(&e, is->tolerance));
	engine_close(&e);
}

static const struct definition *definition_of(const struct objective *o)
{
	for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++)
		if (strcmp(definitions[i].objective, o->name) == 0)
			return &definitions[i];
	return NULL;
}

bool objective_defined(const struct objective *o)
{
	return definition_of(o) != NULL;
}

void verify_objectives(struct trial *t)
{
	for (int i = 0; i < t->u->checked->block.n; i++) {
		const struct block_def *b = t->u->checked->block.at[i];
		struct compiled c;
		if (b->kind != BLOCK_TRAIN)
			continue;
		if (!block_expand(t->u, b, &c)) {
			report_skip(t->report, "a train block", trial_why(t));
			continue;
		}
		const struct definition *is = definition_of(c.objective);
		if (is == NULL)
			continue;
		for (int generated = 0; generated < 2; generated++)
			compare(t, &c, arena_printf(t->a, "block %d", i), is, generated);
	}
}
