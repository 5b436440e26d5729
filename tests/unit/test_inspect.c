/* Neighbours, closest pairs and tails of distributions against brute force; and the judgements:
 * what is planted is found, what is drawn from the law of the held-out examples is not. */
#include "inspect.h"

#include "dgm_rt.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 20, CLASSES = 10 };

static float normals[4096];

static struct dgm_points points(int64_t n, int64_t items)
{
	struct dgm_points p = {malloc((size_t)(n * items) * sizeof(float)), n, items};

	CU_ASSERT_PTR_NOT_NULL_FATAL(p.x);
	return p;
}

/* Row i is of class i % classes: a centre, which all seeds share, and noise. */
static struct dgm_points mixture(int64_t n, int classes, uint64_t seed)
{
	struct dgm_points p = points(n, ITEMS);

	for (int64_t i = 0; i < n; i++) {
		float centre[ITEMS];

		dgm_normal(p.x + i * ITEMS, ITEMS, seed, (uint32_t)i, 0, 1);
		dgm_normal(centre, ITEMS, 99, (uint32_t)(i % classes), 0, 2);
		for (int k = 0; k < ITEMS; k++)
			p.x[i * ITEMS + k] += 4 * centre[k];
	}
	return p;
}

static double distance(const struct dgm_points *x, int64_t a, const struct dgm_points *y, int64_t b)
{
	double sum = 0;

	for (int64_t k = 0; k < x->items; k++) {
		double d = (double)x->x[a * x->items + k] - (double)y->x[b * x->items + k];

		sum += d * d;
	}
	return sqrt(sum);
}

static void test_neighbours(void)
{
	enum { N = 130, M = 2500, K = 4 };
	struct dgm_points x = mixture(N, CLASSES, 1), y = mixture(M, CLASSES, 2);
	int64_t index[N * K];
	double d[N * K];

	memcpy(y.x + 2300 * ITEMS, x.x + 7 * ITEMS, ITEMS * sizeof(float)); /* one is the same */
	CU_ASSERT_EQUAL(dgm_neighbours(&x, &y, K, index, d), DGM_OK);
	CU_ASSERT_EQUAL(index[7 * K], 2300);
	CU_ASSERT_EQUAL(d[7 * K], 0);
	for (int64_t i = 0; i < N; i++)
		for (int k = 0; k < K; k++) {
			int nearer = 0;

			CU_ASSERT_DOUBLE_EQUAL(d[i * K + k], distance(&x, i, &y, index[i * K + k]), 1e-12);
			for (int64_t j = 0; j < M; j++)
				nearer += distance(&x, i, &y, j) < d[i * K + k];
			CU_ASSERT_EQUAL(nearer, k);
		}
	free(x.x);
	free(y.x);
}

static void test_pairs(void)
{
	enum { N = 2200, MOST = 30 };
	struct dgm_points x = mixture(N, CLASSES, 3);
	struct dgm_pair p[MOST];
	int n;
	int64_t within = 0, got;

	memcpy(x.x + 5 * ITEMS, x.x + 2100 * ITEMS, ITEMS * sizeof(float));
	CU_ASSERT_EQUAL(dgm_closest_pairs(&x, MOST, p, &n), DGM_OK);
	CU_ASSERT_EQUAL_FATAL(n, MOST);
	CU_ASSERT_EQUAL(p[0].a, 5);
	CU_ASSERT_EQUAL(p[0].b, 2100);
	CU_ASSERT_EQUAL(p[0].distance, 0);
	for (int i = 1; i < MOST; i++)
		CU_ASSERT(p[i].a < p[i].b && p[i - 1].distance <= p[i].distance);
	for (int64_t a = 0; a < N; a++)
		for (int64_t b = a + 1; b < N; b++)
			within += distance(&x, a, &x, b) <= p[MOST - 1].distance;
	CU_ASSERT_EQUAL(within, MOST);
	CU_ASSERT_EQUAL(dgm_pairs_within(&x, p[MOST - 1].distance, &got), DGM_OK);
	CU_ASSERT_EQUAL(got, within);
	x.n = 3; /* fewer pairs than asked for */
	CU_ASSERT_EQUAL(dgm_closest_pairs(&x, MOST, p, &n), DGM_OK);
	CU_ASSERT_EQUAL(n, 3);
	free(x.x);
}

