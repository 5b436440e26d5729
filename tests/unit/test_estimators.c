/* Means of figures, exact sums and annealed importance sampling, each against what can be computed
 * by hand: direct means, sums over all states in double, log Z of independent bits. */
#include "parzen.h"
#include "train.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NB = 5, NS = 4, UNITS = NB + NS, CAPACITY = 100, TOTAL = NB + 100 };
enum { PARAM, GRAD, X, S, OUT, WEIGHT, LOGZ, WIDE, NSLOT };
enum { B0, B1 };

/* x: bits, s: spins; E = -sum_u param_u z_u - .3 z_0 z_8 over all UNITS values z. */
static const struct dgm_slot slots[NSLOT] = {
    [PARAM] = {"a", DGM_PARAM, DGM_F32, -1, 1, {UNITS}, -1, 0},
    [GRAD] = {"a'", DGM_GRAD, DGM_F32, -1, 1, {UNITS}, PARAM, 0},
    [X] = {"x", DGM_STATE, DGM_BITS, 0, 1, {NB}, -1, 0},
    [S] = {"s", DGM_STATE, DGM_F32, 0, 2, {2, 2}, -1, 0},
    [OUT] = {"out", DGM_STATE, DGM_F32, 0, 0, {0}, -1, 0},
    [WEIGHT] = {"weight", DGM_STATE, DGM_F32, 0, 0, {0}, -1, 0},
    [LOGZ] = {"base_logz", DGM_STATE, DGM_F32, -1, 0, {0}, -1, 0},
    [WIDE] = {"wide", DGM_STATE, DGM_F32, 0, 1, {27}, -1, 0},
};

static float value(const struct dgm_call *call, int64_t row, int u)
{
	const uint64_t *x = (const uint64_t *)call->slot[X] + row * dgm_item_stride(&slots[X]);
	const float *s = (const float *)call->slot[S] + row * dgm_item_stride(&slots[S]);

	return u < NB ? (float)(*x >> u & 1) : s[u - NB];
}

static void energy(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	const float *a = call->slot[PARAM];

	for (int64_t r = chunk; r < call->pop[0]; r += nchunk) {
		float e = -.3f * value(call, r, 0) * value(call, r, 8);

		for (int u = 0; u < UNITS; u++)
			e -= a[u] * value(call, r, u);
		((float *)call->slot[OUT])[r] = e;
	}
}

static void grad(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	for (int64_t u = chunk; u < UNITS; u += nchunk)
		for (int64_t r = 0; r < call->pop[0]; r++)
			((float *)call->slot[GRAD])[u] +=
			    ((const float *)call->slot[WEIGHT])[r] * value(call, r, (int)u);
}

/* Bits at b: logits b * a_u; the base model has logits 0, the transition draws x anew. */
static void draw(const struct dgm_call *call, int64_t row, float b)
{
	const float *a = call->slot[PARAM];
	uint64_t *x = (uint64_t *)call->slot[X] + row * dgm_item_stride(&slots[X]);
	float u[NB];

	dgm_uniform(u, NB, call->seed, (uint32_t)row, call->step, call->stage * 4096);
	*x = 0;
	for (int i = 0; i < NB; i++)
		*x |= (uint64_t)(u[i] * (1 + expf(-b * a[i])) < 1) << i;
}

static void base(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	(void)nchunk;
	if (!chunk)
		*(float *)call->slot[LOGZ] = NB * logf(2);
}

static void start(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	for (int64_t r = chunk; r < call->pop[0]; r += nchunk)
		draw(call, r, 0);
}

static void step(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	const float *a = call->slot[PARAM];

	for (int64_t r = chunk; r < call->pop[0]; r += nchunk) {
		float sum = 0;

		for (int i = 0; i < NB; i++)
			sum += a[i] * value(call, r, i);
		((float *)call->slot[OUT])[r] = (call->scalar[B1] - call->scalar[B0]) * sum;
		draw(call, r, call->scalar[B1]);
	}
}

static const struct dgm_region regions[] = {{energy}, {grad}, {base}, {start}, {step}};
static const struct dgm_function functions[] = {{"energy", 1, &regions[0]},
                                                {"grad", 1, &regions[1]},
                                                {"base", 1, &regions[2]},
                                                {"start", 1, &regions[3]},
                                                {"step", 1, &regions[4]}};
static const struct dgm_module module = {"pair",
                                         NSLOT,
                                         slots,
                                         5,
                                         functions,
                                         1,
                                         (const char *const[]){"rows"},
                                         2,
                                         (const char *const[]){"b0", "b1"},
                                         NULL};

static struct dgm_store *store_new(int64_t capacity)
{
	struct dgm_store *s = dgm_store_new(&module, &capacity);

	for (int u = 0; u < UNITS; u++)
		s->params[u] = .4f * (float)u - 1.3f;
	return s;
}

