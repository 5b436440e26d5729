/* Random numbers: Random123's own Philox with its known answers, the documented place of each unit
 * at every level of this CPU, and the moments of both distributions. Tolerances of the moments are
 * 5 standard errors at n = 2^20. */
#include "dgm_rt.h"
#include "cpu.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <Random123/philox.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1 << 20 };

/* The word of a unit, as dgm_rt.h has it. */
static uint32_t word(uint32_t u, uint64_t seed, uint32_t chain, uint32_t step, uint32_t stream)
{
	philox4x32_ctr_t counter = {{u / 64 * 16 + u % 16, chain, step, stream}};
	philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};

	return philox4x32(counter, key).v[u % 64 / 16];
}

static float uniform(uint32_t word)
{
	return ((float)(word >> 9) + .5f) * 0x1p-23f;
}

/* kat_vectors of Random123 1.14, philox4x32 10. */
static void test_known_answers(void)
{
	static const struct {
		uint32_t counter[4], key[2], answer[4];
	} kat[] = {
	    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
	    {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
	    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
	     {0xa4093822, 0x299f31d0},
	     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
		philox4x32_ctr_t counter;
		philox4x32_key_t key;

		memcpy(&counter, kat[i].counter, sizeof counter);
		memcpy(&key, kat[i].key, sizeof key);
		counter = philox4x32(counter, key);
		CU_ASSERT_EQUAL(memcmp(&counter, kat[i].answer, sizeof counter), 0);
	}
}

static void check_units(void)
{
	const uint64_t seed = 0x299f31d0a4093822;
	float u[203], z[203];

	for (int n = 1; n <= 200; n += 13) {
		u[n] = z[n] = -7;
		dgm_uniform(u, n, seed, 3, 5, 4097);
		dgm_normal(z, n, seed, 3, 5, 4097);
		CU_ASSERT(u[n] == -7 && z[n] == -7); /* nothing behind the end */
		for (int i = 0; i < n; i++) {
			uint32_t even = word((uint32_t)i & ~1u, seed, 3, 5, 4097);
			uint32_t odd = word((uint32_t)i | 1u, seed, 3, 5, 4097);
			double r = sqrt(-2 * log((even + .5) / 0x1p32)), angle = 2 * M_PI * odd / 0x1p32;

			CU_ASSERT_EQUAL(u[i], uniform(i % 2 ? odd : even));
			CU_ASSERT_DOUBLE_EQUAL(z[i], i % 2 ? r * sin(angle) : r * cos(angle), 2e-6);
		}
	}

	dgm_uniform(u, 200, seed, 3, 5, 4097);
	dgm_normal(z, 200, seed, 3, 5, 4097);
	for (int first = 0; first < 200; first += 64) { /* from the middle on */
		float at[200];

		dgm_uniform_at(at, 200 - first, seed, 3, 5, 4097, first);
		CU_ASSERT_EQUAL(memcmp(at, u + first, (size_t)(200 - first) * sizeof *at), 0);
		dgm_normal_at(at, 200 - first, seed, 3, 5, 4097, first);
		CU_ASSERT_EQUAL(memcmp(at, z + first, (size_t)(200 - first) * sizeof *at), 0);
	}
}

static void test_units(void)
{
	enum dgm_cpu_level best = dgm_cpu_limit(DGM_CPU_LEVELS - 1);

	for (int level = 0; level <= (int)best; level++) {
		dgm_cpu_limit((enum dgm_cpu_level)level);
		check_units();
	}
	dgm_cpu_limit(best);
}

static void test_range(void)
{
	CU_ASSERT(uniform(0) > 0 && uniform(0) < 1e-7f);
	CU_ASSERT(uniform(UINT32_MAX) < 1);
}

/* Mean of f(x[i]). */
static double mean(const float *x, double (*f)(double))
{
	double sum = 0;

	for (int i = 0; i < N; i++)
		sum += f((double)x[i]);
	return sum / N;
}

static double power1(double x)
{
	return x;
}

static double power2(double x)
{
	return x * x;
}

static double power4(double x)
{
	return x * x * x * x;
}

static double beyond3(double x)
{
	return fabs(x) > 3;
}

static void test_moments(void)
{
	float *x = malloc(N * sizeof *x);
	double root = sqrt(N), pairs = 0;

	dgm_uniform(x, N, 42, 0, 0, 0);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, power1), .5, 5 * sqrt(1 / 12.) / root);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, power2), 1 / 3., 5 * sqrt(4 / 45.) / root);
	dgm_normal(x, N, 42, 0, 0, 0);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, power1), 0, 5 / root);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, power2), 1, 5 * sqrt(2) / root);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, power4), 3, 5 * sqrt(96) / root);
	CU_ASSERT_DOUBLE_EQUAL(mean(x, beyond3), .0026998, 5 * sqrt(.0026998) / root);
	for (int i = 0; i < N; i += 2)
		pairs += (double)x[i] * (double)x[i + 1];
	CU_ASSERT_DOUBLE_EQUAL(pairs / (N / 2), 0, 5 * sqrt(2) / root);
	free(x);
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("rng", NULL, NULL);
	CU_add_test(suite, "known answers of Philox4x32-10", test_known_answers);
	CU_add_test(suite, "every unit where it is documented", test_units);
	CU_add_test(suite, "uniforms lie inside (0, 1)", test_range);
	CU_add_test(suite, "moments", test_moments);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
