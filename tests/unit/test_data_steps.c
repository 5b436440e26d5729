/* The steps of data sets that rescale by statistics, and those that pick and arrange. */
#include "data_files.h"
#include "dgm_rt.h"
#include <math.h>

static void test_onehot(void)
{
	put("labels", BYTES(0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1));
	struct dgm_data_spec s = spec_of("idx", "labels");
	add(&s, (struct dgm_step){.kind = DGM_STEP_ONEHOT, .more = {3}});
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 3 && d->rank == 1 && d->dim[0] == 3 && d->items == 3);
	CU_ASSERT(d->domain == DGM_DATA_BINARY && memcmp(d->u8, "\0\0\1\1\0\0\0\1", 9) == 0);
	CU_ASSERT_STRING_EQUAL(d->key, "count |> onehot(3)");
	dgm_data_free(d);
	s.step[0].more[0] = 2;
	refused(&s, DGM_EDOMAIN,
	        "example 0, unit 0 (both from 0) is 2, and onehot(2) needs whole numbers from 0 to 1");
	s.step[0].more[0] = 0;
	refused(&s, DGM_ELIMIT, "onehot(0) of 3 values: at least 1");
	s.step[0].more[0] = (int64_t)1 << 40;
	refused(&s, DGM_ELIMIT, "at most 2^32");

	put("two.csv", TEXT("0,1\n1,-1\n"));
	s = spec_of("csv", "two.csv");
	add(&s, (struct dgm_step){.kind = DGM_STEP_ONEHOT, .more = {2}});
	refused(&s, DGM_EDOMAIN, "example 1, unit 1 (both from 0) is -1");
	put("two.csv", TEXT("0,1\n1,0.5\n"));
	refused(&s, DGM_EDOMAIN, "example 1, unit 1 (both from 0) is 0.5");
	put("two.csv", TEXT("0,1\n1,1\n"));
	d = load(&s);
	CU_ASSERT(d->rank == 2 && d->dim[0] == 2 && d->dim[1] == 2);
	CU_ASSERT(memcmp(d->u8, "\1\0\0\1\0\1\0\1", 8) == 0);
	dgm_data_free(d);
}

static void test_rest(void)
{
	put("dummies.csv", TEXT("0,1,0,0\n1,0,0,1\n"));
	struct dgm_data_spec s = spec_of("csv", "dummies.csv");
	add(&s, (struct dgm_step){.kind = DGM_STEP_REST, .more = {2}});
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == 2 && d->rank == 2 && d->dim[0] == 2 && d->dim[1] == 3 && d->items == 6);
	CU_ASSERT(d->domain == DGM_DATA_BINARY && memcmp(d->u8, "\0\1\0\0\0\1\1\0\0\0\1", 12) == 0);
	CU_ASSERT_STRING_EQUAL(d->key, "fixed |> rest(2)");
	dgm_data_free(d);
	s.step[0].more[0] = 3;
	refused(&s, DGM_ESHAPE, "rest(3) needs a last axis of a multiple of 3 values, this one has 4");
	s.step[0].more[0] = 0;
	refused(&s, DGM_ESHAPE, "rest(0) needs a last axis");
	put("dummies.csv", TEXT("0,1,1,1\n"));
	s.step[0].more[0] = 2;
	refused(&s, DGM_EDOMAIN, "rest(2) needs values 0 and 1, at most one 1 among 2");
	put("dummies.csv", TEXT("0,1,2,0\n"));
	refused(&s, DGM_EDOMAIN, "rest(2) needs values 0 and 1");
}

/* Examples of `items` correlated values. */
static void put_table(const char *name, int n, int items, uint64_t seed)
{
	float *z = malloc((size_t)(n * items) * sizeof *z);
	CU_ASSERT_PTR_NOT_NULL_FATAL(z);
	dgm_normal(z, n * items, seed, 0, 0, 0);
	FILE *f = fopen(in_folder(name), "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (int e = 0; e < n; e++)
		for (int u = 0; u < items; u++)
			fprintf(f, "%.9g%c",
			        3 * u + (u + 1) * (double)z[e * items + u] + 2 * (double)z[e * items],
			        u == items - 1 ? '\n' : ',');
	fclose(f);
	free(z);
}

static void moments(const struct dgm_data *d, double *mean, double *cov)
{
	int64_t k = d->items;
	for (int64_t i = 0; i < k; i++) {
		mean[i] = 0;
		for (int64_t e = 0; e < d->n; e++)
			mean[i] += d->f32[e * k + i] / (double)d->n;
	}
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < k; j++) {
			cov[i * k + j] = 0;
			for (int64_t e = 0; e < d->n; e++)
				cov[i * k + j] +=
				    (d->f32[e * k + i] - mean[i]) * (d->f32[e * k + j] - mean[j]) / (double)d->n;
		}
}

