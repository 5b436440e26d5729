/* Finds out once which clones of the kernels this CPU can run.  A table of function pointers and
 * not ifunc resolvers: those run before the sanitizers are ready. */
#include "cpu.h"

static int found = -1;

static enum dgm_cpu_level detect(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
	    !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") ||
	    !__builtin_cpu_supports("popcnt"))
		return DGM_CPU_BASE;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vpopcntdq"))
		return DGM_CPU_AVX2;
	return DGM_CPU_AVX512;
#else
	return DGM_CPU_BASE;
#endif
}

enum dgm_cpu_level dgm_cpu(void)
{
	int level = __atomic_load_n(&found, __ATOMIC_RELAXED);

	if (level < 0) {
		level = (int)detect();
		__atomic_store_n(&found, level, __ATOMIC_RELAXED);
	}
	return (enum dgm_cpu_level)level;
}

enum dgm_cpu_level dgm_cpu_limit(enum dgm_cpu_level limit)
{
	enum dgm_cpu_level best = detect();

	__atomic_store_n(&found, (int)(best < limit ? best : limit), __ATOMIC_RELAXED);
	return dgm_cpu();
}
