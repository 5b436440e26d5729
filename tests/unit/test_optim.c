/* Optimisers against their formulas in double, that a split of the segment changes no bit, and that
 * they minimise a quadratic. */
#include "optim.h"
#include "cpu.h"
#include "train_work.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 75, STEPS = 30 };

/* One element in double: the formulas at the heads of optim_sgd.c, optim_adam.c and optim_rms.c. */
static void reference(const char *name, double *x, double g, double m[2], const float *h,
                      double decay, int t)
{
	double d = g + (strcmp(name, "adamw") ? decay * *x : 0);

	if (!strcmp(name, "sgd")) {
		m[0] = (double)h[1] * m[0] - (double)h[0] * d;
		*x += h[2] != 0 ? (double)h[1] * m[0] - (double)h[0] * d : m[0];
	} else if (!strcmp(name, "rmsprop")) {
		m[0] = (double)h[1] * m[0] + (1 - (double)h[1]) * d * d;
		*x -= (double)h[0] * d / (sqrt(m[0]) + (double)h[2]);
	} else if (!strcmp(name, "adagrad")) {
		m[0] += d * d;
		*x -= (double)h[0] * d / (sqrt(m[0]) + (double)h[1]);
	} else {
		double shrink = strcmp(name, "adamw") ? 0 : (double)h[0] * decay;
		double b1 = (double)h[1], b2 = (double)h[2];

		m[0] = b1 * m[0] + (1 - b1) * d;
		m[1] = b2 * m[1] + (1 - b2) * d * d;
		*x -= shrink * *x + (double)h[0] * (m[0] / (1 - pow(b1, t))) /
		                        (sqrt(m[1] / (1 - pow(b2, t))) + (double)h[3]);
	}
}

static float draw(void)
{
	return (float)rand() / (float)RAND_MAX - .5f;
}

static void check(const struct dgm_optimizer *o, const float *hyper, float decay)
{
	static float x[N], y[N], g[N], mx[2][N], my[2][N];
	static double z[N], mz[N][2];

	memset(mx, 0, sizeof mx);
	memset(my, 0, sizeof my);
	memset(mz, 0, sizeof mz);
	for (int i = 0; i < N; i++)
		z[i] = (double)(x[i] = y[i] = draw());
	for (int t = 1; t <= STEPS; t++) {
		for (int i = 0; i < N; i++)
			g[i] = draw();
		o->step(x, g, (float *const[]){mx[0], mx[1]}, N, hyper, decay, t);
		for (int i = 0, n; i < N; i += n) {
			n = i % 3 * 16 + 5 < N - i ? i % 3 * 16 + 5 : N - i;
			o->step(y + i, g + i, (float *const[]){my[0] + i, my[1] + i}, n, hyper, decay, t);
		}
		for (int i = 0; i < N; i++) {
			reference(o->name, &z[i], (double)g[i], mz[i], hyper, (double)decay, t);
			CU_ASSERT_DOUBLE_EQUAL(x[i], z[i], 2e-5);
		}
		CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
		CU_ASSERT_EQUAL(memcmp(mx, my, sizeof mx), 0);
	}
}

static void test_formulas(void)
{
	static const float sgd[][3] = {{.1f, 0, 0}, {.1f, .9f, 0}, {.1f, .9f, 1}};
	static const float adam[] = {.01f, .9f, .99f, 1e-8f};
	enum dgm_cpu_level best = dgm_cpu_limit(DGM_CPU_LEVELS - 1);

	for (int level = 0; level <= (int)best; level++) {
		dgm_cpu_limit((enum dgm_cpu_level)level);
		for (int i = 0; i < 3; i++) {
			check(dgm_optimizer_find("sgd"), sgd[i], 0);
			check(dgm_optimizer_find("sgd"), sgd[i], .01f);
		}
		check(dgm_optimizer_find("adam"), adam, 0);
		check(dgm_optimizer_find("adam"), adam, .01f);
		check(dgm_optimizer_find("adamw"), adam, .01f);
		check(dgm_optimizer_find("rmsprop"), (const float[]){.01f, .9f, 1e-6f}, .01f);
		check(dgm_optimizer_find("adagrad"), (const float[]){.1f, 1e-6f}, .01f);
	}
	dgm_cpu_limit(best);
	CU_ASSERT_PTR_NULL(dgm_optimizer_find("none"));
}

