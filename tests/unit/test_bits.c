/* Products with matrices of bits against plain loops in double, at every level of this CPU, and
 * that neither the split of the rows nor the threads change a bit. */
#include "dgm_rt.h"
#include "cpu.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	int64_t m, n, k;
	float density;
} shape[] = {
    {1, 1, 1, 1},       {3, 5, 7, .5f},      {2, 16, 64, .3f},     {17, 33, 65, .4f},
    {50, 96, 100, .1f}, {300, 31, 129, .3f}, {70, 500, 784, .28f}, {5, 520, 193, .9f},
    {9, 40, 5000, .2f}, {9, 40, 1100, .5f},  {4, 3, 0, 0},
};
enum { NSHAPE = sizeof shape / sizeof *shape };

struct matrix {
	int64_t rows, cols, ld;
	float *f;
	uint64_t *bits; /* ldb words a row */
	int64_t ldb;
};

static float draw(void)
{
	return (float)rand() / (float)RAND_MAX;
}

/* Random ones with rows of different densities, as bits and as floats, or floats alone. */
static struct matrix matrix_new(int64_t rows, int64_t cols, float density)
{
	struct matrix x = {rows, cols, cols + 3, NULL, NULL, (cols + 63) / 64 + 1};

	x.f = calloc((size_t)(rows * x.ld + 16), sizeof *x.f);
	x.bits = calloc((size_t)(rows * x.ldb + 1), sizeof *x.bits);
	for (int64_t i = 0; i < rows; i++) {
		float p = density >= 1 ? 1 : density * 2 * draw();

		for (int64_t j = 0; j < cols; j++)
			if (density < 0)
				x.f[i * x.ld + j] = draw() - .5f;
			else if (draw() < p) {
				x.f[i * x.ld + j] = 1;
				x.bits[i * x.ldb + j / 64] |= (uint64_t)1 << j % 64;
			}
	}
	return x;
}

static void matrix_free(struct matrix *x)
{
	free(x->f);
	free(x->bits);
}

/* Largest difference of C from alpha * op(A) B + beta * C0, where C0 is NaN for beta = 0. */
static double error(const struct matrix *a, bool ta, const struct matrix *b, float alpha,
                    float beta, float c0, const struct matrix *c)
{
	int64_t k = ta ? a->rows : a->cols;
	double worst = 0;

	for (int64_t i = 0; i < c->rows; i++)
		for (int64_t j = 0; j < c->cols; j++) {
			double sum = 0, e;

			for (int64_t l = 0; l < k; l++)
				sum += (double)(ta ? a->f[l * a->ld + i] : a->f[i * a->ld + l]) *
				       (double)b->f[l * b->ld + j];
			e = fabs(alpha * sum + (beta != 0 ? beta * c0 : 0) - (double)c->f[i * c->ld + j]);
			worst = e <= worst ? worst : e; /* NaN is worst */
		}
	return worst;
}

static void fill(struct matrix *c, float value)
{
	for (int64_t i = 0; i < c->rows * c->ld; i++)
		c->f[i] = value;
}

static float *aligned(int64_t n)
{
	return aligned_alloc(64, ((size_t)n * 4 + 127) / 64 * 64);
}

