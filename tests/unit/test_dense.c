/* Dense products against plain loops in double, at every level of this CPU, with B packed
 * beforehand and as it stands, both transposed and not, A with many zeros and with none, and that
 * the split of the rows does not change a bit. */
#include "dgm_rt.h"
#include "cpu.h"
#include "dense.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	int64_t m, n, k;
} shape[] = {{1, 1, 1},      {2, 16, 3},    {3, 17, 192}, {12, 32, 193}, {13, 33, 64},
             {25, 63, 400},  {200, 40, 70}, {7, 130, 5},  {70, 500, 97}, {14, 40, 1200},
             {75, 210, 600}, {9, 650, 200}, {4, 3, 0}};
enum { NSHAPE = sizeof shape / sizeof *shape, PAD = 3 };

/* A part `zeros` of it 0. */
static float *matrix(int64_t rows, int64_t cols, double zeros)
{
	float *x = malloc((size_t)(rows * (cols + PAD) + 16) * sizeof *x);

	for (int64_t i = 0; i < rows * (cols + PAD) + 16; i++)
		x[i] = (double)rand() < zeros * RAND_MAX ? 0 : (float)rand() / (float)RAND_MAX - .5f;
	return x;
}

/* C = alpha op(A) op(B) + beta C, `step` rows of C at a time; packed: by dgm_mm. */
static void product(int s, bool ta, bool tb, const float *packed, float alpha, const float *a,
                    const float *b, float beta, float *c, int64_t step)
{
	int64_t m = shape[s].m, n = shape[s].n, k = shape[s].k;
	int64_t lda = (ta ? m : k) + PAD, ldb = (tb ? k : n) + PAD, ldc = n + PAD;

	for (int64_t i = 0; i < m; i += step) {
		int64_t rows = m - i < step ? m - i : step;
		const float *ai = ta ? a + i : a + i * lda;

		if (packed)
			dgm_mm(rows, n, k, alpha, ai, lda, packed, beta, c + i * ldc, ldc);
		else
			dgm_sgemm(ta, tb, rows, n, k, alpha, ai, lda, b, ldb, beta, c + i * ldc, ldc);
	}
}

static void check(int s, double zeros, bool ta, bool tb, bool pack, float alpha, float beta)
{
	int64_t m = shape[s].m, n = shape[s].n, k = shape[s].k, ldc = n + PAD;
	float *a = ta ? matrix(k, m, zeros) : matrix(m, k, zeros),
	      *b = tb ? matrix(n, k, 0) : matrix(k, n, 0);
	float *c = matrix(m, n, 0), *d = matrix(m, n, 0), *packed = NULL;
	size_t size = (size_t)(m * ldc) * sizeof *c;
	double worst = 0;

	if (pack) {
		packed = aligned_alloc(64, ((size_t)dgm_pack_size(k, n) * 4 + 127) / 64 * 64);
		for (int chunk = 0; chunk < 3; chunk++)
			dgm_pack(tb, k, n, b, (tb ? k : n) + PAD, packed, chunk, 3);
	}
	for (int64_t i = 0; i < m * ldc; i++)
		c[i] = beta != 0 ? 2 : NAN;
	memcpy(d, c, size);
	product(s, ta, tb, packed, alpha, a, b, beta, c, m);
	product(s, ta, tb, packed, alpha, a, b, beta, d, 5);
	for (int64_t i = 0; i < m; i++) {
		CU_ASSERT_EQUAL(memcmp(c + i * ldc, d + i * ldc, (size_t)n * sizeof *c), 0);
		for (int64_t j = 0; j < n; j++) {
			double sum = 0, e;

			for (int64_t l = 0; l < k; l++)
				sum += (double)a[ta ? l * (m + PAD) + i : i * (k + PAD) + l] *
				       (double)b[tb ? j * (k + PAD) + l : l * (n + PAD) + j];
			e = fabs(alpha * sum + (beta != 0 ? beta * 2 : 0) - (double)c[i * ldc + j]);
			worst = e <= worst ? worst : e; /* NaN is worst */
		}
		for (int64_t j = n; j < ldc; j++) /* nothing is written behind a row */
			CU_ASSERT(beta != 0 ? c[i * ldc + j] == 2 : isnan(c[i * ldc + j]));
	}
	/* rounding is a walk of k steps, each half a unit of a sum of size sqrt(k)/12: 5 standard
	 * deviations */
	CU_ASSERT(worst < 1e-6 + 3.5e-8 * (double)k);
	free(a), free(b), free(c), free(d), free(packed);
}

/* Lists of what is not zero in A, or A as it is: the same bits. */
static void test_sparse(void)
{
	enum dgm_cpu_level best = dgm_cpu_limit(DGM_CPU_LEVELS - 1);

	for (int level = 0; level <= (int)best; level++) {
		dgm_cpu_limit((enum dgm_cpu_level)level);
		for (int s = 0; s < NSHAPE; s++) {
			int64_t m = shape[s].m, n = shape[s].n, k = shape[s].k < 500 ? shape[s].k : 500;
			float *a = matrix(m, k, .5),
			      *b = aligned_alloc(64, ((size_t)dgm_pack_size(k, n) * 4 + 127) / 64 * 64);
			float *from = matrix(k, n, 0), *c = matrix(m, n, 0), *d = matrix(m, n, 0);
			struct dense_product p = {
			    m, n, k, 1, (float)(s % 2), a, k + PAD, 1, b, dgm_pack_size(k, 1), c, n + PAD};

			memcpy(d, c, (size_t)(m * (n + PAD)) * sizeof *c);
			dgm_pack(0, k, n, from, n + PAD, b, 0, 1);
			dgm_dense_kernel()(&p);
			p.c = d;
			dgm_sparse_kernel()(&p);
			for (int64_t i = 0; i < m && k; i++)
				CU_ASSERT_EQUAL(memcmp(c + i * p.ldc, d + i * p.ldc, (size_t)n * sizeof *c), 0);
			free(a), free(b), free(c), free(d), free(from);
		}
	}
	dgm_cpu_limit(best);
}

