/* Compiled once for each level of CPU: see clones.h and data_batch.c. */
KERNEL static void CLONE(below_bytes)(uint8_t *restrict to, const float *restrict u,
                                      const uint8_t *restrict p, float scale, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = u[i] < (float)p[i] * scale;
}

KERNEL static void CLONE(below_floats)(uint8_t *restrict to, const float *restrict u,
                                       const float *restrict p, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = u[i] < p[i];
}
