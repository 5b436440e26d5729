/* Log Z by annealed importance sampling in generated code, against the sum over all states: in
 * standard errors, of which SIGMAS are allowed; ROUNDING for what float does to weights that hardly
 * vary.  Where the energy reads given variables, of each example: there chains stand in the rows of
 * the data. */
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDING 1e-4
enum { AIS_CHAINS = 200, AIS_BETAS = 500 };

static int scalar_of(const struct dgm_module *m, const char *name)
{
	int i = 0;
	while (strcmp(m->scalar_name[i], name) != 0)
		i++;
	return i;
}

static void compare(struct trial *t, const char *what, double log_z, double truth, double error)
{
	double off = fabs(log_z - truth) / (error + ROUNDING);
	report_compare(t->report, what, isnan(off) ? INFINITY : off, SIGMAS);
}

static void of_all(struct engine *e, const struct sampling *how, const char *what, double truth)
{
	struct trial *t = e->t;
	const struct dgm_module *m = e->c.mod;
	struct dgm_ais_result found;
	struct dgm_ais ais = {.store = e->store,
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
	                      .seed = e->call.seed,
	                      .quiet = true};
	if (dgm_ais_run(&ais, &found) != DGM_OK) {
		report_skip(t->report, what, dgm_error());
		return;
	}
	compare(t, what, found.log_z, truth, found.stderr_);
	free(found.log_w);
}

/* log_w[row, part], rows of one example in turn: its log Z, and the variance of that. */
static double log_z_of(struct engine *e, const double *log_w, int64_t parts, int example,
                       double *variance)
{
	double log_z = 0;
	*variance = 0;
	for (int64_t k = 0; k < parts; k++) {
		double top = -INFINITY, sum = 0, squares = 0;
		for (int64_t c = 0; c < AIS_CHAINS; c++)
			top = fmax(top, log_w[(c * ROWS + example) * parts + k]);
		for (int64_t c = 0; c < AIS_CHAINS; c++) {
			double w = exp(log_w[(c * ROWS + example) * parts + k] - top);
			sum += w;
			squares += w * w;
		}
		log_z += engine_get(e, "out.ais.base", example, k) + top + log(sum / AIS_CHAINS);
		*variance += fmax(0, squares * AIS_CHAINS / (sum * sum) - 1) / (AIS_CHAINS - 1);
	}
	return log_z;
}

static void of_each(struct engine *e, const char *what)
{
	struct trial *t = e->t;
	int64_t rows = e->pop[POP_DATA];
	int64_t parts = sym_items(program_symbol(e->c.x->p, "out.ais.step"));
	double *log_w = NEW_ARRAY(t->a, double, rows *parts), variance, error;
	engine_run(e, "ais.base");
	engine_run(e, "ais.start");
	for (int i = 1; i <= AIS_BETAS; i++) {
		engine_set(e, "b0", 0, 0, (i - 1.0) / AIS_BETAS);
		engine_set(e, "b1", 0, 0, (double)i / AIS_BETAS);
		engine_run(e, "ais.step");
		for (int64_t r = 0; r < rows; r++)
			for (int64_t k = 0; k < parts; k++)
				log_w[r * parts + k] += engine_get(e, "out.ais.step", r, k);
	}
	for (int i = 0; i < ROWS; i++) {
		double log_z = log_z_of(e, log_w, parts, i, &variance);
		trial_load_given(t, t->row[i]);
		double truth = trial_logsum(t, t->all, &error);
		if (!trial_known(t, what, error))
			return;
		compare(t, what, log_z, truth, sqrt(variance));
	}
}

void verify_annealing(struct trial *t, const struct sampling *how)
{
	bool each = objective_each(t->m);
	const int64_t pop[DGM_MAX_POP] = {each ? ROWS * AIS_CHAINS : 1, 1, 1, AIS_CHAINS, 1};
	const char *what = "log Z by AIS, in standard errors";
	struct compiled c = {.m = t->m, .x = expansion_new(&t->u->cx, t->m)};
	struct engine e;
	double truth = 0, error;
	c.x->sampling = *how;
	if (t->frozen) {
		report_skip(t->report, what, "chains do not mix at these parameters");
		return;
	}
	if (!objective_ais(c.x)) {
		report_skip(t->report, what, trial_why(t));
		return;
	}
	if (!each) {
		truth = trial_logsum(t, t->all, &error);
		if (!trial_known(t, what, error))
			return;
	}
	if (!engine_open(&e, t, what, &c, true, pop))
		return;
	if (each)
		of_each(&e, what);
	else
		of_all(&e, how, what, truth);
	engine_close(&e);
}
