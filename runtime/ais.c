/* Annealed importance sampling (Neal, Statistics and Computing 11, 2001; for RBMs Salakhutdinov and
 * Murray, ICML 2008).  Chains start at the base model, b = 0, and are led to the model, b = 1,
 * through b_0 = 0 < b_1 < ... < b_n = 1; with p*_b the unnormalised density at b,
 *     log w = sum_i log p*_{b_i}(x_i) - log p*_{b_{i-1}}(x_i),   x_{i+1} ~ T_{b_i}(. | x_i),
 *     Z = Z_base E[w].
 * Of M chains: log Z = log Z_base + log mean(w); its standard error by the delta method is
 * sd(w) / (sqrt(M) mean(w)); the effective sample size is (sum w)^2 / sum w^2. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* b_i of n: 500/14500 of the steps lead to .5, 4000/14500 to .9, the rest to 1, each part uniform.
 */
static double temperature(int64_t i, int64_t n)
{
	int64_t half = llround((double)n * 500 / 14500);
	int64_t most = half + llround((double)n * 4000 / 14500);

	if (i <= 0)
		return 0;
	if (i >= n)
		return 1;
	if (i <= half)
		return .5 * (double)i / (double)half;
	if (i <= most)
		return .5 + .4 * (double)(i - half) / (double)(most - half);
	return .9 + .1 * (double)(i - most) / (double)(n - most);
}

/* Completes out from its log_w, chains and log_z_base. */
static int summarise(struct dgm_ais_result *out, const char *model)
{
	double top = -INFINITY, sum = 0, squares = 0, spread = 0, mean;
	const double m = (double)out->chains;

	for (int64_t c = 0; c < out->chains; c++) {
		if (!isfinite(out->log_w[c]))
			return dgm_fail(DGM_ENONFINITE,
			                "%s: the importance weight of chain %" PRId64 " is not finite", model,
			                c);
		top = fmax(top, out->log_w[c]);
	}
	for (int64_t c = 0; c < out->chains; c++) {
		double w = exp(out->log_w[c] - top);

		sum += w;
		squares += w * w;
	}
	mean = sum / m;
	for (int64_t c = 0; c < out->chains; c++) {
		double d = exp(out->log_w[c] - top) - mean;

		spread += d * d;
	}
	out->log_z = out->log_z_base + top + log(mean);
	out->stderr_ = m > 1 ? sqrt(spread / (m - 1) / m) / mean : NAN;
	out->ess = sum * sum / squares;
	if (!isfinite(out->log_z))
		return dgm_fail(DGM_ENONFINITE, "%s: log Z is not finite", model);
	return DGM_OK;
}

static void run(const struct dgm_function *f, struct dgm_call *call)
{
	if (!f)
		return;
	dgm_run(f, call);
	call->step++;
}

int dgm_ais_run(const struct dgm_ais *a, struct dgm_ais_result *out)
{
	struct dgm_store *s = a->store;
	struct dgm_call call = dgm_call_on(s, a->seed);
	const int64_t stride = dgm_item_stride(&s->mod->slot[a->out]);
	const float *gain = s->slot[a->out];
	struct dgm_progress progress;
	int status;

	*out = (struct dgm_ais_result){.chains = a->chains};
	if (out->chains < 1 || out->chains > s->pop_capacity[a->pop] || a->betas < 1)
		return dgm_fail(DGM_ELIMIT,
		                "%s: annealed importance sampling needs a chain and a temperature",
		                s->mod->model);
	out->log_w = calloc((size_t)out->chains, sizeof *out->log_w);
	if (!out->log_w)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " chains", s->mod->model,
		                out->chains);
	call.stage = DGM_STAGE_AIS;
	call.pop[a->pop] = out->chains;
	run(a->prepare, &call);
	run(a->base, &call);
	out->log_z_base = (double)*(const float *)s->slot[a->base_logz];
	run(a->start, &call);
	dgm_progress_begin(&progress, "AIS", (double)a->betas, a->quiet);
	for (int64_t i = 1; i <= a->betas; i++) {
		double beta = temperature(i, a->betas);

		call.scalar[a->scalar_b0] = (float)temperature(i - 1, a->betas);
		call.scalar[a->scalar_b1] = (float)beta;
		run(a->step, &call);
		for (int64_t c = 0; c < out->chains; c++)
			out->log_w[c] += (double)gain[c * stride];
		dgm_progress_at(&progress, (double)i, "beta %.4f", beta);
	}
	dgm_progress_end(&progress);
	status = summarise(out, s->mod->model);
	if (status) {
		free(out->log_w);
		out->log_w = NULL;
	}
	return status;
}
