/* Annealed importance sampling (Neal, Statistics and Computing 11, 2001; for RBMs Salakhutdinov and
 * Murray, ICML 2008).  Chains start at the base model, b = 0, and are led to the model, b = 1,
 * through b_0 = 0 < b_1 < ... < b_n = 1; with p*_b the unnormalised density at b,
 *     log w = sum_i log p*_{b_i}(x_i) - log p*_{b_{i-1}}(x_i),   x_{i+1} ~ T_{b_i}(. | x_i),
 *     Z = Z_base E[w].
 * Of M chains: log Z = log Z_base + log mean(w); its standard error by the delta method is
 * sd(w) / (sqrt(M) mean(w)); the effective sample size is (sum w)^2 / sum w^2.
 *
 * T_b has to leave p_b alone whatever the chain has seen, so the size of its steps must not follow
 * the chains that are weighed: it is found beforehand, at each temperature, by other chains. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { SETTLE = 100 }; /* transitions */

/* b_i of n: 500/14500 of the steps lead to .5, 4000/14500 to .9, the rest to 1, each part uniform.
 */
double dgm_temperature(int64_t i, int64_t n)
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

/* One way from the base model to the model.  Adapting: size[i - 1] := the size of the steps at b_i;
 * else they are taken from there, `sizes` of them spread over the way (NULL: there are none). */
static void walk(const struct dgm_ais *a, struct dgm_call *call, int64_t betas,
                 enum dgm_adaptation how, float *size, int64_t sizes, struct dgm_ais_result *out)
{
	struct dgm_store *s = a->store;
	const int64_t stride = dgm_item_stride(&s->mod->slot[a->out]);
	const float *gain = s->slot[a->out];
	float *now = a->step.size >= 0 ? s->slot[a->step.size] : NULL;
	struct dgm_acceptance accepted = {0};
	struct dgm_progress progress;

	run(a->start, call);
	dgm_progress_begin(&progress, how == DGM_ADAPT ? "AIS, size of steps" : "AIS", (double)betas,
	                   a->quiet);
	for (int64_t i = 1; i <= betas; i++) {
		double beta = dgm_temperature(i, betas);

		call->scalar[a->scalar_b0] = (float)dgm_temperature(i - 1, betas);
		call->scalar[a->scalar_b1] = (float)beta;
		if (size && how == DGM_FIXED)
			*now = size[(i - 1) * sizes / betas];
		dgm_transition_run(&a->step, a->step.end, s, call, how, &accepted);
		if (size && how == DGM_ADAPT)
			size[i - 1] = *now;
		for (int64_t c = 0; out && c < a->chains; c++)
			out->log_w[c] += (double)gain[c * stride];
		dgm_progress_at(&progress, (double)i, "beta %.4f", beta);
	}
	dgm_progress_end(&progress);
	if (out)
		out->acceptance = accepted.n ? accepted.sum / (double)accepted.n : NAN;
}

/* The sizes of steps along the way, by chains of their own; at b_1 until they have settled. */
static void find_sizes(const struct dgm_ais *a, struct dgm_call call, float *size, int64_t sizes)
{
	struct dgm_acceptance accepted = {0};

	call.stage = DGM_STAGE_PILOT;
	run(a->start, &call);
	call.scalar[a->scalar_b0] = 0;
	call.scalar[a->scalar_b1] = (float)dgm_temperature(1, sizes);
	for (int64_t i = 0; i < SETTLE; i++)
		dgm_transition_run(&a->step, a->step.end, a->store, &call, DGM_ADAPT, &accepted);
	walk(a, &call, sizes, DGM_ADAPT, size, sizes, NULL);
}

int dgm_ais_run(const struct dgm_ais *a, struct dgm_ais_result *out)
{
	struct dgm_store *s = a->store;
	struct dgm_call call = dgm_call_on(s, a->seed);
	const int64_t sizes = a->betas / 10 < SETTLE ? a->betas : a->betas / 10;
	float *size = NULL;
	int status;

	*out = (struct dgm_ais_result){.chains = a->chains};
	if (out->chains < 1 || out->chains > s->pop_capacity[a->pop] || a->betas < 1)
		return dgm_fail(DGM_ELIMIT,
		                "%s: annealed importance sampling needs a chain and a temperature",
		                s->mod->model);
	out->log_w = calloc((size_t)out->chains, sizeof *out->log_w);
	if (a->step.acceptance >= 0)
		size = calloc((size_t)sizes, sizeof *size);
	if (!out->log_w || (a->step.acceptance >= 0 && !size)) {
		free(out->log_w);
		free(size);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " chains", s->mod->model,
		                out->chains);
	}
	call.stage = DGM_STAGE_AIS;
	call.pop[a->pop] = out->chains;
	run(a->prepare, &call);
	run(a->base, &call);
	out->log_z_base = (double)*(const float *)s->slot[a->base_logz];
	if (size)
		find_sizes(a, call, size, sizes);
	walk(a, &call, a->betas, DGM_FIXED, size, sizes, out);
	free(size);
	status = summarise(out, s->mod->model);
	if (status) {
		free(out->log_w);
		out->log_w = NULL;
	}
	return status;
}