static void test_whiten(void)
{
	enum { N = 700, K = 5 };
	put_table("w.csv", N, K, 3);
	struct dgm_data_spec s = spec_of("csv", "w.csv");
	struct dgm_data *raw = load(&s);
	add(&s, (struct dgm_step){.kind = DGM_STEP_WHITEN, .value = 0});
	struct dgm_data *d = load(&s);
	CU_ASSERT_STRING_EQUAL(d->key, "real |> whiten(0)");
	double mean[K], cov[K * K], from[K], c[K * K], trace = 0;
	moments(d, mean, cov);
	for (int i = 0; i < K; i++)
		for (int j = 0; j < K; j++) {
			CU_ASSERT_DOUBLE_EQUAL(mean[i], 0, 1e-5);
			CU_ASSERT_DOUBLE_EQUAL(cov[i * K + j], i == j, 1e-4);
		}
	/* ZCA: the matrix is symmetric, so that the cross-covariance of x and W x, C W, has the square
	 * C */
	moments(raw, from, c);
	double cw[K * K] = {0};
	for (int e = 0; e < N; e++)
		for (int i = 0; i < K; i++)
			for (int j = 0; j < K; j++)
				cw[i * K + j] += (raw->f32[e * K + i] - from[i]) * d->f32[e * K + j] / N;
	for (int i = 0; i < K; i++)
		for (int j = 0; j < K; j++) {
			double square = 0;
			for (int k = 0; k < K; k++)
				square += cw[i * K + k] * cw[k * K + j];
			CU_ASSERT_DOUBLE_EQUAL(square, c[i * K + j], 1e-3);
			CU_ASSERT_DOUBLE_EQUAL(cw[i * K + j], cw[j * K + i], 1e-4);
		}
	dgm_data_free(d);

	/* an epsilon leaves less variance, and what the unit of x is makes no difference */
	s.step[0].value = 0.1;
	d = load(&s);
	moments(d, mean, cov);
	for (int i = 0; i < K; i++)
		trace += cov[i * K + i];
	CU_ASSERT(trace > 2 && trace < 4.9);
	s.step[1] = s.step[0];
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_MUL, .value = 1e-3};
	s.nstep = 2;
	struct dgm_data *small = load(&s);
	for (int i = 0; i < N * K; i++)
		CU_ASSERT_DOUBLE_EQUAL(small->f32[i], d->f32[i], 1e-4);
	dgm_data_free(small);
	dgm_data_free(d);
	dgm_data_free(raw);

	put("flat.csv", TEXT("1,2\n2,4\n3,6\n"));
	s = spec_of("csv", "flat.csv");
	add(&s, (struct dgm_step){.kind = DGM_STEP_WHITEN, .value = 0});
	refused(&s, DGM_EDOMAIN, "in some direction its examples do not vary");
	s.step[0].value = 0.01;
	dgm_data_free(load(&s));
	s.step[0].value = -1;
	refused(&s, DGM_EDOMAIN, "epsilon of at least 0, not -1");
}

