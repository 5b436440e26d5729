/* Which kernels this CPU can run.  A kernel file NAME_body.h is compiled once a level by clones.h;
 * its callers index a table of the clones with dgm_cpu(). */
#ifndef DGM_CPU_H
#define DGM_CPU_H

enum dgm_cpu_level {
	DGM_CPU_BASE,   /* what the compiler was told to assume */
	DGM_CPU_AVX2,   /* x86-64-v3 */
	DGM_CPU_AVX512, /* x86-64-v4 and vpopcntdq: Ice Lake, Zen 4 and later */
	DGM_CPU_LEVELS
};

/* The best level of this CPU, at most the limit. */
enum dgm_cpu_level dgm_cpu(void);
/* For tests: keeps to `limit` from now on, where the CPU can do as much.  Returns dgm_cpu(). */
enum dgm_cpu_level dgm_cpu_limit(enum dgm_cpu_level limit);

#endif
