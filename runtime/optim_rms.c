/* Rates divided by the size of past gradients.  With d = gradient + decay * x:
 *     rmsprop   s = rho s + (1 - rho) d^2   (Tieleman, Hinton: lecture 6.5 of Neural networks for
 * machine learning, 2012) adagrad   s = s + d^2                 (Duchi, Hazan, Singer: Adaptive
 * subgradient methods for online learning and stochastic optimization, JMLR 2011) x = x - rate * d
 * / (sqrt(s) + epsilon)
 */
#include "optim.h"
#include "cpu.h"

#include <string.h>

struct rms {
	float rate, keep, add, epsilon, decay; /* s = keep s + add d^2 */
};

#define BODY "optim_rms_body.h"
#include "clones.h"

static void run(float *x, const float *g, float *s, int64_t n, const struct rms *p)
{
	typedef void kernel(float *, const float *, float *, int64_t, const struct rms *);
	static kernel *const clone[DGM_CPU_LEVELS] = CLONES(rms);

	clone[dgm_cpu()](x, g, s, n, p);
}

static void rmsprop(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                    float decay, int64_t t)
{
	(void)t;
	run(x, g, moment[0], n, &(struct rms){hyper[0], hyper[1], 1 - hyper[1], hyper[2], decay});
}

static void adagrad(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                    float decay, int64_t t)
{
	(void)t;
	run(x, g, moment[0], n, &(struct rms){hyper[0], 1, 1, hyper[1], decay});
}

const struct dgm_optimizer dgm_rmsprop = {
    .name = "rmsprop",
    .nmoment = 1,
    .hyper = {{"rate", 0.001f, "[0,)"}, {"rho", 0.9f, "[0,1)"}, {"epsilon", 1e-8f, "(0,)"}},
    .step = rmsprop,
};
const struct dgm_optimizer dgm_adagrad = {
    .name = "adagrad",
    .nmoment = 1,
    .hyper = {{"rate", 0.01f, "[0,)"}, {"epsilon", 1e-8f, "(0,)"}},
    .step = adagrad,
};
