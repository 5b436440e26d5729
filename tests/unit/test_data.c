/* Data sets: steps, binarisation, keys, batches, permutations.  Real data is read when DGM_DATA is
 * set. */
#include "data_files.h"
#include <math.h>

static void test_bars(void)
{
	struct dgm_data_spec s = spec_of("bars_and_stripes", NULL);
	for (int64_t n = 1; n <= 5; n++)
		for (int64_t m = 1; m <= 5; m++) {
			s.arg[0] = n;
			s.arg[1] = m;
			struct dgm_data *d = load(&s);
			CU_ASSERT_EQUAL(d->n, (1 << n) + (1 << m) - 2);
			CU_ASSERT(d->rank == 2 && d->dim[0] == n && d->dim[1] == m &&
			          d->domain == DGM_DATA_BINARY);
			for (int64_t a = 0; a < d->n; a++)
				for (int64_t b = 0; b < a; b++)
					CU_ASSERT(memcmp(d->u8 + a * n * m, d->u8 + b * n * m, (size_t)(n * m)) != 0);
			dgm_data_free(d);
		}
	s.arg[0] = 0;
	refused(&s, DGM_EDOMAIN, "bars_and_stripes(0, 5): sizes begin at 1");
	s.arg[0] = 62;
	refused(&s, DGM_ELIMIT, "bars_and_stripes(62, 5)");
}

/* 40 examples of 100 values, example e unit u: (e*100 + u) % 256. */
static void put_grey(void)
{
	unsigned char b[12 + 4000] = {0, 0, 8, 2, 0, 0, 0, 40, 0, 0, 0, 100};
	for (int i = 0; i < 4000; i++)
		b[12 + i] = (unsigned char)i;
	put("grey", b, sizeof b);
}

static const struct dgm_step by_255 = {.kind = DGM_STEP_MUL, .value = 1 / 255.0};

static void test_steps(void)
{
	put_grey();
	struct dgm_data_spec s = spec_of("idx", "grey");
	add(&s, (struct dgm_step){.kind = DGM_STEP_ROWS, .lo = 10, .hi = 20});
	add(&s, (struct dgm_step){.kind = DGM_STEP_COLUMNS, .lo = 5, .hi = 7});
	add(&s, (struct dgm_step){.kind = DGM_STEP_MUL, .value = 2});
	add(&s, (struct dgm_step){.kind = DGM_STEP_ADD, .value = -0.5});
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 10 && d->items == 2 && d->dim[0] == 2 && d->f32);
	CU_ASSERT_EQUAL(value(d, 3), 2 * ((1106) % 256) - 0.5f);
	CU_ASSERT_STRING_EQUAL(d->key, "real |> columns(5..7) * 2 - 0.5");
	dgm_data_free(d);

	s.nstep = 0;
	add(&s, (struct dgm_step){.kind = DGM_STEP_ROWS, .lo = 30, .hi = 41});
	refused(&s, DGM_ESHAPE, "examples 30..41 asked for, there are 0..40");

	s.nstep = 0;
	add(&s, (struct dgm_step){.kind = DGM_STEP_SHUFFLE, .seed = 3});
	d = load(&s);
	bool seen[40] = {false};
	int moved = 0;
	for (int e = 0; e < 40; e++) {
		int from = -1;
		for (int k = 0; k < 40; k++)
			if (d->u8[e * 100] == k * 100 % 256 && !seen[k] && from < 0)
				from = k;
		CU_ASSERT_FATAL(from >= 0);
		seen[from] = true;
		moved += from != e;
		CU_ASSERT_EQUAL(d->u8[e * 100 + 99], (from * 100 + 99) % 256);
	}
	CU_ASSERT(moved > 20);
	dgm_data_free(d);

	s.nstep = 0;
	add(&s, (struct dgm_step){.kind = DGM_STEP_STANDARDIZE});
	d = load(&s);
	CU_ASSERT_STRING_EQUAL(d->key, "real |> standardize");
	for (int u = 0; u < 100; u++) {
		double sum = 0, square = 0;
		for (int e = 0; e < 40; e++) {
			sum += d->f32[e * 100 + u];
			square += (double)d->f32[e * 100 + u] * d->f32[e * 100 + u];
		}
		CU_ASSERT_DOUBLE_EQUAL(sum / 40, 0, 1e-6);
		CU_ASSERT_DOUBLE_EQUAL(square / 40, 1, 1e-5);
	}
	dgm_data_free(d);
	put("same.csv", TEXT("1,2\n1,3\n"));
	s = spec_of("csv", "same.csv");
	add(&s, (struct dgm_step){.kind = DGM_STEP_STANDARDIZE});
	CU_ASSERT_EQUAL_FATAL(dgm_data_load(&s, &d), DGM_OK); /* a constant unit becomes 0 */
	CU_ASSERT_EQUAL(d->f32[0], 0);
	CU_ASSERT_EQUAL(d->f32[2], 0);
	CU_ASSERT_EQUAL(d->f32[1], -1);
	CU_ASSERT_EQUAL(d->f32[3], 1);
	dgm_data_free(d);
}