/* Over all sequences of 10 coin flips, and all ways to draw 4 of 3 white and 6 black balls. */
static void test_tails(void)
{
	for (int k = 0; k <= 10; k++) {
		double sum = 0;

		for (int s = 0; s < 1 << 10; s++) {
			int ones = __builtin_popcount((unsigned)s);

			sum += ones <= k ? pow(.3, ones) * pow(.7, 10 - ones) : 0;
		}
		CU_ASSERT_DOUBLE_EQUAL(dgm_binomial_tail(k, 10, .3), sum, 1e-12);
	}
	for (int k = 0; k <= 3; k++) {
		int all = 0, few = 0;

		for (unsigned s = 0; s < 1 << 9; s++)
			if (__builtin_popcount(s) == 4) {
				all++;
				few += __builtin_popcount(s & 7) <= k;
			}
		CU_ASSERT_DOUBLE_EQUAL(dgm_hypergeometric_tail(k, 4, 3, 6), (double)few / all, 1e-12);
	}
}

static void test_kmeans(void)
{
	struct dgm_points x = mixture(500, CLASSES, 4), c = points(CLASSES, ITEMS);
	int64_t of[500];
	double d[500];
	int seen[CLASSES] = {0};

	/* k-means++ may put two centres into one cluster: most clusters are found, and no row is far */
	CU_ASSERT_EQUAL(dgm_kmeans(&x, CLASSES, 1, c.x), DGM_OK);
	CU_ASSERT_EQUAL(dgm_neighbours(&x, &c, 1, of, d), DGM_OK);
	for (int i = 0; i < 500; i++)
		seen[of[i]]++;
	for (int k = 0; k < CLASSES; k++)
		CU_ASSERT(seen[k] > 0);
	/* each centre is the mean of its rows */
	for (int k = 0; k < CLASSES; k++) {
		double sum = 0;

		for (int i = 0; i < 500; i++)
			sum += of[i] == k ? (double)x.x[i * ITEMS] : 0;
		CU_ASSERT_DOUBLE_EQUAL(sum / seen[k], (double)c.x[k * ITEMS], 1e-4);
	}
	free(x.x);
	free(c.x);
}

static void copies_of(int64_t n, int64_t planted, uint64_t seed, struct dgm_copies *out)
{
	struct dgm_points train = mixture(2000, CLASSES, 5), held = mixture(1000, CLASSES, 6);
	struct dgm_points x = mixture(n, CLASSES, seed);

	for (int64_t i = 0; i < planted; i++)
		for (int k = 0; k < ITEMS; k++)
			x.x[i * ITEMS + k] = train.x[3 * i * ITEMS + k] + .05f * normals[(i + k) % 4096];
	CU_ASSERT_EQUAL(dgm_copies(&x, &train, &held, .01, out), DGM_OK);
	free(train.x);
	free(held.x);
	free(x.x);
}