static void check_mm(int s, float alpha, float beta)
{
	struct matrix a = matrix_new(shape[s].m, shape[s].k, shape[s].density);
	struct matrix b = matrix_new(shape[s].k, shape[s].n, -1);
	struct matrix bt = matrix_new(shape[s].n, shape[s].k, -1);
	struct matrix c = matrix_new(shape[s].m, shape[s].n, 0),
	              d = matrix_new(shape[s].m, shape[s].n, 0);
	int64_t size = dgm_pack_size(b.rows, b.cols);
	float *packed = aligned(size), *packed2 = aligned(size), c0 = beta != 0 ? 2 : NAN;

	for (int64_t i = 0; i < b.rows; i++)
		for (int64_t j = 0; j < b.cols; j++)
			bt.f[j * bt.ld + i] = b.f[i * b.ld + j];
	memset(packed, 0xff, (size_t)size * 4);
	memset(packed2, 0xff, (size_t)size * 4);
	for (int chunk = 0; chunk < 3; chunk++)
		dgm_pack(0, b.rows, b.cols, b.f, b.ld, packed, chunk, 3);
	dgm_pack(1, b.rows, b.cols, bt.f, bt.ld, packed2, 0, 1);
	CU_ASSERT_EQUAL(memcmp(packed, packed2, (size_t)size * 4), 0);

	fill(&c, c0);
	fill(&d, c0);
	dgm_bits_mm(a.rows, b.cols, a.cols, alpha, a.bits, a.ldb, packed, beta, c.f, c.ld);
	CU_ASSERT(error(&a, false, &b, alpha, beta, c0, &c) < 1e-4);
	for (int64_t i = 0; i < a.rows; i += 7) {
		int64_t rows = a.rows - i < 7 ? a.rows - i : 7;

		dgm_bits_mm(rows, b.cols, a.cols, alpha, a.bits + i * a.ldb, a.ldb, packed, beta,
		            d.f + i * d.ld, d.ld);
	}
	CU_ASSERT_EQUAL(memcmp(c.f, d.f, (size_t)(c.rows * c.ld) * 4), 0);
	matrix_free(&a), matrix_free(&b), matrix_free(&bt), matrix_free(&c), matrix_free(&d);
	free(packed), free(packed2);
}

/* C = alpha * A^T B + beta * C, `step` rows of C at a time. */
static void transposed(const struct matrix *a, const struct matrix *b, bool counts, float alpha,
                       float beta, struct matrix *c, int64_t step)
{
	for (int64_t i = 0; i < c->rows; i += step) {
		int64_t end = i + step < c->rows ? i + step : c->rows;
		float *to = c->f + i * c->ld;

		if (counts)
			dgm_bits_count(i, end, b->cols, a->rows, alpha, a->bits, a->ldb, b->bits, b->ldb, beta,
			               to, c->ld);
		else
			dgm_bits_tmm(i, end, b->cols, a->rows, alpha, a->bits, a->ldb, b->f, b->ld, beta, to,
			             c->ld);
	}
}

static void check_transposed(int s, bool counts, float alpha, float beta)
{
	struct matrix a = matrix_new(shape[s].k, shape[s].m, shape[s].density);
	struct matrix b = matrix_new(shape[s].k, shape[s].n, counts ? .5f : -1);
	struct matrix c = matrix_new(shape[s].m, shape[s].n, 0);
	struct matrix d = matrix_new(shape[s].m, shape[s].n, 0);
	float c0 = beta != 0 ? 2 : NAN;

	fill(&c, c0);
	fill(&d, c0);
	transposed(&a, &b, counts, alpha, beta, &c, c.rows);
	transposed(&a, &b, counts, alpha, beta, &d, 11);
	CU_ASSERT(error(&a, true, &b, alpha, beta, c0, &c) < (counts ? 1e-3 : 1e-4));
	CU_ASSERT_EQUAL(memcmp(c.f, d.f, (size_t)(c.rows * c.ld) * 4), 0);
	matrix_free(&a), matrix_free(&b), matrix_free(&c), matrix_free(&d);
}

static void each_level(void (*check)(int s, float alpha, float beta))
{
	enum dgm_cpu_level best = dgm_cpu_limit(DGM_CPU_LEVELS - 1);

	for (int level = 0; level <= (int)best; level++) {
		dgm_cpu_limit((enum dgm_cpu_level)level);
		for (int s = 0; s < NSHAPE; s++) {
			check(s, 1, 0);
			check(s, -.25f, 1);
			check(s, .5f, -.5f);
		}
	}
	dgm_cpu_limit(best);
}

static void tmm(int s, float alpha, float beta)
{
	check_transposed(s, false, alpha, beta);
}

static void count(int s, float alpha, float beta)
{
	check_transposed(s, true, alpha, beta);
}

static void test_mm(void)
{
	each_level(check_mm);
}

static void test_tmm(void)
{
	each_level(tmm);
}

static void test_count(void)
{
	each_level(count);
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	srand(1);
	CU_initialize_registry();
	suite = CU_add_suite("bits", NULL, NULL);
	CU_add_test(suite, "A B with a split of the rows, both packings", test_mm);
	CU_add_test(suite, "A^T B", test_tmm);
	CU_add_test(suite, "A^T B of bits", test_count);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
