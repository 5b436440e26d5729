/* Random numbers at work in generated code, against exact expectations.
 *
 * The sampler's long-run marginals: the mean of each unit and of each product of two, over
 * independent chains (of x/sqrt(1 + x^2) where x has no bound, so that the mean's error is finite).
 * Contrastive divergence and persistent chains: with many sweeps an update, the mean of their
 * gradient is the likelihood's, the data's half at the posterior asked for.
 *
 * Chains that do not get to the model's law from where they begin are begun again at exact draws
 * from it: a right sampler keeps the law however slowly it mixes, a wrong one leaves it.  So does
 * one that does nothing keep it: of such chains it is also asked that a sweep draws each unit anew
 * (moves.c).  Where the model is so frozen, examples are exact draws too, and the mean gradient of
 * the likelihood is 0.
 *
 * A number compared is a mean of independent values, its standard error that of their spread;
 * SIGMAS of it are allowed, and FLOOR for what float rounding does to values that hardly vary. */
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLOOR 1e-4
enum {
	CHAINS = 2000,
	MOVED = 600, /* chains, where a sweep is many steps along the gradient */
	BURN_IN = 100,
	SWEEPS = 20,
	ROWS_OF_DATA = 64,
	UPDATES = 200,
	LONG = 30,
	LONGER = 20, /* times as many sweeps where gradients seem to be off */
	ADAPT = 800  /* sweeps, where the size of steps is found first */
};

void moments_add(struct moments *m, double x)
{
	m->sum += x;
	m->squares += x * x;
	m->n++;
}