static void test_binarize(void)
{
	put_grey();
	struct dgm_data_spec s = spec_of("idx", "grey");
	add(&s, (struct dgm_step){.kind = DGM_STEP_BINARIZE_RESAMPLED});
	refused(&s, DGM_EDOMAIN,
	        "d: binarize needs values in [0,1], these run from 0 to 255: divide by 255 first");
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_BINARIZE_THRESHOLD, .value = 0.5};
	refused(&s, DGM_EDOMAIN, "divide by 255 first");

	s.nstep = 0;
	add(&s, by_255);
	add(&s, (struct dgm_step){.kind = DGM_STEP_BINARIZE_THRESHOLD, .value = 0.5});
	struct dgm_data *d = load(&s);
	CU_ASSERT_STRING_EQUAL(d->key, "threshold(0.5)");
	CU_ASSERT(d->domain == DGM_DATA_BINARY && d->scale == 1 && d->u8[127] == 0 && d->u8[128] == 1);
	dgm_data_free(d);

	s.step[1] = (struct dgm_step){.kind = DGM_STEP_BINARIZE_FIXED, .seed = 7};
	d = load(&s);
	CU_ASSERT_STRING_EQUAL(d->key, "fixed(seed 7)");
	for (int e = 0; e < 40; e++) {
		float u[128];
		dgm_uniform(u, 100, 7, (uint32_t)e, 0, 0xFFFFF001u);
		for (int i = 0; i < 100; i++)
			CU_ASSERT_EQUAL(d->u8[e * 100 + i],
			                u[i] < (float)((e * 100 + i) % 256) * (float)(1 / 255.0));
	}
	uint64_t digest = d->digest;
	dgm_data_free(d);
	s.step[1].seed = 8;
	d = load(&s);
	CU_ASSERT_NOT_EQUAL(d->digest, digest);
	dgm_data_free(d);

	add(&s, (struct dgm_step){.kind = DGM_STEP_MUL, .value = 2});
	add(&s, (struct dgm_step){.kind = DGM_STEP_ADD, .value = -1});
	d = load(&s);
	CU_ASSERT(d->domain == DGM_DATA_REAL && fabsf(d->f32[5]) == 1);
	CU_ASSERT_STRING_EQUAL(d->key, "fixed(seed 8) * 2 - 1");
	dgm_data_free(d);
	s.step[1].kind = DGM_STEP_BINARIZE_RESAMPLED;
	refused(&s, DGM_EDOMAIN, "after binarize(resampled)");

	/* 0 and 255 are 0/1 after the division, and then they are bytes 0/1 */
	put("ends", BYTES(0, 0, 8, 1, 0, 0, 0, 2, 0, 255));
	s = spec_of("idx", "ends");
	add(&s, by_255);
	d = load(&s);
	CU_ASSERT(d->domain == DGM_DATA_BINARY && d->u8 && d->u8[1] == 1 && d->scale == 1);
	CU_ASSERT_STRING_EQUAL(d->key, "fixed");
	dgm_data_free(d);
}

static int bit(const uint64_t *words, int64_t i)
{
	return (int)(words[i / 64] >> i % 64 & 1);
}