static void test_like(void)
{
	enum { N = 300, K = 4 };
	put_table("train.csv", N, K, 3);
	put_table("test.csv", N, K, 4);
	static const enum dgm_step_kind kinds[] = {DGM_STEP_STANDARDIZE, DGM_STEP_WHITEN};
	for (int k = 0; k < 2; k++) {
		struct dgm_data_spec train = spec_of("csv", "train.csv"), test = spec_of("csv", "test.csv");
		struct dgm_data_spec same = train;
		train.name = "train";
		add(&train, (struct dgm_step){.kind = DGM_STEP_ADD, .value = 1});
		add(&same, train.step[0]);
		add(&test, train.step[0]);
		add(&train, (struct dgm_step){.kind = kinds[k], .value = 0.05});
		add(&train, (struct dgm_step){.kind = DGM_STEP_MUL, .value = 9});
		add(&same, (struct dgm_step){.kind = kinds[k], .value = 7, .like = &train});
		struct dgm_data *own = load(&train), *d = load(&same);
		for (int i = 0; i < N * K; i++)
			CU_ASSERT_DOUBLE_EQUAL(d->f32[i] * 9, own->f32[i], 1e-5);
		CU_ASSERT_PTR_NOT_NULL(strstr(d->key, "(like train)"));
		dgm_data_free(d);
		dgm_data_free(own);

		/* through one more set: the same statistics; and other data give another digest */
		add(&test, (struct dgm_step){.kind = kinds[k], .like = &same});
		d = load(&test);
		test.step[1].like = &train;
		own = load(&test);
		CU_ASSERT(memcmp(d->f32, own->f32, N * K * sizeof(float)) == 0);
		CU_ASSERT_EQUAL(d->digest, own->digest);
		dgm_data_free(d);
		double mean[K], cov[K * K];
		moments(own, mean, cov);
		CU_ASSERT(fabs(mean[0]) < 0.3 && fabs(mean[0]) > 1e-4);
		uint64_t digest = own->digest;
		dgm_data_free(own);
		train.step[0].value = 2;
		d = load(&test);
		CU_ASSERT_NOT_EQUAL(d->digest, digest);
		dgm_data_free(d);
		/* a set without such a step gives its own statistics */
		train.nstep = 1;
		d = load(&test);
		dgm_data_free(d);
		add(&train, (struct dgm_step){.kind = DGM_STEP_COLUMNS, .lo = 0, .hi = 2});
		refused(&test, DGM_ESHAPE,
		        "have 4 values, those of train, which gives the statistics, have 2");
	}
}

static void test_each(void)
{
	put("c.csv", TEXT("1,2,6\n0,0,0\n"));
	struct dgm_data_spec s = spec_of("csv", "c.csv");
	add(&s, (struct dgm_step){.kind = DGM_STEP_CENTER});
	struct dgm_data *d = load(&s);
	const float want[6] = {-2, -1, 3};
	CU_ASSERT(memcmp(d->f32, want, sizeof want) == 0);
	CU_ASSERT_STRING_EQUAL(d->key, "real |> center");
	dgm_data_free(d);
	s.step[0].kind = DGM_STEP_LOG1P;
	d = load(&s);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_DOUBLE_EQUAL(d->f32[i], log(1 + (i == 2 ? 6 : i + 1)), 1e-6);
	dgm_data_free(d);
	put("c.csv", TEXT("1,2\n-1,0\n"));
	refused(&s, DGM_EDOMAIN, "example 1, unit 0 (both from 0) is -1: log1p");
	s.step[0].kind = DGM_STEP_TRANSPOSE;
	put("c.csv", TEXT("1,2,6\n0,3,4\n"));
	d = load(&s);
	CU_ASSERT(d->n == 3 && d->items == 2 && value(d, 1) == 0 && value(d, 4) == 6);
	dgm_data_free(d);
}

