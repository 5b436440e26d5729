/* Vectors of 16 floats at any address, for one level of CPU: see clones.h. */

static inline KERNEL f32x16 CLONE(load)(const float *p)
{
	return *(const f32x16 *)p;
}

static inline KERNEL void CLONE(store)(float *p, f32x16 v)
{
	*(f32x16 *)p = v;
}

static inline KERNEL f32x16 CLONE(root)(f32x16 a)
{
#if LEVEL == 2
	return (f32x16)_mm512_sqrt_ps((__m512)a);
#elif LEVEL == 1
	union {
		f32x16 v;
		__m256 part[2];
	} x = {a};
	for (int i = 0; i < 2; i++)
		x.part[i] = _mm256_sqrt_ps(x.part[i]);
	return x.v;
#elif defined(__x86_64__)
	union {
		f32x16 v;
		__m128 part[4];
	} x = {a};
	for (int i = 0; i < 4; i++)
		x.part[i] = _mm_sqrt_ps(x.part[i]);
	return x.v;
#else
	for (int i = 0; i < 16; i++)
		a[i] = __builtin_sqrtf(a[i]);
	return a;
#endif
}
