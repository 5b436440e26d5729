/* The objectives of the file's train blocks that are numbers of the examples: their gradients,
 * along a random direction in each parameter, against differences of the objective's own
 * definition, by brute force from the free energy F = -log sum over the hidden of exp(-E). */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct defined { /* what a definition reads */
	const struct goal *goal;
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
/* log p'(x) and log p''(x) of a visible unit, by differences of sixth order */
static void curvature(struct trial *t, const struct site *s, double *first, double *second)
{
	double *x = memory_get(&t->mem, t->m->group.at[s->group]->sym) + s->at[0], was = *x, f[7];
	for (int k = 0; k < 7; k++) {
		*x = was + (k - 3) * H;
		f[k] = log_sum_hidden(t);
	}
	*x = was;
	*first = (45 * (f[4] - f[2]) - 9 * (f[5] - f[1]) + f[6] - f[0]) / (60 * H);
	*second =
	    (270 * (f[4] + f[2]) - 27 * (f[5] + f[1]) + 2 * (f[6] + f[0]) - 490 * f[3]) / (180 * H * H);
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
	double sigma = d->goal->args.sigma, sum = 0, first, second;
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

static double prediction(struct trial *t, const struct defined *d)
{
	return prediction_loss(t, d->goal, d->e, d->row);
}

static const struct loss {
	const char *objective;
	double (*value)(struct trial *t, const struct defined *d); /* at the state's visible units */
	double tolerance;                                          /* of the gradient, in double */
} definitions[] = {
    {"pseudo_likelihood", pseudo, TOL_SLOPE},
    {"ratio_matching", ratio, TOL_SLOPE},
    {"score_matching", score, 1e-6},
    {"denoising", denoising, 1e-6},
    {"multi_prediction", prediction, TOL_SLOPE},
};

struct mean {
	const struct loss *is;
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

static const struct loss *definition_of(const struct objective *o)
{
	for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++)
		if (strcmp(definitions[i].objective, o->name) == 0)
			return &definitions[i];
	return NULL;
}

static bool is_likelihood(const struct objective *o)
{
	return strcmp(o->name, "nll") == 0 || strcmp(o->name, "cd") == 0 || strcmp(o->name, "sml") == 0;
}

/* The greater error; a sum that is no number is not known at all. */
static double worse(double a, double b)
{
	return isnan(b) ? INFINITY : fmax(a, b);
}

/* - d log p(of | known) = <dE>_rest - <dE>_rest and of: means given what else there is */
static void likelihood(struct trial *t, const struct engine *e, const struct goal *g, double *truth,
                       double *error)
{
	const struct objective_args *args = &g->args;
	int n = t->m->weight.n;
	bool *rest = NEW_ARRAY(t->a, bool, t->m->group.n), *free = NEW_ARRAY(t->a, bool, t->m->group.n);
	bool given = false;
	double *data = NEW_ARRAY(t->a, double, n + 1), *model = NEW_ARRAY(t->a, double, n + 1), off = 0;
	for (int i = 0; i < t->m->group.n; i++) {
		free[i] = t->all[i] && !(args->given && args->given[i]);
		rest[i] = free[i] && !(args->of ? args->of[i] : t->visible[i]);
		given = given || !free[i];
	}
	for (int r = 0; r < ROWS; r++) {
		trial_load(t, t->row[r]);
		if (args->meanfield)
			for (int w = 0; w < n; w++)
				data[w] = trial_slope(t, w, meanfield_energy, meanfield_means(e, r));
		else
			trial_sum(t, &t->E, rest, trial_slopes, NULL, n, data, &off);
		*error = worse(*error, off);
		if (r == 0 || given)
			trial_sum(t, &t->E, free, trial_slopes, NULL, n, model, &off);
		*error = worse(*error, off);
		for (int w = 0; w < n; w++)
			truth[w] += g->scale * (data[w] - model[w]) / ROWS;
	}
}

bool objective_unbiased(const struct compiled *c)
{
	for (int i = 0; i < c->goal.n; i++)
		if (!is_likelihood(c->goal.at[i].objective) || c->goal.at[i].args.meanfield)
			return false;
	return true;
}

bool objective_truth(struct trial *t, const struct engine *e, const char *what, double *truth,
                     double *tolerance)
{
	double error = 0;
	*tolerance = TOL_SLOPE;
	for (int w = 0; w < t->m->weight.n; w++)
		truth[w] = 0;
	for (int i = 0; i < e->c.goal.n; i++) {
		const struct goal *g = &e->c.goal.at[i];
		const struct loss *is = definition_of(g->objective);
		struct mean m = {is, {g, e, 0}};
		if (is == NULL && !is_likelihood(g->objective)) {
			report_skip(t->report, what, "brute force has no definition of it");
			return false;
		}
		if (is == NULL)
			likelihood(t, e, g, truth, &error);
		for (int w = 0; is && w < t->m->weight.n; w++)
			truth[w] += g->scale * trial_slope(t, w, mean_value, &m);
		*tolerance = is ? fmax(*tolerance, is->tolerance) : *tolerance;
	}
	*tolerance += 10 * error;
	return trial_known(t, what, error);
}

const char *objective_text(struct trial *t, const struct compiled *c)
{
	struct buf b;
	buf_init(&b, t->a);
	for (int i = 0; i < c->goal.n; i++)
		buf_printf(&b, "%s%s", i ? " + " : "", c->goal.at[i].objective->name);
	return b.s;
}

/* ---- objectives without chains ---- */
static void compare(struct trial *t, const struct compiled *c, const char *key, bool generated)
{
	struct states st = {.units = 0};
	struct engine e;
	const char *name = arena_printf(t->a, "objective %s: gradient", objective_text(t, c));
	double *truth = NEW_ARRAY(t->a, double, t->m->weight.n + 1), tolerance;
	if (c->x->exact)
		objective_states(&t->u->cx, t->m, &st);
	int64_t pop[DGM_MAX_POP] = {ROWS, 1, 1, 1, 1};
	pop[POP_STATES] = (int64_t)1 << st.units;
	if (!engine_open(&e, t, key, c, generated, pop)) {
		report_skip(t->report, name, dgm_error());
		return;
	}
	engine_run(&e, "train.first");
	engine_run(&e, "train.final");
	if (c->x->exact) {
		double log_z = engine_log_z(&e), error;
		trial_load(t, t->row[0]);
		double exact = trial_logsum(t, t->all, &error);
		report_compare(t->report, engine_label(&e, "log Z of the objective"), off_by(log_z, exact),
		               engine_tolerance(&e, TOL_DOUBLE) + 10 * error);
	}
	if (objective_truth(t, &e, name, truth, &tolerance))
		for (int w = 0; w < t->m->weight.n; w++)
			report_compare(t->report, engine_label(&e, name),
			               off_by(engine_gradient(&e, w), truth[w]),
			               engine_tolerance(&e, tolerance));
	engine_close(&e);
}

/* Do the definitions sum over no visible unit, or one at a time? */
static bool few_sums(const struct compiled *c)
{
	for (int i = 0; i < c->goal.n; i++)
		if (definition_of(c->goal.at[i].objective) == NULL)
			return false;
	return true;
}

/* Do the objectives of a directed model have a definition here, which is that in training too? */
static bool defined(struct trial *t, const struct compiled *c)
{
	const char *why = NULL;
	for (int i = 0; i < c->goal.n && t->m->factor.n; i++)
		if (!is_likelihood(c->goal.at[i].objective))
			why = "brute force has no definition of it";
	for (int i = 0; i < t->m->factor.n; i++)
		if (model_reads(t->m, t->m->factor.at[i]->log_density, t->m->training))
			why = "the model is another one in training";
	if (why)
		report_skip(t->report, arena_printf(t->a, "objective %s: gradient", objective_text(t, c)),
		            why);
	return why == NULL;
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
		if (c.m != c.whole) {
			report_skip(t->report, "pretraining of a part",
			            "its conditionals have no common energy");
			continue;
		}
		if (!defined(t, &c))
			continue;
		const char *key = arena_printf(t->a, "block %d", i);
		bool chains = objective_value(&c, "k") != NULL;
		if (chains && t->joint)
			verify_updates(t, &c, key);
		for (int generated = 0; !chains && generated < 2 && (t->joint || few_sums(&c)); generated++)
			compare(t, &c, key, generated);
	}
}
