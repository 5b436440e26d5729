/* Adam (Kingma, Ba: Adam: a method for stochastic optimization, ICLR 2015, algorithm 1).  With
 * d = gradient + decay * x:
 *     m = beta1 m + (1 - beta1) d,  s = beta2 s + (1 - beta2) d^2
 *     x = x - rate * m/(1 - beta1^t) / (sqrt(s/(1 - beta2^t)) + epsilon)
 * AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019, algorithm 2, its
 * schedule multiplier in rate) has d = gradient, and x - rate * decay * x for the x on the right.
 * An element goes through the same vector instructions wherever a segment starts. */
#include "optim.h"
#include "cpu.h"

#include <math.h>
#include <string.h>

struct adam {
	float beta1, beta2, epsilon, decay, keep; /* keep: 1, or 1 - rate * decay */
	float rate, root;                         /* rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
};

#define BODY "optim_adam_body.h"
#include "clones.h"

static void run(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                float decay, float keep, int64_t t)
{
	typedef void kernel(float *, const float *, float *, float *, int64_t, const struct adam *);
	static kernel *const clone[DGM_CPU_LEVELS] = CLONES(adam);
	const double beta1 = (double)hyper[1], beta2 = (double)hyper[2];
	struct adam p = {
	    .beta1 = hyper[1],
	    .beta2 = hyper[2],
	    .epsilon = hyper[3],
	    .decay = decay,
	    .keep = keep,
	    .rate = (float)((double)hyper[0] / (1 - pow(beta1, (double)t))),
	    .root = (float)(1 / sqrt(1 - pow(beta2, (double)t))),
	};

	clone[dgm_cpu()](x, g, moment[0], moment[1], n, &p);
}

static void adam(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                 float decay, int64_t t)
{
	run(x, g, moment, n, hyper, decay, 1, t);
}

static void adamw(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                  float decay, int64_t t)
{
	run(x, g, moment, n, hyper, 0, 1 - hyper[0] * decay, t);
}

#define HYPER \
	{ \
		{"rate", 0.001f, "[0,)"}, {"beta1", 0.9f, "[0,1)"}, {"beta2", 0.999f, "[0,1)"}, \
		{ \
			"epsilon", 1e-8f, "(0,)" \
		} \
	}
const struct dgm_optimizer dgm_adam = {
    .name = "adam",
    .nmoment = 2,
    .hyper = HYPER,
    .step = adam,
};
const struct dgm_optimizer dgm_adamw = {
    .name = "adamw",
    .nmoment = 2,
    .hyper = HYPER,
    .step = adamw,
};