/* 10 % of near copies are found; where there are none the test says so as often as its level. */
static void test_copies(void)
{
	struct dgm_copies c;
	int often = 0;

	copies_of(500, 50, 7, &c);
	CU_ASSERT(c.p < 1e-6);
	CU_ASSERT(c.best < 1e-6 && c.equal == 0);
	CU_ASSERT(c.share > .09 && c.share < .14);
	for (int i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(c.neighbour[i * c.k], 3 * i);
	dgm_copies_free(&c);
	copies_of(1, 1, 7, &c); /* a single copy is as likely as the level */
	CU_ASSERT(c.p > .001 && c.best == c.p);
	dgm_copies_free(&c);
	for (uint64_t seed = 100; seed < 140; seed++) {
		copies_of(200, 0, seed, &c);
		often += c.p < .05;
		CU_ASSERT(c.p > 1e-4);
		dgm_copies_free(&c);
	}
	CU_ASSERT(often <= 8); /* of 40 at 5 %: P(9 or more) is 1e-4 */
}

/* Training examples stand six times each: their copies are found, with the first of each six. */
static void test_six_times(void)
{
	struct dgm_points few = mixture(300, CLASSES, 5), train = points(1800, ITEMS);
	struct dgm_points held = mixture(1000, CLASSES, 6), x = mixture(500, CLASSES, 7);
	struct dgm_copies c;

	for (int i = 0; i < 1800; i++)
		memcpy(train.x + i * ITEMS, few.x + i / 6 * ITEMS, ITEMS * sizeof(float));
	memcpy(x.x, few.x, 50 * ITEMS * sizeof(float));
	CU_ASSERT_EQUAL(dgm_copies(&x, &train, &held, .01, &c), DGM_OK);
	CU_ASSERT(c.p < 1e-6);
	for (int i = 0; i < 50; i++)
		CU_ASSERT(c.ratio[i] == 0 && c.neighbour[i * c.k] == 6 * i);
	dgm_copies_free(&c);
	free(few.x);
	free(train.x);
	free(held.x);
	free(x.x);
}

/* All data in few states, each many times: held-out examples are copies too, none is told of, and
 * it is said that none could be; nor that samples of a single state are few. */
static void test_repeated(void)
{
	struct dgm_points t = points(300, 2), h = points(100, 2);
	struct dgm_copies c;

	for (int i = 0; i < 600; i++)
		t.x[i] = (float)(i / 2 % 7);
	for (int i = 0; i < 200; i++)
		h.x[i] = (float)(i / 2 % 7);
	CU_ASSERT_EQUAL(dgm_copies(&h, &t, &h, .01, &c), DGM_OK);
	CU_ASSERT_EQUAL(c.below, 0);
	CU_ASSERT_EQUAL(c.p, 1);
	CU_ASSERT_EQUAL(c.equal, 100);
	CU_ASSERT_EQUAL(c.best, 1);
	dgm_copies_free(&c);
	struct dgm_points one = points(100, 2);
	struct dgm_birthday b;

	for (int i = 0; i < 200; i++)
		one.x[i] = 3;
	CU_ASSERT_EQUAL(dgm_birthday(&one, &h, 1, &b), DGM_OK);
	CU_ASSERT_EQUAL(b.equal, 100);
	CU_ASSERT(b.p > .001 && b.best > .001);
	one.n = 5;
	CU_ASSERT_EQUAL(dgm_birthday(&one, &h, 1, &b), DGM_OK);
	CU_ASSERT_EQUAL(b.best, 1);
	free(one.x);
	free(t.x);
	free(h.x);
}

static void test_birthday(void)
{
	struct dgm_points held = mixture(1000, CLASSES, 8), x = mixture(1000, CLASSES, 9);
	struct dgm_points few = mixture(40, CLASSES, 10);
	struct dgm_birthday b;

	CU_ASSERT_EQUAL(dgm_birthday(&x, &held, 1, &b), DGM_OK);
	CU_ASSERT(b.p > .001);
	CU_ASSERT_EQUAL(b.n, 1000);
	CU_ASSERT_EQUAL(b.held_pairs, 10);
	for (int i = 0; i < 1000; i++) /* 40 states, each with a little noise */
		for (int k = 0; k < ITEMS; k++)
			x.x[i * ITEMS + k] = few.x[i % 40 * ITEMS + k] + .01f * normals[(i + 7 * k) % 4096];
	CU_ASSERT_EQUAL(dgm_birthday(&x, &held, 1, &b), DGM_OK);
	CU_ASSERT(b.p < .001 && b.best < 1e-4);
	CU_ASSERT(b.modes > 30 && b.modes < 50);
	free(few.x);
	free(x.x);
	free(held.x);
}

static void test_coverage(void)
{
	enum { N = 500 };
	int s[N], h[N];
	struct dgm_class c[CLASSES];

	for (int i = 0; i < N; i++) {
		h[i] = i % CLASSES;
		s[i] = i % 3;
	}
	dgm_coverage(s, N, h, N, CLASSES, .001, c);
	for (int k = 0; k < CLASSES; k++)
		CU_ASSERT(c[k].rare == (k >= 3) && !c[k].unknown && c[k].held == 50);
	for (int i = 0; i < N; i++) /* shares between .6 and 1.4 times those of the held-out ones */
		s[i] = (i % CLASSES + (i % 5 < 2 ? i / 10 : 0)) % CLASSES;
	dgm_coverage(s, N, h, N, CLASSES, .001, c);
	for (int k = 0; k < CLASSES; k++)
		CU_ASSERT(!c[k].rare);
	dgm_coverage(s, 10, h, N, CLASSES, .001, c); /* too few */
	for (int k = 0; k < CLASSES; k++)
		CU_ASSERT(c[k].unknown && !c[k].rare);
}

int main(void)
{
	dgm_threads(2);
	dgm_normal(normals, 4096, 1, 0, 0, 3);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite s = CU_add_suite("inspect", NULL, NULL);
	CU_add_test(s, "neighbours", test_neighbours);
	CU_add_test(s, "pairs", test_pairs);
	CU_add_test(s, "tails", test_tails);
	CU_add_test(s, "kmeans", test_kmeans);
	CU_add_test(s, "copies", test_copies);
	CU_add_test(s, "six_times", test_six_times);
	CU_add_test(s, "repeated", test_repeated);
	CU_add_test(s, "birthday", test_birthday);
	CU_add_test(s, "coverage", test_coverage);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures() + CU_get_number_of_failure_records();
	CU_cleanup_registry();
	return failed != 0;
}
