/* Optimisers: elementwise rules that move parameters against the gradient of a loss.
 *
 * The driver holds `nmoment` zeroed vectors of nparam floats, in the layout of dgm_store's params,
 * and calls step on segments of all of them, at any split: an element's result depends on that
 * element alone.  To add one: a file that exports a const struct, a line in optim.c. */
#ifndef DGM_OPTIM_H
#define DGM_OPTIM_H

#include <stdint.h>

enum { DGM_MAX_MOMENT = 2, DGM_MAX_HYPER = 6 };

struct dgm_optimizer {
	const char *name;
	int nmoment;
	struct {
		const char *name; /* NULL: no more */
		float initial;
		const char *range; /* as in the compiler's signatures: [0,1) */
	} hyper[DGM_MAX_HYPER];
	/* Step number t = 1, 2, ...: moves param[0..n) by grad[0..n), the gradient of the loss to be
	 * minimised, plus decay * param (adamw: moves it by -rate * decay * param besides).  moment[i] are the same segment of the moments; hyper holds
	 * the values in the order of the table. */
	void (*step)(float *param, const float *grad, float *const *moment, int64_t n,
	             const float *hyper, float decay, int64_t t);
};

extern const struct dgm_optimizer dgm_sgd, dgm_adam, dgm_adamw, dgm_rmsprop, dgm_adagrad;
extern const struct dgm_optimizer *const dgm_optimizers[];        /* NULL ends it */
const struct dgm_optimizer *dgm_optimizer_find(const char *name); /* NULL: none */

#endif
