/* The kernels of optim_sgd.c, for one level of CPU: see clones.h.  The tail goes through the same
 * vectors as the rest. */
#include "vector_body.h"

static inline KERNEL void CLONE(sgd16)(float *x, const float *g, float *v, const struct sgd *p)
{
	f32x16 x0 = CLONE(load)(x), down = p->rate * (CLONE(load)(g) + p->decay * x0), v1;

	if (p->momentum == 0) {
		CLONE(store)(x, x0 - down);
		return;
	}
	v1 = p->momentum * CLONE(load)(v) - down;
	CLONE(store)(v, v1);
	CLONE(store)(x, p->nesterov ? x0 + (p->momentum * v1 - down) : x0 + v1);
}

static KERNEL void CLONE(sgd)(float *x, const float *g, float *v, int64_t n, const struct sgd *p)
{
	float last[3][16] = {{0}};
	int64_t i = 0;
	size_t rest;

	for (; i + 16 <= n; i += 16)
		CLONE(sgd16)(x + i, g + i, v + i, p);
	rest = (size_t)(n - i) * sizeof *x;
	if (!rest)
		return;
	memcpy(last[0], x + i, rest);
	memcpy(last[1], g + i, rest);
	memcpy(last[2], v + i, rest);
	CLONE(sgd16)(last[0], last[1], last[2], p);
	memcpy(x + i, last[0], rest);
	memcpy(v + i, last[2], rest);
}