double moments_off(const struct moments *m, double truth)
{
	double mean = m->sum / m->n, var = fmax(0, m->squares / m->n - mean * mean) / (m->n - 1);
	double off = fabs(mean - truth) / (sqrt(var) + FLOOR * (1 + fabs(truth)));
	return isnan(off) ? INFINITY : off;
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

/* Exact draws, the i-th with the given units of example i, and of the first behind the last. */
static double **draws(struct trial *t, int n)
{
	double **all = NEW_ARRAY(t->a, double *, n);
	for (int r = 0; r < ROWS; r++) {
		int many = (n - r + ROWS - 1) / ROWS;
		trial_load_given(t, t->row[r]);
		double **of = trial_draws(t, many);
		for (int i = 0; i < many; i++)
			all[r + i * ROWS] = of[i];
	}
	return all;
}

static void start_at(struct engine *e, const char *suffix, int n, double **state)
{
	for (int i = 0; i < n; i++) {
		engine_put(e, suffix, GROUP_VISIBLE, i, state[i]);
		engine_put(e, suffix, GROUP_HIDDEN, i, state[i]);
	}
}

/* The expectations of the products for each of the examples' given units, one row each; NULL: they
 * are not known. */
static double *products_truth(struct trial *t, const char *what, int n, double *x)
{
	double *truth = NEW_ARRAY(t->a, double, n *ROWS), error;
	for (int r = 0; r < ROWS; r++) {
		trial_load_given(t, t->row[r]);
		trial_sum(t, &t->E, t->all, state_products, x, n, truth + r * n, &error);
		if (!trial_known(t, what, error))
			return NULL;
	}
	return truth;
}

/* Sweeps, and the means of the products over the last ones.  start: states half-way through those
 * before, where the sizes of steps are found; NULL: what the chains have got to. */
static double *run_chains(struct engine *e, const struct sampling *how, int chains, double **start,
                          int n, double *x)
{
	struct dgm_transition sweep =
	    dgm_transition_find(e->c.mod, "sample.sweep", POP_SAMPLES, how->steps);
	struct dgm_tempering tempering = job_tempering(&e->c, "sample", POP_SAMPLES, chains);
	struct dgm_acceptance accepted = {0}, swaps = {0};
	double *sum = NEW_ARRAY(e->t->a, double, n *chains), *now = NEW_ARRAY(e->t->a, double, n);
	int burn_in = sweep.step ? ADAPT : BURN_IN;
	for (int i = 0; i < e->pop[POP_SAMPLES]; i++)
		engine_put(e, ".sample", GROUP_GIVEN, i, e->t->row[i % ROWS]);
	dgm_tempering_begin(&tempering, e->store);
	engine_run(e, "sample.begin");
	for (int i = 0; i < burn_in + SWEEPS; i++) {
		if (start && i == burn_in / 2)
			start_at(e, ".sample", chains, start);
		dgm_transition_run(&sweep, sweep.end, e->store, &e->call,
		                   i < burn_in / 2 ? DGM_ADAPT : DGM_FIXED, &accepted);
		dgm_tempering_swap(&tempering, e->store, &e->call, &swaps);
		for (int chain = 0; i >= burn_in && chain < chains; chain++) {
			chain_products(e, chain, x, now);
			for (int k = 0; k < n; k++)
				sum[chain * n + k] += now[k] / SWEEPS;
		}
	}
	return sum;
}

static double worst_mean(const double *sum, const double *truth, int chains, int n)
{
	double worst = 0;
	for (int k = 0; k < n; k++) {
		struct moments m = {0, 0, 0};
		for (int chain = 0; chain < chains; chain++)
			moments_add(&m, sum[chain * n + k] - truth[chain % ROWS * n + k]);
		worst = fmax(worst, moments_off(&m, 0));
	}
	return worst;
}

/* true: the chains have got to the model's law by themselves. */
static bool compare_chains(struct engine *e, const struct sampling *how, const char *what,
                           int chains)
{
	struct trial *t = e->t;
	int units = (int)all_units(t), n = units + units * (units + 1) / 2;
	double *x = NEW_ARRAY(t->a, double, units), *truth = products_truth(t, what, n, x);
	if (truth == NULL)
		return true;
	double worst = worst_mean(run_chains(e, how, chains, NULL, n, x), truth, chains, n);
	bool mixed = worst <= SIGMAS;
	if (!mixed) {
		struct dgm_transition sweep =
		    dgm_transition_find(e->c.mod, "sample.sweep", POP_SAMPLES, how->steps);
		double **start = draws(t, chains);
		worst = worst_mean(run_chains(e, how, chains, start, n, x), truth, chains, n);
		verify_moves(e, &sweep, what, chains, start);
	}
	report_compare(t->report,
	               arena_printf(t->a, "%s: long-run marginals, in standard errors", what), worst,
	               SIGMAS);
	return mixed;
}

/* false: the chains do not mix. */
static bool marginals(struct trial *t, const struct sampling *how, int block)
{
	const char *what =
	    arena_printf(t->a, "sampler%s%s", how->how ? " " : "", how->how ? how->how->name : "");
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
	int chains = program_symbol(c.x->p, "sampler.step") ? MOVED : CHAINS;
	const int64_t pop[DGM_MAX_POP] = {1, 1, 1, 1, chains * how->temperatures};
	if (!engine_open(&e, t, arena_printf(t->a, "sampler %d", block), &c, true, pop)) {
		report_skip(t->report, what, dgm_error());
		return true;
	}
	bool mixed = compare_chains(&e, how, what, chains);
	engine_close(&e);
	return mixed;
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
	if (t->frozen && !objective_unbiased(c)) {
		report_skip(t->report, what, "chains do not mix at these parameters");
		return true;
	}
	if (!engine_open(&e, t, key, c, true, pop)) {
		report_skip(t->report, what, dgm_error());
		return true;
	}
	double **data = t->frozen ? draws(t, ROWS_OF_DATA * UPDATES) : NULL;
	bool persistent = e.c.goal.at[0].objective->chains;
	struct dgm_transition sweep =
	    dgm_transition_find(e.c.mod, "train.sweep", persistent ? POP_CHAINS : POP_DATA, how->steps);
	struct dgm_tempering tempering = job_tempering(&e.c, "chain", POP_CHAINS, ROWS_OF_DATA);
	struct dgm_acceptance accepted = {0}, swaps = {0};
	engine_set(&e, "inv_m", 0, 0, 1.0 / ROWS_OF_DATA);
	dgm_tempering_begin(&tempering, e.store);
	engine_run(&e, "chains.begin");
	if (data)
		start_at(&e, ".chain", ROWS_OF_DATA, data);
	for (int u = sweep.step ? -ADAPT / LONG : -5; u < UPDATES;
	     u++) { /* the first ones let chains settle */
		enum dgm_adaptation adapt = u < -5 ? DGM_ADAPT : DGM_FIXED;
		for (int64_t i = 0; data && u >= 0 && i < ROWS_OF_DATA; i++)
			engine_put(&e, "", GROUP_VISIBLE, i, data[u * ROWS_OF_DATA + i]);
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
			moments_add(&m[w], engine_gradient(&e, w));
	}
	bool known = t->frozen || objective_truth(t, &e, what, truth, &tolerance);
	double worst = 0;
	engine_close(&e);
	for (int w = 0; known && w < n; w++)
		worst = fmax(worst, moments_off(&m[w], truth[w]));
	if (worst > SIGMAS && sweeps == LONG && !t->frozen)
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
	t->frozen = !marginals(t, &how, -1);
	verify_annealing(t, &how);
	for (int i = 0; i < t->u->checked->block.n; i++)
		if (block_clause(t->u->checked->block.at[i], "sampler") &&
		    block_sampler(t->u, t->u->checked->block.at[i], &how))
			marginals(t, &how, i);
}
