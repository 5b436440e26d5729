/* Compiles the file BODY once for each level of CPU (cpu.h), and CLONES(f) lists the results for a
 * table.  In BODY every function is KERNEL and its name CLONE(name); LEVEL is the level.
 *
 * The attribute is on the functions themselves because GCC splits vectors that the target cannot
 * hold before it inlines or clones: target_clones and inlining into a clone come too late. */
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed between functions of one clone */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float f32x16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i32x16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t u32x16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint64_t u64x8 __attribute__((vector_size(64), aligned(4), may_alias));

#define LEVEL 0
#define KERNEL
#define CLONE(name) name##_base
#include BODY
#undef LEVEL
#undef KERNEL
#undef CLONE

#if defined(__x86_64__)
#define LEVEL 1
#define KERNEL __attribute__((target("avx2,fma,bmi,bmi2,popcnt")))
#define CLONE(name) name##_avx2
#include BODY
#undef LEVEL
#undef KERNEL
#undef CLONE

#define LEVEL 2
#define KERNEL \
	__attribute__((target("avx2,fma,bmi,bmi2,popcnt,avx512f,avx512bw,avx512cd,avx512dq," \
	                      "avx512vl,avx512vpopcntdq")))
#define CLONE(name) name##_avx512
#include BODY
#undef LEVEL
#undef KERNEL
#undef CLONE

#define CLONES(name) \
	{ \
		name##_base, name##_avx2, name##_avx512 \
	}
#else
#define CLONES(name) \
	{ \
		name##_base, name##_base, name##_base \
	}
#endif