static const struct dgm_enumeration both = {
    .pop = 0,
    .slot = (const int[]){X, S},
    .lo = (const float[]){0, -1},
    .hi = (const float[]){1, 1},
    .nslot = 2,
    .energy = &functions[0],
    .out = OUT,
    .weight = WEIGHT,
    .grad = &functions[1],
};

static void enumerate_in(int64_t capacity, double *got_z, float *got)
{
	struct dgm_store *s = store_new(capacity);
	double z = 0, mean[UNITS] = {0};

	for (int state = 0; state < 1 << UNITS; state++) {
		double v[UNITS], e = 0, p;

		for (int u = 0; u < UNITS; u++) {
			v[u] = state >> u & 1 ? 1 : u < NB ? 0 : -1;
			e -= (double)s->params[u] * v[u];
		}
		p = exp(-e + .3 * v[0] * v[8]);
		z += p;
		for (int u = 0; u < UNITS; u++)
			mean[u] += p * v[u];
	}
	CU_ASSERT_EQUAL(dgm_enumerate(s, &both, 1, true, got_z), DGM_OK);
	CU_ASSERT_DOUBLE_EQUAL(*got_z, log(z), 1e-6);
	for (int u = 0; u < UNITS; u++) {
		CU_ASSERT_DOUBLE_EQUAL(s->grads[u], mean[u] / z, 1e-5);
		got[u] = s->grads[u];
	}
	dgm_store_free(s);
}

static void test_enumerate(void)
{
	double z[3];
	float g[3][UNITS];

	enumerate_in(CAPACITY, &z[0], g[0]);
	enumerate_in(512, &z[1], g[1]);
	dgm_threads(3);
	enumerate_in(CAPACITY, &z[2], g[2]);
	CU_ASSERT_EQUAL(z[0], z[1]);
	CU_ASSERT_EQUAL(z[0], z[2]);
	CU_ASSERT_EQUAL(memcmp(g[0], g[2], sizeof g[0]), 0);
}

static void test_enumerate_refused(void)
{
	struct dgm_store *s = store_new(CAPACITY);
	struct dgm_enumeration e = {
	    .slot = (const int[]){WIDE}, .nslot = 1, .energy = &functions[0], .out = OUT};
	double z;

	CU_ASSERT_EQUAL(dgm_enumerate(s, &e, 1, false, &z), DGM_ELIMIT);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "27 units has 2^27 terms"));
	s->params[0] = NAN;
	CU_ASSERT_EQUAL(dgm_enumerate(s, &both, 1, false, &z), DGM_ENONFINITE);
	dgm_store_free(s);
}

/* Deterministic data: the mean of the energy over them, in blocks that do not divide their number.
 */
static void test_figure(void)
{
	static uint8_t bits[TOTAL * NB];
	static float spins[TOTAL * NS];
	const struct dgm_data x = {.name = "x",
	                           .n = TOTAL,
	                           .rank = 1,
	                           .dim = {NB},
	                           .items = NB,
	                           .domain = DGM_DATA_BINARY,
	                           .u8 = bits,
	                           .scale = 1};
	struct dgm_data s = {.name = "s",
	                     .n = TOTAL,
	                     .rank = 1,
	                     .dim = {NS},
	                     .items = NS,
	                     .domain = DGM_DATA_REAL,
	                     .f32 = spins};
	struct dgm_figure f = {.fn = &functions[0],
	                       .out = OUT,
	                       .input = (const struct dgm_input[]){{X, &x}, {S, &s}},
	                       .ninput = 2};
	double e[TOTAL], sum = 0, squares = 0;
	struct dgm_mean small, large;
	struct dgm_store *a = store_new(13), *b = store_new(CAPACITY);

	for (int n = 0; n < TOTAL; n++) {
		for (int i = 0; i < NB; i++)
			bits[n * NB + i] = (uint8_t)((n * 7 + i * 3) % 5 < 2);
		for (int i = 0; i < NS; i++)
			spins[n * NS + i] = (float)((n * 5 + i) % 7) - 3;
		e[n] = -.3 * bits[n * NB] * (double)spins[n * NS + 3];
		for (int u = 0; u < UNITS; u++)
			e[n] -= (double)a->params[u] *
			        (u < NB ? (double)bits[n * NB + u] : (double)spins[n * NS + u - NB]);
		sum += e[n];
	}
	for (int n = 0; n < TOTAL; n++)
		squares += pow(e[n] - sum / TOTAL, 2);
	CU_ASSERT_EQUAL(dgm_figure_mean(a, &f, 1, &small), DGM_OK);
	CU_ASSERT_EQUAL(dgm_figure_mean(b, &f, 1, &large), DGM_OK);
	CU_ASSERT_EQUAL(small.n, TOTAL);
	CU_ASSERT_DOUBLE_EQUAL(small.mean, sum / TOTAL, 1e-5);
	CU_ASSERT_DOUBLE_EQUAL(small.stderr_, sqrt(squares / (TOTAL - 1) / TOTAL), 1e-5);
	CU_ASSERT_EQUAL(small.mean, large.mean);
	CU_ASSERT_EQUAL(small.stderr_, large.stderr_);
	f.limit = 2;
	CU_ASSERT_EQUAL(dgm_figure_mean(a, &f, 1, &small), DGM_OK);
	CU_ASSERT_EQUAL(small.n, 2);
	CU_ASSERT_DOUBLE_EQUAL(small.mean, (e[0] + e[1]) / 2, 1e-5);
	s.n--;
	CU_ASSERT_EQUAL(dgm_figure_mean(a, &f, 1, &small), DGM_ESHAPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "x has 105 examples and s has 104"));
	dgm_store_free(a);
	dgm_store_free(b);
}

