/* Random numbers at work in generated code, against exact expectations.
 *
 * The sampler's long-run marginals: the mean of each unit and of each product of two, over
 * independent chains (of x/sqrt(1 + x^2) where x has no bound, so that the mean's error is finite).
 * Contrastive divergence and persistent chains: with many sweeps an update, the mean of their
 * gradient is the likelihood's, the data's half at the posterior asked for.  A number compared is a
 * mean of independent values, its standard error that of their spread; SIGMAS of it are allowed,
 * which a right program exceeds once in 2e6 comparisons, and FLOOR for what float rounding does to
 * values that hardly vary. */
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIGMAS 5
#define FLOOR 1e-4
enum {
	CHAINS = 2000,
	BURN_IN = 100,
	SWEEPS = 20,
	ROWS_OF_DATA = 64,
	UPDATES = 200,
	LONG = 30,
	LONGER = 20, /* times as many sweeps where chains seem to be off */
	AIS_CHAINS = 200,
	AIS_BETAS = 500,
	ADAPT = 800 /* sweeps, where the size of steps is found first */
};

struct moments {
	double sum, squares;
	int n;
};

static void add(struct moments *m, double x)
{
	m->sum += x;
	m->squares += x * x;
	m->n++;
}

/* Distance of the mean from the truth in standard errors. */
static double sigmas(const struct moments *m, double truth)
{
	double mean = m->sum / m->n, var = fmax(0, m->squares / m->n - mean * mean) / (m->n - 1);
	return fabs(mean - truth) / (sqrt(var) + FLOOR * (1 + fabs(truth)));
}

/* ---- marginals ---- */
static double bounded(const struct family *f, double x)
{
	return isfinite(f->lo) && isfinite(f->hi) ? x : x / sqrt(1 + x * x);
}

static void products(int n, const double *x, double *out)
{
	for (int i = 0; i < n; i++) {
		*out++ = x[i];
		for (int k = 0; k <= i; k++)
			*out++ = x[i] * x[k];
	}
}

static int64_t all_units(const struct trial *t)
{
	int64_t n = 0;
	for (int g = 0; g < t->m->group.n; g++)
		n += sym_items(t->m->group.at[g]->sym);
	return n;
}

static void state_products(struct trial *t, void *arg, double *out)
{
	double *x = arg;
	int n = 0;
	for (int g = 0; g < t->m->group.n; g++)
		for (int64_t i = 0; i < sym_items(t->m->group.at[g]->sym); i++)
			x[n++] =
			    bounded(t->m->group.at[g]->family, memory_get(&t->mem, t->m->group.at[g]->sym)[i]);
	products(n, x, out);
}

static void chain_products(struct engine *e, int chain, double *x, double *out)
{
	struct trial *t = e->t;
	int n = 0;
	for (int g = 0; g < t->m->group.n; g++) {
		const char *name = arena_printf(t->u->cx.tmp, "%s.sample", t->m->group.at[g]->name);
		for (int64_t i = 0; i < sym_items(t->m->group.at[g]->sym); i++)
			x[n++] = bounded(t->m->group.at[g]->family, engine_get(e, name, chain, i));
	}
	products(n, x, out);
}

/* Chain c has the given units of example c, and of the first behind the last. */
static void give_chains(struct engine *e)
{
	const struct model *m = e->t->m;
	for (int64_t chain = 0; chain < e->pop[POP_SAMPLES]; chain++) {
		const double *from = e->t->row[chain % ROWS];
		for (int g = 0; g < m->group.n; from += sym_items(m->group.at[g++]->sym))
			for (int64_t i = 0;
			     m->group.at[g]->role == GROUP_GIVEN && i < sym_items(m->group.at[g]->sym); i++)
				engine_set(e, arena_printf(e->t->u->cx.tmp, "%s.sample", m->group.at[g]->name),
				           chain, i, from[i]);
	}
}