/* Zero gradients of zero parameters leave zeros: the padding between parameters stays zero. */
static void test_padding(void)
{
	for (int k = 0; dgm_optimizers[k]; k++) {
		const struct dgm_optimizer *o = dgm_optimizers[k];
		float x[20] = {0}, g[20] = {0}, m[2][20] = {{0}}, h[DGM_MAX_HYPER];

		for (int i = 0; i < DGM_MAX_HYPER; i++)
			h[i] = o->hyper[i].initial;
		for (int t = 1; t < 5; t++)
			o->step(x, g, (float *const[]){m[0], m[1]}, 20, h, .1f, t);
		for (int i = 0; i < 20; i++)
			CU_ASSERT_EQUAL(x[i], 0);
	}
}

/* Loss sum_i (i+1)/2 (x_i - i)^2 at the default settings, rate apart. */
static void test_minimum(void)
{
	for (int k = 0; dgm_optimizers[k]; k++) {
		const struct dgm_optimizer *o = dgm_optimizers[k];
		float x[5] = {0}, g[5], m[2][5] = {{0}}, h[DGM_MAX_HYPER];

		for (int i = 0; i < DGM_MAX_HYPER; i++)
			h[i] = o->hyper[i].initial;
		h[0] = o == &dgm_adagrad ? 1 : .05f;
		for (int t = 1; t <= 2000; t++) {
			if (o == &dgm_rmsprop) /* its steps do not become smaller by themselves */
				h[0] = .5f / (1 + (float)t / 10);
			for (int i = 0; i < 5; i++)
				g[i] = (float)(i + 1) * (x[i] - (float)i);
			o->step(x, g, (float *const[]){m[0], m[1]}, 5, h, 0, t);
		}
		for (int i = 0; i < 5; i++)
			CU_ASSERT_DOUBLE_EQUAL(x[i], i, 1e-3);
	}
}

/* Gradients and parameters within bounds: the formulas of optim_limit.c in double. */
static void test_limits(void)
{
	enum { A = 3, B = 4, C = 5, ITEMS = A * B * C };
	static const struct dgm_slot slot = {
	    .name = "W", .space = DGM_PARAM, .pop = -1, .rank = 3, .dim = {A, B, C}, .param = -1};
	struct dgm_module m = {.nslot = 1, .slot = &slot};
	float x[ITEMS], g[ITEMS], was[ITEMS];
	void *slots[] = {x};
	struct dgm_store s = {.mod = &m, .slot = slots, .params = x, .grads = g, .nparam = ITEMS};
	struct dgm_limit limit = {.slot = 0, .norm = .8};
	struct dgm_train t = {
	    .descent = {{.clip = .3, .clip_norm = 1}}, .ndescent = 1, .limit = &limit, .nlimit = 1};
	struct dgm_segment piece[2] = {{.at = 0, .n = 20}, {.at = 20, .n = ITEMS - 20}};
	struct dgm_trainer tr = {.t = &t, .s = &s, .segment = piece, .nsegment = 2};
	double norm = 0;

	for (int i = 0; i < ITEMS; i++)
		was[i] = g[i] = draw();
	dgm_limit_gradients(&tr);
	for (int i = 0; i < ITEMS; i++)
		norm += pow(fmin(fabs((double)was[i]), .3), 2);
	CU_ASSERT(norm > 1);
	for (int i = 0; i < ITEMS; i++) {
		double want = fmax(-.3, fmin((double)was[i], .3)) / sqrt(norm);
		CU_ASSERT_DOUBLE_EQUAL(g[i], want, 1e-6);
	}
	t.descent[0].clip_norm = 2; /* it is below that already */
	memcpy(was, g, sizeof g);
	dgm_limit_gradients(&tr);
	CU_ASSERT_EQUAL(memcmp(was, g, sizeof g), 0);
	for (limit.axis = 0; limit.axis < 3; limit.axis++) {
		double unit[5] = {0};

		for (int i = 0; i < ITEMS; i++) {
			int at[] = {i / (B * C), i / C % B, i % C};
			was[i] = x[i] = draw() * (float)(at[limit.axis] + 1) / 3;
			unit[at[limit.axis]] += (double)was[i] * (double)was[i];
		}
		dgm_limit_params(&tr);
		for (int i = 0; i < ITEMS; i++) {
			int at[] = {i / (B * C), i / C % B, i % C};
			double n = sqrt(unit[at[limit.axis]]);
			CU_ASSERT_DOUBLE_EQUAL(x[i], (double)was[i] * (n > .8 ? .8 / n : 1), 1e-6);
		}
	}
}