static void test_batch(void)
{
	enum { N = 3, REPEATS = 2000 };
	put_grey();
	struct dgm_data_spec s = spec_of("idx", "grey");
	add(&s, by_255);
	add(&s, (struct dgm_step){.kind = DGM_STEP_BINARIZE_RESAMPLED});
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->domain == DGM_DATA_BINARY && d->resampled);
	CU_ASSERT_STRING_EQUAL(d->key, "resampled");
	struct dgm_slot bits = {.name = "v", .repr = DGM_BITS, .rank = 1, .dim = {100}}, floats = bits;
	floats.repr = DGM_F32;
	int64_t words = dgm_item_stride(&bits), stride = dgm_item_stride(&floats);
	uint64_t *b = malloc((size_t)(N * words) * 8), *one = malloc((size_t)words * 8);
	float *f = malloc((size_t)(N * stride) * 4);
	CU_ASSERT_FATAL(b && one && f);
	const int64_t index[N] = {39, 2, 39};
	int count[100] = {0};
	for (uint32_t step = 0; step < REPEATS; step++) {
		memset(b, 0xFF, (size_t)(N * words) * 8);
		memset(one, 0xFF, (size_t)words * 8);
		CU_ASSERT_EQUAL(dgm_data_batch(d, index, N, &bits, b, 1, step), DGM_OK);
		CU_ASSERT_EQUAL(dgm_data_batch(d, index, N, &floats, f, 1, step), DGM_OK);
		CU_ASSERT_EQUAL(dgm_data_batch(d, index + 1, 1, &bits, one, 1, step), DGM_OK);
		CU_ASSERT(memcmp(b + words, one, (size_t)words * 8) == 0);
		CU_ASSERT(memcmp(b, b + 2 * words, (size_t)words * 8) == 0);
		for (int64_t i = 0; i < N; i++)
			for (int64_t u = 0; u < 64 * words; u++)
				CU_ASSERT_EQUAL(bit(b + i * words, u), u < 100 && f[i * stride + u] == 1);
		for (int u = 0; u < 100; u++)
			count[u] += bit(b + words, u);
	}
	/* means of 2000 draws: 5 standard errors */
	for (int u = 0; u < 100; u++) {
		double p = (200 + u) % 256 / 255.0;
		CU_ASSERT_DOUBLE_EQUAL((double)count[u] / REPEATS, p,
		                       1e-9 + 5 * sqrt(p * (1 - p) / REPEATS));
	}
	const int64_t outside = 40;
	CU_ASSERT_EQUAL(dgm_data_batch(d, &outside, 1, &bits, b, 1, 0), DGM_ESHAPE);
	bits.dim[0] = 99;
	CU_ASSERT_EQUAL(dgm_data_batch(d, index, 1, &bits, b, 1, 0), DGM_ESHAPE);
	bits.dim[0] = 100;
	dgm_data_free(d);

	s.nstep = 1;
	d = load(&s);
	CU_ASSERT_EQUAL(dgm_data_batch(d, index, 1, &bits, b, 1, 0), DGM_EDOMAIN);
	CU_ASSERT_EQUAL(dgm_data_batch(d, index, N, &floats, f, 1, 0), DGM_OK);
	CU_ASSERT_EQUAL(f[stride + 7], 207 * (float)(1 / 255.0));
	CU_ASSERT_EQUAL(f[stride + 100], 0);
	dgm_data_free(d);

	s.step[0] = (struct dgm_step){.kind = DGM_STEP_BINARIZE_THRESHOLD, .value = 127};
	d = load(&s);
	CU_ASSERT_EQUAL(dgm_data_batch(d, index, N, &bits, b, 1, 0), DGM_OK);
	for (int64_t u = 0; u < 64 * words; u++)
		CU_ASSERT_EQUAL(bit(b + words, u), u < 100 && (200 + u) % 256 > 127);
	dgm_data_free(d);
	free(b);
	free(one);
	free(f);
}

static void test_mean(void)
{
	put("m.csv", TEXT("1,0\n1,0.5\n1,1\n"));
	struct dgm_data_spec s = spec_of("csv", "m.csv");
	struct dgm_data *d = load(&s);
	float mean[2];
	dgm_data_mean(d, false, mean);
	CU_ASSERT(mean[0] == 1 && mean[1] == 0.5f);
	dgm_data_mean(d, true, mean);
	CU_ASSERT(mean[0] == 0.8f && mean[1] == 0.5f);
	dgm_data_free(d);
}

