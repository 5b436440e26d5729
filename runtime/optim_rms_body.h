/* The kernel of optim_rms.c, for one level of CPU: see clones.h. */
#include "vector_body.h"

static inline KERNEL void CLONE(rms16)(float *x, const float *g, float *s, const struct rms *p)
{
	f32x16 x0 = CLONE(load)(x), d = CLONE(load)(g) + p->decay * x0;
	f32x16 s1 = p->keep * CLONE(load)(s) + p->add * (d * d);

	CLONE(store)(s, s1);
	CLONE(store)(x, x0 - p->rate * d / (CLONE(root)(s1) + p->epsilon));
}

static KERNEL void CLONE(rms)(float *x, const float *g, float *s, int64_t n, const struct rms *p)
{
	float last[3][16] = {{0}};
	int64_t i = 0;
	size_t rest;

	for (; i + 16 <= n; i += 16)
		CLONE(rms16)(x + i, g + i, s + i, p);
	rest = (size_t)(n - i) * sizeof *x;
	if (!rest)
		return;
	memcpy(last[0], x + i, rest);
	memcpy(last[1], g + i, rest);
	memcpy(last[2], s + i, rest);
	CLONE(rms16)(last[0], last[1], last[2], p);
	memcpy(x + i, last[0], rest);
	memcpy(s + i, last[2], rest);
}