static void test_ramp(void)
{
	struct dgm_ramp r = {.from = 1, .to = 4, .ramp = true};

	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 4), 1);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 2, 4), 3);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 3, 4), 4);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 1), 1);
	r.before = 1;
	r.whole = 7;
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 4), 1.5);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 5, 6), 4);
	r.before = r.whole = 0;
	r.ramp = false;
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 3, 4), 1);
	r = (struct dgm_ramp){.from = 8, .to = .5, .how = DGM_EXPONENTIAL, .warmup = 1};
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 4), 4);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 2, 4), 2);
	r = (struct dgm_ramp){.from = 8, .to = .5, .how = DGM_STEPS, .every = 2};
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 3, 4), 4);
	r = (struct dgm_ramp){.from = 8, .how = DGM_INVERSE, .every = 3};
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 3, 4), 4);
	r = (struct dgm_ramp){.from = 8, .to = 2, .how = DGM_COSINE};
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 5), 8);
	CU_ASSERT_DOUBLE_EQUAL(dgm_ramp_at(&r, 2, 5), 5, 1e-12);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 4, 5), 2);
}

/* W W' = norm^2 I of rows, W' W of columns, to the rounding of floats; the same numbers give the
 * same bits. */
static void test_orthonormal(void)
{
	static const int64_t shape[][2] = {{5, 7}, {7, 5}, {6, 6}, {1, 9}, {9, 1}, {40, 64}};
	static float w[40 * 64], again[40 * 64];

	for (size_t c = 0; c < sizeof shape / sizeof *shape; c++) {
		const int64_t rows = shape[c][0], cols = shape[c][1], n = rows < cols ? rows : cols;
		const double norm = 1.5;

		for (int64_t i = 0; i < rows * cols; i++)
			again[i] = w[i] = draw();
		CU_ASSERT_EQUAL(dgm_orthonormal_matrix(w, rows, cols, norm), DGM_OK);
		CU_ASSERT_EQUAL(dgm_orthonormal_matrix(again, rows, cols, norm), DGM_OK);
		CU_ASSERT(!memcmp(w, again, sizeof *w * (size_t)(rows * cols)));
		for (int64_t i = 0; i < n * n; i++) {
			double sum = 0;

			for (int64_t k = 0; k < rows * cols / n; k++)
				sum += rows <= cols ? (double)w[i / n * cols + k] * (double)w[i % n * cols + k]
				                    : (double)w[k * cols + i / n] * (double)w[k * cols + i % n];
			CU_ASSERT_DOUBLE_EQUAL(sum, i / n == i % n ? norm * norm : 0, 1e-6);
		}
	}
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	srand(1);
	CU_initialize_registry();
	suite = CU_add_suite("optim", NULL, NULL);
	CU_add_test(suite, "the formulas, in one piece and in several", test_formulas);
	CU_add_test(suite, "zeros stay zero", test_padding);
	CU_add_test(suite, "a minimum is found", test_minimum);
	CU_add_test(suite, "ramps", test_ramp);
	CU_add_test(suite, "gradients and norms within bounds", test_limits);
	CU_add_test(suite, "rows and columns at right angles", test_orthonormal);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