static void test_variance(void)
{
	put("v.csv", TEXT("1,0,-3\n1,1,0.5\n1,1,7\n1,0,2\n"));
	struct dgm_data_spec s = spec_of("csv", "v.csv");
	struct dgm_data *d = load(&s);
	float var[100];
	dgm_data_variance(d, var);
	CU_ASSERT(var[0] == DGM_DATA_VARIANCE_FLOOR && var[1] == 0.25f);
	CU_ASSERT_DOUBLE_EQUAL(var[2], (9 + 0.25 + 49 + 4) / 4 - 1.625 * 1.625, 1e-5);
	dgm_data_free(d);

	put_grey();
	s = spec_of("idx", "grey");
	add(&s, by_255);
	d = load(&s);
	dgm_data_variance(d, var);
	for (int u = 0; u < 100; u++) {
		double sum = 0, square = 0;
		for (int e = 0; e < 40; e++) {
			double x = (e * 100 + u) % 256 / 255.0;
			sum += x / 40;
			square += x * x / 40;
		}
		CU_ASSERT_DOUBLE_EQUAL(var[u], square - sum * sum, 1e-6);
	}
	dgm_data_free(d);
	add(&s, (struct dgm_step){.kind = DGM_STEP_BINARIZE_RESAMPLED});
	d = load(&s);
	float mean[100];
	dgm_data_mean(d, false, mean);
	dgm_data_variance(d, var);
	for (int u = 0; u < 100; u++)
		CU_ASSERT_DOUBLE_EQUAL(var[u], mean[u] * (1 - mean[u]), 1e-7);
	dgm_data_free(d);
}

static void test_permutation(void)
{
	enum { N = 5, REPEATS = 12000 };
	int64_t p[1000], q[1000];
	bool seen[1000] = {false};
	dgm_permutation(p, 1000, 1, 0);
	dgm_permutation(q, 1000, 1, 0);
	CU_ASSERT(memcmp(p, q, sizeof p) == 0);
	dgm_permutation(q, 1000, 1, 1);
	CU_ASSERT(memcmp(p, q, sizeof p) != 0);
	for (int i = 0; i < 1000; i++) {
		CU_ASSERT_FATAL(p[i] >= 0 && p[i] < 1000 && !seen[p[i]]);
		seen[p[i]] = true;
	}
	/* each of 5 elements at each place in a fifth of the cases: 5 standard errors of 44 */
	int count[N][N] = {{0}};
	for (uint32_t e = 0; e < REPEATS; e++) {
		dgm_permutation(p, N, 99, e);
		for (int i = 0; i < N; i++)
			count[i][p[i]]++;
	}
	for (int i = 0; i < N * N; i++)
		CU_ASSERT(abs(count[i / N][i % N] - REPEATS / N) < 220);
	dgm_permutation(p, 1, 1, 1);
	CU_ASSERT_EQUAL(p[0], 0);
	dgm_permutation(p, 0, 1, 1);
}

static void test_real_data(void)
{
	if (!getenv("DGM_DATA")) {
		printf("(skipped: DGM_DATA is not set) ");
		return;
	}
	struct dgm_data_spec s = spec_of("idx", "mnist/train-images-idx3-ubyte.gz");
	add(&s, by_255);
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 60000 && d->rank == 2 && d->dim[0] == 28 && d->dim[1] == 28);
	float mean[784];
	double sum = 0;
	dgm_data_mean(d, false, mean);
	for (int u = 0; u < 784; u++)
		sum += mean[u];
	CU_ASSERT_DOUBLE_EQUAL(sum / 784, 0.130660, 1e-6);
	dgm_data_free(d);
	s = spec_of("csv", "uci/winequality-white.csv");
	d = load(&s);
	CU_ASSERT(d->n == 4898 && d->items == 12);
	dgm_data_free(d);
	s = spec_of("csv", "uci/housing.data");
	d = load(&s);
	CU_ASSERT(d->n == 506 && d->items == 14);
	dgm_data_free(d);
}

int main(void)
{
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite("data", NULL, remove_folder);
	CU_add_test(suite, "bars and stripes", test_bars);
	CU_add_test(suite, "steps", test_steps);
	CU_add_test(suite, "binarize", test_binarize);
	CU_add_test(suite, "batch", test_batch);
	CU_add_test(suite, "mean", test_mean);
	CU_add_test(suite, "variance", test_variance);
	CU_add_test(suite, "permutation", test_permutation);
	CU_add_test(suite, "real data", test_real_data);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
