/* Reverse annealed importance sampling (Burda, Grosse & Salakhutdinov, AISTATS 2015).  Annealing
 * from the base model through b_0 = 0 < .. < b_n = 1 ends at v with a probability p_ann(v).  Chains
 * that start at v and go back by the reversals of the transitions T_n .. T_1 estimate it without
 * bias:
 *     p_ann(v) = E[ p*_1(v) / Z_base exp(-S) ],   S = sum_i log p*_{b_i}(x_{i-1}) - log
 * p*_{b_{i-1}}(x_{i-1}), x_n = v,  x_{i-1} ~ reversal of T_i (. | x_i). With log Z(v) := log Z_base
 * - log mean(exp(-S)) it is the mean of p*(v)/Z(v).  By Jensen's inequality log p_ann is
 * underestimated on average, and over examples of the model itself log p_ann is at most log p, on
 * average: the mean of log Z(v) is then at least log Z. */
#include "train_work.h"

#include <math.h>
#include <stdlib.h>

static void run(const struct dgm_function *f, struct dgm_call *call)
{
	if (!f)
		return;
	dgm_run(f, call);
	call->step++;
}

/* The way back from the states that are there. */
static void walk_back(const struct dgm_raise *a, struct dgm_call *call, int64_t rows, double *sum)
{
	const int64_t stride = dgm_item_stride(&a->store->mod->slot[a->out]);
	const float *gain = a->store->slot[a->out];
	struct dgm_progress progress;

	dgm_progress_begin(&progress, "RAISE", (double)a->betas, a->quiet);
	for (int64_t i = a->betas; i >= 1; i--) {
		call->scalar[a->scalar_b0] = (float)dgm_temperature(i - 1, a->betas);
		call->scalar[a->scalar_b1] = (float)dgm_temperature(i, a->betas);
		run(a->step, call);
		for (int64_t r = 0; r < rows; r++)
			sum[r] += (double)gain[r * stride];
		dgm_progress_at(&progress, (double)(a->betas - i + 1), "beta %.4f",
		                (double)call->scalar[a->scalar_b0]);
	}
	dgm_progress_end(&progress);
}

/* - log mean(exp(-sum)) */
static double soft_mean(const double *sum, int64_t n)
{
	double top = -INFINITY, total = 0;

	for (int64_t i = 0; i < n; i++)
		top = fmax(top, -sum[i]);
	for (int64_t i = 0; i < n; i++)
		total += exp(-sum[i] - top);
	return -top - log(total / (double)n);
}

static int summarise(const struct dgm_raise *a, const double *sum, struct dgm_raise_result *out)
{
	const double n = (double)out->examples;
	double squares = 0;

	out->log_z = 0;
	for (int64_t e = 0; e < out->examples; e++) {
		out->log_z_each[e] = out->log_z_base + soft_mean(sum + e * a->chains, a->chains);
		out->log_z += out->log_z_each[e] / n;
	}
	for (int64_t e = 0; e < out->examples; e++)
		squares += pow(out->log_z_each[e] - out->log_z, 2);
	out->stderr_ = sqrt(squares / (n - 1) / n);
	return isfinite(out->log_z)
	           ? DGM_OK
	           : dgm_fail(DGM_ENONFINITE, "%s: log Z is not finite", a->store->mod->model);
}

int dgm_raise_run(const struct dgm_raise *a, struct dgm_raise_result *out)
{
	struct dgm_call call = dgm_call_on(a->store, a->seed);
	int64_t n = 0, rows, *index;
	double *sum;
	int status = dgm_inputs_check(a->store, a->input, a->ninput, a->pop, &n);

	*out = (struct dgm_raise_result){.examples = a->examples < n ? a->examples : n};
	rows = out->examples * a->chains;
	if (!status && out->examples < 2)
		status =
		    dgm_fail(DGM_ELIMIT,
		             "%s: raise is of the mean over %lld example: its error is known from two or "
		             "more only; more examples are needed, of the set and in raise(examples = )",
		             a->store->mod->model, (long long)out->examples);
	if (!status && (rows < 1 || rows > a->store->pop_capacity[a->pop] || a->betas < 1))
		status = dgm_fail(DGM_ELIMIT, "%s: reverse annealing needs a chain and a temperature",
		                  a->store->mod->model);
	if (status)
		return status;
	index = calloc((size_t)rows, sizeof *index);
	sum = calloc((size_t)rows, sizeof *sum);
	out->log_z_each = calloc((size_t)out->examples, sizeof *out->log_z_each);
	if (!index || !sum || !out->log_z_each)
		status = dgm_fail(DGM_ENOMEM, "%s: not enough memory", a->store->mod->model);
	for (int64_t r = 0; !status && r < rows; r++)
		index[r] = r / a->chains * n / out->examples;
	if (!status)
		status = dgm_inputs_load(a->store, a->input, a->ninput, index, rows, a->seed, 0);
	if (!status) {
		call.stage = DGM_STAGE_RAISE;
		call.pop[a->pop] = rows;
		run(a->prepare, &call);
		run(a->base, &call);
		out->log_z_base = (double)*(const float *)a->store->slot[a->base_logz];
		walk_back(a, &call, rows, sum);
		status = summarise(a, sum, out);
	}
	free(index);
	free(sum);
	if (status) {
		free(out->log_z_each);
		out->log_z_each = NULL;
	}
	return status;
}
