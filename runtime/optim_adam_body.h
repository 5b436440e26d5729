/* The kernel of optim_adam.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

static inline KERNEL void CLONE(adam16)(float *x, const float *g, float *m, float *s,
                                        const struct adam *p)
{
	f32x16 x0 = CLONE(load)(x), d = CLONE(load)(g) + p->decay * x0;
	f32x16 m1 = p->beta1 * CLONE(load)(m) + (1 - p->beta1) * d;
	f32x16 s1 = p->beta2 * CLONE(load)(s) + (1 - p->beta2) * (d * d);

	CLONE(store)(m, m1);
	CLONE(store)(s, s1);
	CLONE(store)(x, p->keep * x0 - p->rate * m1 / (CLONE(root)(s1) * p->root + p->epsilon));
}

static KERNEL void CLONE(adam)(float *x, const float *g, float *m, float *s, int64_t n,
                               const struct adam *p)
{
	float last[4][16] = {{0}};
	int64_t i = 0;
	size_t rest;

	for (; i + 16 <= n; i += 16)
		CLONE(adam16)(x + i, g + i, m + i, s + i, p);
	rest = (size_t)(n - i) * sizeof *x;
	if (!rest)
		return;
	memcpy(last[0], x + i, rest);
	memcpy(last[1], g + i, rest);
	memcpy(last[2], m + i, rest);
	memcpy(last[3], s + i, rest);
	CLONE(adam16)(last[0], last[1], last[2], last[3], p);
	memcpy(x + i, last[0], rest);
	memcpy(m + i, last[2], rest);
	memcpy(s + i, last[3], rest);
}