static void test_patches(void)
{
	enum { H = 6, W = 9, N = 4000 };
	unsigned char b[16 + 3 * H * W] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, H, 0, 0, 0, W};
	for (int i = 0; i < 3 * H * W; i++)
		b[16 + i] = (unsigned char)i;
	put("images", b, sizeof b);
	struct dgm_data_spec s = spec_of("idx", "images");
	add(&s, (struct dgm_step){.kind = DGM_STEP_PATCHES, .lo = 2, .hi = 3, .more = {N}, .seed = 5});
	struct dgm_data *d = load(&s);
	CU_ASSERT(d->n == N && d->rank == 2 && d->dim[0] == 2 && d->dim[1] == 3 && d->items == 6);
	CU_ASSERT_STRING_EQUAL(d->key, "count |> patches(2, 3, 4000, seed 5)");
	int seen[3 * H * W] = {0};
	for (int k = 0; k < N; k++) {
		const uint8_t *p = d->u8 + 6 * k;
		seen[p[0]]++;
		for (int i = 0; i < 6; i++)
			CU_ASSERT_EQUAL(p[i], p[0] + i / 3 * W + i % 3);
	}
	/* each of 3 x 5 x 7 places 38 times: 6 standard deviations */
	for (int i = 0; i < 3 * H * W; i++) {
		bool inside = i % W <= W - 3 && i / W % H <= H - 2;
		CU_ASSERT(inside ? seen[i] > 1 && seen[i] < 76 : seen[i] == 0);
	}
	struct dgm_data *again = load(&s);
	CU_ASSERT(memcmp(again->u8, d->u8, 6 * N) == 0);
	dgm_data_free(again);
	s.step[0].seed = 6;
	again = load(&s);
	CU_ASSERT(memcmp(again->u8, d->u8, 6 * N) != 0);
	dgm_data_free(again);
	dgm_data_free(d);
	s.step[0].lo = 7;
	refused(&s, DGM_ESHAPE, "patches of 7 x 3 need examples of two axes");
	s.step[0] = (struct dgm_step){.kind = DGM_STEP_PATCHES, .lo = 1, .hi = 1, .more = {-4}};
	refused(&s, DGM_ELIMIT, "-4 patches asked for");
}

static void test_window(void)
{
	put("t.csv", TEXT("0,10\n1,11\n2,12\n3,13\n4,14\n"));
	struct dgm_data_spec past = spec_of("csv", "t.csv"), now = past;
	add(&past, (struct dgm_step){.kind = DGM_STEP_WINDOW, .lo = -2, .hi = -1});
	add(&now, (struct dgm_step){.kind = DGM_STEP_WINDOW, .more = {2}});
	struct dgm_data *p = load(&past), *n = load(&now);
	CU_ASSERT(p->n == 3 && p->rank == 2 && p->dim[0] == 2 && p->dim[1] == 2 && p->items == 4);
	CU_ASSERT(n->n == 3 && n->rank == 1 && n->dim[0] == 2 && n->items == 2);
	for (int t = 2; t < 5; t++) {
		CU_ASSERT_EQUAL(n->f32[(t - 2) * 2], (float)t);
		CU_ASSERT_EQUAL(n->f32[(t - 2) * 2 + 1], (float)(10 + t));
		for (int i = 0; i < 4; i++)
			CU_ASSERT_EQUAL(p->f32[(t - 2) * 4 + i], (float)(t - 2 + i / 2 + i % 2 * 10));
	}
	CU_ASSERT_STRING_EQUAL(p->key, "count |> window(-2, -1, reach 2, ahead 0)");
	dgm_data_free(p);
	dgm_data_free(n);
	now.step[0] = (struct dgm_step){.kind = DGM_STEP_WINDOW, .lo = 1, .hi = 1, .more = {1, 3}};
	n = load(&now);
	CU_ASSERT(n->n == 1 && n->f32[0] == 2);
	dgm_data_free(n);
	now.step[0].more[0] = 4;
	refused(&now, DGM_ESHAPE, "no sequence has 8 examples");
	now.step[0] = (struct dgm_step){.kind = DGM_STEP_WINDOW, .lo = 1, .hi = 0};
	refused(&now, DGM_ESHAPE, "first row before its last");
	now.step[0] = (struct dgm_step){.kind = DGM_STEP_WINDOW, .lo = INT64_MIN, .hi = INT64_MAX};
	refused(&now, DGM_ESHAPE, "first row before its last");
	now.step[0] = (struct dgm_step){.kind = DGM_STEP_SHUFFLE};
	add(&now, (struct dgm_step){.kind = DGM_STEP_WINDOW});
	refused(&now, DGM_ESHAPE, "window(...) needs the examples in the order of the file");
	now.step[0] = (struct dgm_step){.kind = DGM_STEP_SEQUENCES, .hi = 1};
	refused(&now, DGM_ESHAPE, "no sequences to choose from");
}

int main(void)
{
	if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite("steps", NULL, remove_folder);
	CU_add_test(suite, "one-hot", test_onehot);
	CU_add_test(suite, "the value left out", test_rest);
	CU_add_test(suite, "whiten", test_whiten);
	CU_add_test(suite, "like", test_like);
	CU_add_test(suite, "center, log1p, transpose", test_each);
	CU_add_test(suite, "patches", test_patches);
	CU_add_test(suite, "window", test_window);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