static const struct dgm_ais annealing = {
    .pop = 0,
    .base = &functions[2],
    .start = &functions[3],
    .step =
        {.end = &functions[4], .scalar_inv = -1, .scalar_rate = -1, .size = -1, .acceptance = -1},
    .out = OUT,
    .base_logz = LOGZ,
    .scalar_b0 = B0,
    .scalar_b1 = B1,
    .betas = 300,
    .seed = 3,
    .quiet = true,
};

/* The estimate lies within 4 standard errors of the truth, at any number of temperatures. */
static void test_ais(void)
{
	struct dgm_ais a = annealing;
	struct dgm_ais_result r, again;
	double z = 0;

	a.store = store_new(200);
	a.chains = 200;
	for (int i = 0; i < NB; i++)
		z += log1p(exp((double)a.store->params[i]));
	for (int k = 0; k < 3; k++) {
		a.betas = (const int[]){1, 17, 300}[k];
		CU_ASSERT_EQUAL_FATAL(dgm_ais_run(&a, &r), DGM_OK);
		CU_ASSERT_DOUBLE_EQUAL(r.log_z_base, NB * log(2), 1e-6);
		CU_ASSERT(fabs(r.log_z - z) < 4 * r.stderr_);
		CU_ASSERT_EQUAL(r.chains, 200);
		if (k < 2)
			free(r.log_w);
	}
	CU_ASSERT(r.stderr_ < .02);
	CU_ASSERT(r.ess > 150 && r.ess <= 200);
	dgm_threads(1);
	CU_ASSERT_EQUAL_FATAL(dgm_ais_run(&a, &again), DGM_OK);
	CU_ASSERT_EQUAL(memcmp(r.log_w, again.log_w, 200 * sizeof *r.log_w), 0);
	free(r.log_w);
	free(again.log_w);
	dgm_store_free(a.store);
}

/* The base model is the model: every weight is 1. */
static void test_ais_same(void)
{
	struct dgm_ais a = annealing;
	struct dgm_ais_result r;

	a.store = store_new(20);
	a.chains = 20;
	memset(a.store->params, 0, UNITS * sizeof(float));
	CU_ASSERT_EQUAL_FATAL(dgm_ais_run(&a, &r), DGM_OK);
	CU_ASSERT_EQUAL(r.log_z, r.log_z_base);
	CU_ASSERT_EQUAL(r.stderr_, 0);
	CU_ASSERT_EQUAL(r.ess, 20);
	free(r.log_w);
	a.store->params[1] = NAN;
	CU_ASSERT_EQUAL(dgm_ais_run(&a, &r), DGM_ENONFINITE);
	CU_ASSERT_PTR_NULL(r.log_w);
	dgm_store_free(a.store);
}

/* Densities under windows against sums as they are written, across blocks of rows. */
static void test_parzen(void)
{
	enum { D = 3, N = 17, ROWS = 1030 };
	static double point[N * D], x[ROWS * D], out[ROWS * 2];
	const double width[] = {.3, 2};
	const struct dgm_parzen p = {point, N, D, width, 2};
	uint64_t state = 1;

	for (int i = 0; i < (N + ROWS) * D; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		*(i < N * D ? &point[i] : &x[i - N * D]) = (double)(state >> 40) / (1 << 24);
	}
	CU_ASSERT_EQUAL_FATAL(dgm_parzen(&p, x, ROWS, out), DGM_OK);
	for (int r = 0; r < ROWS; r++)
		for (int k = 0; k < 2; k++) {
			double sum = 0;

			for (int i = 0; i < N; i++) {
				double density = 1. / N;

				for (int u = 0; u < D; u++) {
					double z = (x[r * D + u] - point[i * D + u]) / width[k];
					density *= exp(-z * z / 2) / (width[k] * sqrt(2 * acos(-1)));
				}
				sum += density;
			}
			CU_ASSERT_DOUBLE_EQUAL(out[r * 2 + k], log(sum), 1e-11);
		}
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;

	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("estimators", NULL, NULL);
	CU_add_test(s, "exact sums are the sums over all states", test_enumerate);
	CU_add_test(s, "sums that are too large or not finite", test_enumerate_refused);
	CU_add_test(s, "means over data", test_figure);
	CU_add_test(s, "annealed importance sampling of independent bits", test_ais);
	CU_add_test(s, "base model = model: no variance", test_ais_same);
	CU_add_test(s, "Parzen windows", test_parzen);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