static bool marginals_after(struct trial *t, const struct sampling *how, int block, int times)
{
	const int64_t pop[DGM_MAX_POP] = {1, 1, 1, 1, CHAINS * how->temperatures};
	const char *what = arena_printf(t->a, "sampler%s%s: long-run marginals, in standard errors",
	                                how->how ? " " : "", how->how ? how->how->name : "");
	struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
	struct engine e;
	c.x->sampling = *how;
	if (how->how && how->how->gradient && !how->how->adjusted) {
		report_skip(t->report, what, "its marginals are biased by the size of its steps");
		return true;
	}
	if (!objective_sampler(c.x)) {
		report_skip(t->report, what, trial_why(t));
		return true;
	}
	int units = (int)all_units(t), n = units + units * (units + 1) / 2;
	double *x = NEW_ARRAY(t->a, double, units), *now = NEW_ARRAY(t->a, double, n);
	double *truth = NEW_ARRAY(t->a, double, n *ROWS), *sum = NEW_ARRAY(t->a, double, n *CHAINS),
	       error;
	for (int r = 0; r < ROWS; r++) { /* each given unit's values */
		trial_load_given(t, t->row[r]);
		trial_sum(t, &t->E, t->all, state_products, x, n, truth + r * n, &error);
		if (!trial_known(t, what, error))
			return true;
	}
	if (!engine_open(&e, t, arena_printf(t->a, "sampler %d", block), &c, true, pop))
		return true;
	give_chains(&e);
	struct dgm_transition sweep =
	    dgm_transition_find(e.c.mod, "sample.sweep", POP_SAMPLES, how->steps);
	struct dgm_tempering tempering = job_tempering(&e.c, "sample", POP_SAMPLES, CHAINS);
	struct dgm_acceptance accepted = {0}, swaps = {0};
	int burn_in = (sweep.step ? ADAPT : BURN_IN) * times;
	dgm_tempering_begin(&tempering, e.store);
	engine_run(&e, "sample.begin");
	for (int i = 0; i < burn_in + SWEEPS * times; i++) {
		dgm_transition_run(&sweep, sweep.end, e.store, &e.call,
		                   i < burn_in / 2 ? DGM_ADAPT : DGM_FIXED, &accepted);
		dgm_tempering_swap(&tempering, e.store, &e.call, &swaps);
		bool kept = i >= burn_in && (i - burn_in) % times == times - 1;
		for (int chain = 0; kept && chain < CHAINS; chain++) {
			chain_products(&e, chain, x, now);
			for (int k = 0; k < n; k++)
				sum[chain * n + k] += now[k] / SWEEPS;
		}
	}
	engine_close(&e);
	double worst = 0;
	for (int k = 0; k < n; k++) {
		struct moments m = {0, 0, 0};
		for (int chain = 0; chain < CHAINS; chain++)
			add(&m, sum[chain * n + k] - truth[chain % ROWS * n + k]);
		worst = fmax(worst, isnan(sigmas(&m, 0)) ? INFINITY : fabs(sigmas(&m, 0)));
	}
	if (worst > SIGMAS && times == 1)
		return false;
	report_compare(t->report, what, worst, SIGMAS);
	return true;
}

/* What is off is tried again with longer chains: slow mixing is no fault, a wrong law stays wrong.
 */
static void marginals(struct trial *t, const struct sampling *how, int block)
{
	if (!marginals_after(t, how, block, 1))
		marginals_after(t, how, block, LONGER);
}

/* ---- annealed importance sampling ---- */
static int scalar_of(const struct dgm_module *m, const char *name)
{
	int i = 0;
	while (strcmp(m->scalar_name[i], name) != 0)
		i++;
	return i;
}

static void annealed(struct trial *t, const struct sampling *how)
{
	static const int64_t pop[DGM_MAX_POP] = {1, 1, 1, AIS_CHAINS, 1};
	const char *what = "log Z by AIS, in standard errors";
	struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
	struct dgm_ais_result found;
	struct engine e;
	double error;
	c.x->sampling = *how;
	if (!objective_ais(c.x)) {
		report_skip(t->report, what, trial_why(t));
		return;
	}
	double truth = trial_logsum(t, t->all, &error);
	if (!trial_known(t, what, error) || !engine_open(&e, t, what, &c, true, pop))
		return;
	const struct dgm_module *m = e.c.mod;
	struct dgm_ais ais = {.store = e.store,
	                      .pop = POP_AIS,
	                      .chains = AIS_CHAINS,
	                      .prepare = dgm_function_find(m, "prepare"),
	                      .base = dgm_function_find(m, "ais.base"),
	                      .start = dgm_function_find(m, "ais.start"),
	                      .step = dgm_transition_find(m, "ais.step", POP_AIS, how->steps),
	                      .out = dgm_slot_find(m, "out.ais.step"),
	                      .base_logz = dgm_slot_find(m, "out.ais.base"),
	                      .scalar_b0 = scalar_of(m, "b0"),
	                      .scalar_b1 = scalar_of(m, "b1"),
	                      .betas = AIS_BETAS,
	                      .seed = e.call.seed,
	                      .quiet = true};
	if (dgm_ais_run(&ais, &found) == DGM_OK) {
		report_compare(t->report, what, fabs(found.log_z - truth) / (found.stderr_ + FLOOR),
		               SIGMAS);
		free(found.log_w);
	} else {
		report_skip(t->report, what, dgm_error());
	}
	engine_close(&e);
}

