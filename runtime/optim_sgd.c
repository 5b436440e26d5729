/* Stochastic gradient descent with momentum (Sutskever, Martens, Dahl, Hinton: On the importance of
 * initialization and momentum in deep learning, ICML 2013).  With d = gradient + decay * x:
 *     v = momentum * v - rate * d
 *     x = x + v                             classical (Polyak 1964), equation 1
 *     x = x + momentum * v - rate * d       nesterov = 1: equations 3, 4 at the looked-ahead point,
 *                                           which is what x holds (Bengio et al. 2013, equation 7)
 */
#include "optim.h"
#include "cpu.h"

#include <stdbool.h>
#include <string.h>

struct sgd {
	float rate, momentum, decay;
	bool nesterov;
};

#define BODY "optim_sgd_body.h"
#include "clones.h"

static void step(float *x, const float *g, float *const *moment, int64_t n, const float *hyper,
                 float decay, int64_t t)
{
	typedef void kernel(float *, const float *, float *, int64_t, const struct sgd *);
	static kernel *const clone[DGM_CPU_LEVELS] = CLONES(sgd);

	(void)t;
	clone[dgm_cpu()](x, g, moment[0], n, &(struct sgd){hyper[0], hyper[1], decay, hyper[2] != 0});
}

const struct dgm_optimizer dgm_sgd = {
    .name = "sgd",
    .nmoment = 1,
    .hyper = {{"rate", 0.01f, "[0,)"}, {"momentum", 0, "[0,1)"}, {"nesterov", 0, "[0,1]"}},
    .step = step,
};