/* Rows times themselves, `step` rows at a time, where half is mirrored: the bits of rows times a
 * copy of them. */
static void own_rows(int64_t n, int64_t k, double zeros, int64_t step)
{
	int64_t ld = k + PAD, ldc = n + PAD;
	float *x = matrix(n, k, zeros), *copy = matrix(n, k, 0), *c = matrix(n, n, 0),
	      *d = matrix(n, n, 0);

	memcpy(copy, x, (size_t)(n * ld) * sizeof *x);
	for (int64_t i = 0; i < n; i += step) {
		int64_t m = n - i < step ? n - i : step;

		dgm_sgemm(0, 1, m, n, k, 1, x + i * ld, ld, x, ld, 0, c + i * ldc, ldc);
		dgm_sgemm(0, 1, m, n, k, 1, x + i * ld, ld, copy, ld, 0, d + i * ldc, ldc);
	}
	for (int64_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(memcmp(c + i * ldc, d + i * ldc, (size_t)n * sizeof *c), 0);
	free(x), free(copy), free(c), free(d);
}

static void test_own(void)
{
	static const int64_t size[] = {1, 16, 97, 300};

	for (int s = 0; s < 4; s++)
		for (int t = 0; t < 4; t++)
			own_rows(size[s], t / 2 ? 700 : 33, t % 2 ? .6 : 0, t == 3 ? 130 : size[s]);
}

static void each_level(bool pack)
{
	enum dgm_cpu_level best = dgm_cpu_limit(DGM_CPU_LEVELS - 1);

	for (int level = 0; level <= (int)best; level++) {
		dgm_cpu_limit((enum dgm_cpu_level)level);
		for (int s = 0; s < NSHAPE; s++)
			for (int t = 0; t < (pack ? 4 : 8); t++) {
				double zeros = t % 2 ? .6 : 0;
				check(s, zeros, t / 4, t / 2 % 2, pack, 1, 0);
				check(s, zeros, t / 4, t / 2 % 2, pack, 1, 1);
				check(s, zeros, t / 4, t / 2 % 2, pack, -.25f, 1);
				check(s, zeros, t / 4, t / 2 % 2, pack, .5f, -.5f);
			}
	}
	dgm_cpu_limit(best);
}

static void test_packed(void)
{
	each_level(true);
}

static void test_plain(void)
{
	each_level(false);
}

/* Products of a part of B, and of a part of C: elements beyond them are not read, and are 0. */
static void test_cut(void)
{
	static const int64_t cut[][3] = {{3, -1, 0},  {-3, 1, 5},  {-1, -4, 300}, {2, 3, -250},
	                                 {1, 0, -40}, {0, -1, 70}, {-1, 0, -1},   {1, 1, 1000}};
	enum { M = 70, N = 210, K = 230 };
	for (int s = 0; s < 64; s++) {
		const int64_t *of_b = cut[s % 8], *of_c = cut[s / 8];
		float *a = matrix(K, M, s % 3 ? 0 : .6), *b = matrix(K, N, 0), *c = matrix(M, N, 0);
		double worst = 0;

		for (int64_t m0 = 0; m0 < M; m0 += 35)
			dgm_cut_sgemm(1, 0, 35, N, K, .5f, a + m0, M + PAD, b, N + PAD, 0, c + m0 * (N + PAD),
			              N + PAD, of_b[0], of_b[1], of_b[2], of_c[0], of_c[1],
			              of_c[2] + m0 * of_c[0]);
		for (int64_t i = 0; i < M; i++)
			for (int64_t j = 0; j < N; j++) {
				double sum = 0, got = (double)c[i * (N + PAD) + j];

				for (int64_t l = 0; l < K; l++)
					if (of_b[0] * l + of_b[1] * j + of_b[2] >= 0)
						sum += .5 * (double)a[l * (M + PAD) + i] * (double)b[l * (N + PAD) + j];
				if (of_c[0] * i + of_c[1] * j + of_c[2] < 0)
					sum = 0;
				worst = fmax(worst, fabs(got - sum) + (double)(sum == 0 && got != 0));
			}
		CU_ASSERT(worst < 1e-6 + 3.5e-8 * K);
		free(a), free(b), free(c);
	}
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	srand(1);
	CU_initialize_registry();
	suite = CU_add_suite("dense", NULL, NULL);
	CU_add_test(suite, "A B with B packed", test_packed);
	CU_add_test(suite, "op(A) op(B)", test_plain);
	CU_add_test(suite, "many zeros", test_sparse);
	CU_add_test(suite, "rows times themselves", test_own);
	CU_add_test(suite, "parts", test_cut);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