/* ---- gradients by chains ---- */
static bool updates_after(struct trial *t, const struct compiled *c, const char *key, int sweeps)
{
	const struct sampling *how = &c->x->sampling;
	const int64_t pop[DGM_MAX_POP] = {ROWS_OF_DATA, ROWS_OF_DATA * how->temperatures, 1, 1, 1};
	const char *what =
	    arena_printf(t->a, "objective %s: mean gradient at %d sweeps, in standard errors",
	                 objective_text(t, c), sweeps);
	int n = t->m->weight.n;
	struct engine e;
	struct moments *m = NEW_ARRAY(t->a, struct moments, n + 1);
	double *truth = NEW_ARRAY(t->a, double, n + 1), tolerance;
	if (c->x->exact) {
		report_skip(t->report, what, "chains and enumeration together are not checked");
		return true;
	}
	if (!engine_open(&e, t, key, c, true, pop)) {
		report_skip(t->report, what, dgm_error());
		return true;
	}
	bool persistent = e.c.goal.at[0].objective->chains;
	struct dgm_transition sweep =
	    dgm_transition_find(e.c.mod, "train.sweep", persistent ? POP_CHAINS : POP_DATA, how->steps);
	struct dgm_tempering tempering = job_tempering(&e.c, "chain", POP_CHAINS, ROWS_OF_DATA);
	struct dgm_acceptance accepted = {0}, swaps = {0};
	engine_set(&e, "inv_m", 0, 0, 1.0 / ROWS_OF_DATA);
	dgm_tempering_begin(&tempering, e.store);
	engine_run(&e, "chains.begin");
	for (int u = sweep.step ? -ADAPT / LONG : -5; u < UPDATES;
	     u++) { /* the first ones let chains settle */
		enum dgm_adaptation adapt = u < -5 ? DGM_ADAPT : DGM_FIXED;
		engine_run(&e, "train.first");
		for (int64_t i = 0; i < c->posterior.iterations; i++)
			engine_run(&e, "train.pass");
		for (int i = how->temperatures > 1 ? 0 : 1; i < sweeps; i++) {
			dgm_transition_run(&sweep, sweep.end, e.store, &e.call, adapt, &accepted);
			dgm_tempering_swap(&tempering, e.store, &e.call, &swaps);
		}
		e.call.pop[POP_CHAINS] = ROWS_OF_DATA;
		dgm_transition_run(&sweep, dgm_function_find(e.c.mod, "train.final"), e.store, &e.call,
		                   adapt, &accepted);
		e.call.pop[POP_CHAINS] = e.pop[POP_CHAINS];
		for (int w = 0; u >= 0 && w < n; w++)
			add(&m[w], engine_gradient(&e, w));
	}
	bool known = objective_truth(t, &e, what, truth, &tolerance);
	double worst = 0;
	engine_close(&e);
	for (int w = 0; known && w < n; w++)
		worst =
		    fmax(worst, isnan(sigmas(&m[w], truth[w])) ? INFINITY : fabs(sigmas(&m[w], truth[w])));
	if (worst > SIGMAS && sweeps == LONG)
		return false;
	if (known)
		report_compare(t->report, what, worst, SIGMAS);
	return true;
}

void verify_updates(struct trial *t, const struct compiled *c, const char *key)
{
	if (!updates_after(t, c, key, LONG))
		updates_after(t, c, key, LONG * LONGER);
}

/* The standard sampler, and those that blocks ask for. */
void verify_chains(struct trial *t)
{
	struct block_def none = {.kind = BLOCK_SAMPLE};
	struct sampling how;
	if (!t->joint)
		return;
	block_sampler(t->u, &none, &how);
	marginals(t, &how, -1);
	annealed(t, &how);
	for (int i = 0; i < t->u->checked->block.n; i++)
		if (block_clause(t->u->checked->block.at[i], "sampler") &&
		    block_sampler(t->u, t->u->checked->block.at[i], &how))
			marginals(t, &how, i);
}
