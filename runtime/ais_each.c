/* Annealed importance sampling for each example, of the energy that it has: in ais.c's words, chain
 * c of example n gives log-weights l[n, t, c] for the independent parts t of its model, and log
 * Z(n) = sum_t log Z_base(n, t) + log mean_c exp(l[n, t, c]). Parts apart: the product of their
 * means has a far smaller error than the mean of products.  Examples go through the population's
 * rows, chains one after the other.  Temperatures are at
 * equal distances: the base model reads what is given, and is near. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct each {
	const struct dgm_ais_each *a;
	struct dgm_call call;
	struct dgm_progress progress;
	int64_t parts, done;
	int64_t *index;
	double *log_w; /* [row, part, chain] */
};

static void run(const struct dgm_function *f, struct dgm_call *call)
{
	dgm_run(f, call);
	call->step++;
}

/* One way from the base model to the model, for all rows. */
static void walk(struct each *e, int64_t rows, int64_t chain)
{
	const struct dgm_ais_each *a = e->a;
	const int64_t stride = dgm_item_stride(&a->store->mod->slot[a->out]);
	const float *gain = a->store->slot[a->out];

	run(a->start, &e->call);
	for (int64_t i = 1; i <= a->betas; i++) {
		e->call.scalar[a->scalar_b0] = (float)((double)(i - 1) / (double)a->betas);
		e->call.scalar[a->scalar_b1] = (float)((double)i / (double)a->betas);
		run(a->step, &e->call);
		for (int64_t r = 0; r < rows; r++)
			for (int64_t t = 0; t < e->parts; t++)
				e->log_w[(r * e->parts + t) * a->chains + chain] += (double)gain[r * stride + t];
		dgm_progress_at(&e->progress, (double)++e->done, "chain %" PRId64, chain + 1);
	}
}

/* log mean exp of w[0..n); adds its variance, by the delta method, and the effective sample size.
 */
static double soft_mean(const double *w, int64_t n, double *variance, double *ess)
{
	const double m = (double)n;
	double top = -INFINITY, sum = 0, squares = 0;

	for (int64_t c = 0; c < n; c++)
		top = fmax(top, w[c]);
	for (int64_t c = 0; c < n; c++) {
		double x = exp(w[c] - top);

		sum += x;
		squares += x * x;
	}
	*variance += fmax(squares * m / (sum * sum) - 1, 0) / (m - 1);
	*ess += sum * sum / squares;
	return top + log(sum / m);
}

/* Adds what the rows of a block give; the variance of the sum of their log Z in *variance. */
static int add_rows(struct each *e, int64_t first, int64_t rows, double *variance, double *squares,
                    struct dgm_ais_each_result *out)
{
	const struct dgm_ais_each *a = e->a;
	const struct dgm_store *s = a->store;
	const int64_t stride = dgm_item_stride(&s->mod->slot[a->base_logz]);
	const int64_t step = dgm_item_stride(&s->mod->slot[a->free_energy.out]);
	const float *base = s->slot[a->base_logz], *free_energy = s->slot[a->free_energy.out];

	for (int64_t r = 0; r < rows; r++) {
		double log_z = 0, n = (double)(first + r + 1), value, d;

		for (int64_t t = 0; t < e->parts; t++)
			log_z +=
			    (double)base[r * stride + t] + soft_mean(e->log_w + (r * e->parts + t) * a->chains,
			                                             a->chains, variance, &out->ess);
		value = -(double)free_energy[r * step] - log_z;
		if (!isfinite(value))
			return dgm_fail(DGM_ENONFINITE, "%s: log Z of example %" PRId64 " is not finite",
			                s->mod->model, first + r);
		d = value - out->loglik.mean;
		out->loglik.mean += d / n;
		*squares += d * (value - out->loglik.mean);
		out->log_z += (log_z - out->log_z) / n;
	}
	return DGM_OK;
}

static int run_blocks(struct each *e, int64_t n, int64_t capacity, struct dgm_ais_each_result *out)
{
	const struct dgm_ais_each *a = e->a;
	double variance = 0, squares = 0;
	int64_t blocks = (n + capacity - 1) / capacity;
	int status = DGM_OK;

	dgm_progress_begin(&e->progress, "AIS", (double)(blocks * a->chains * a->betas), a->quiet);
	for (int64_t first = 0; first < n && !status; first += capacity) {
		int64_t rows = n - first < capacity ? n - first : capacity;

		status = dgm_figure_rows(a->store, &a->free_energy, &e->call, first, e->index, rows);
		if (status)
			break;
		run(a->base, &e->call);
		for (int64_t i = 0; i < rows * e->parts * a->chains; i++)
			e->log_w[i] = 0;
		for (int64_t c = 0; c < a->chains; c++)
			walk(e, rows, c);
		status = add_rows(e, first, rows, &variance, &squares, out);
	}
	dgm_progress_end(&e->progress);
	out->loglik.n = n;
	out->loglik.stderr_ = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN;
	out->z_stderr = sqrt(variance) / (double)n;
	out->ess /= (double)(n * e->parts);
	return status;
}

int dgm_ais_each_run(const struct dgm_ais_each *a, struct dgm_ais_each_result *out)
{
	struct dgm_store *s = a->store;
	const struct dgm_figure *f = &a->free_energy;
	const int64_t capacity = s->pop_capacity[f->pop];
	struct each e = {.a = a, .call = dgm_call_on(s, a->seed)};
	int64_t n, rows;
	int status = dgm_inputs_check(s, f->input, f->ninput, f->pop, &n);

	*out = (struct dgm_ais_each_result){.loglik = {.mean = 0}};
	if (!status && (n < 1 || capacity < 1 || a->chains < 2 || a->betas < 1))
		status = dgm_fail(DGM_ELIMIT,
		                  "%s: annealed importance sampling needs an example, two chains and a "
		                  "temperature",
		                  s->mod->model);
	if (status)
		return status;
	rows = n < capacity ? n : capacity;
	e.parts = dgm_slot_items(&s->mod->slot[a->out]);
	e.index = calloc((size_t)rows, sizeof *e.index);
	e.log_w = calloc((size_t)(rows * e.parts * a->chains), sizeof *e.log_w);
	if (!e.index || !e.log_w)
		status = dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " chains", s->mod->model,
		                  rows * a->chains);
	e.call.stage = DGM_STAGE_AIS;
	if (!status) {
		if (a->prepare)
			dgm_run(a->prepare, &e.call);
		status = run_blocks(&e, n, capacity, out);
	}
	free(e.index);
	free(e.log_w);
	return status;
}
