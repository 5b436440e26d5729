/* Inputs with blocks: what functions of objects refuse, and completions of blocks that are known in
 * part, against sums over all states that go with what is known. */
#include "embed_model.h"

#include <CUnit/Basic.h>

enum { L = 2, Q = 3, H = 4, TOTAL = 2, SWEEPS = 40000, STATES = 4096 };
#define ERROR \
	0.004 /* of a mean of 0/1 and 2 over as many sweeps, were a tenth of them independent */
enum {
#define S(name, value, what) STATUS_##name = value,
	DGM_EMBED_STATUS_LIST(S)
#undef S
};

struct state {
	float n, v[L * Q], w[Q], h[H];
};
static struct dgm_random {
	uint64_t seed, step;
} chance;

static int run(const char *name, uintptr_t *a, int n)
{
	size_t size = ((size_fn *)(uintptr_t)function(arena_printf(small.cx.tmp, "%s_work", name)))(1);
	void *work = malloc(size);
	a[0] = (uintptr_t)model;
	a[1] = 1;
	a[n] = (uintptr_t)work;
	a[n + 1] = size;
	int status = call(name, a);
	free(work);
	return status;
}

static int energy_of(struct state *s, float *E)
{
	uintptr_t a[20] = {
	    0, 0, (uintptr_t)&s->n, (uintptr_t)s->v, (uintptr_t)s->w, (uintptr_t)s->h, (uintptr_t)E};
	return run("energy", a, 7);
}

static int sweep(struct state *s)
{
	uintptr_t a[20] = {0,
	                   0,
	                   3,
	                   (uintptr_t)&s->n,
	                   (uintptr_t)s->v,
	                   (uintptr_t)s->w,
	                   (uintptr_t)s->h,
	                   (uintptr_t)&chance};
	return run("sweep", a, 8);
}

static int complete(struct state *s, size_t sweeps, float *mean_v, float *mean_w)
{
	uintptr_t a[20] = {0,
	                   0,
	                   10,
	                   sweeps,
	                   (uintptr_t)&s->n,
	                   (uintptr_t)s->v,
	                   (uintptr_t)s->w,
	                   (uintptr_t)s->h,
	                   (uintptr_t)mean_v,
	                   (uintptr_t)mean_w,
	                   (uintptr_t)&chance};
	return run("complete", a, 11);
}

static void open_blocks(void)
{
	CU_ASSERT_FATAL(codegen_init());
	CU_ASSERT_FATAL(open_model(EXAMPLES, "blocks.dgm", 0, HOSTED));
	CU_ASSERT_EQUAL_FATAL(items_of(object.param.at[0].sym), L * Q * H);
	for (int k = 0; k < object.param.n; k++)
		for (int64_t i = 0; i < items_of(object.param.at[k].sym); i++)
			param[k][i] *= 3;
	CU_ASSERT_EQUAL_FATAL(load_model(), 0);
}

/* ---- what is refused ---- */
static const struct state good = {TOTAL, {1, 0, 0, 0, 0, 1}, {0, 2, 0}, {0, 0, 0, 1}};

static void refused(struct state s)
{
	struct state was = s;
	float E = 7;
	chance = (struct dgm_random){5, 9};
	CU_ASSERT_EQUAL(energy_of(&s, &E), STATUS_BLOCK);
	CU_ASSERT_EQUAL(sweep(&s), STATUS_BLOCK);
	CU_ASSERT(memcmp(&s, &was, sizeof s) == 0 && chance.step == 9 && E == 7);
}

static void test_refused(void)
{
	struct state s = good;
	float E, mean[L * Q];
	open_blocks();
	CU_ASSERT_EQUAL(energy_of(&s, &E), STATUS_OK);
	CU_ASSERT_EQUAL(sweep(&s), STATUS_OK);
	s = good;
	s.v[1] = 1;
	refused(s);
	s = good;
	s.v[5] = 0;
	refused(s);
	s = good;
	s.h[2] = 1;
	refused(s);
	s = good;
	s.w[0] = 1;
	refused(s);
	s = good;
	s.n = 3;
	refused(s);
	s = good;
	s.v[0] = 0; /* known to be nothing */
	CU_ASSERT_EQUAL(complete(&s, 2, mean, mean), STATUS_BLOCK);
	s = good;
	s.w[0] = NAN; /* counts known in part */
	CU_ASSERT_EQUAL(complete(&s, 2, mean, mean), STATUS_BLOCK);
	close_model();
}

/* ---- completion ---- */
static bool goes(const float *known, const float *x, int n)
{
	for (int i = 0; i < n; i++)
		if (!isnan(known[i]) && known[i] != x[i])
			return false;
	return true;
}

/* State number k; false: it is none of the model's. */
static bool state_of(int k, struct state *s)
{
	int sum = 0;
	*s = (struct state){.n = TOTAL};
	for (int i = 0; i < L; i++, k /= Q)
		s->v[i * Q + k % Q] = 1;
	for (int j = 0; j < 2; j++, k /= 3)
		if (k % 3)
			s->h[2 * j + k % 3 - 1] = 1;
	for (int i = 0; i < Q; i++, k /= 3) {
		s->w[i] = (float)(k % 3);
		sum += k % 3;
	}
	return k == 0 && sum == TOTAL;
}

static void exact(const struct state *known, double *mean)
{
	double z = 0;
	struct state s;
	for (int k = 0; k < STATES; k++) {
		float E = 0;
		if (!state_of(k, &s) || !goes(known->v, s.v, L * Q) || !goes(known->w, s.w, Q) ||
		    !goes(known->h, s.h, H))
			continue;
		CU_ASSERT_EQUAL(energy_of(&s, &E), STATUS_OK);
		double p = exp(-(double)E); /* the energy has the base measure 1/w! */
		z += p;
		for (int i = 0; i < L * Q; i++)
			mean[i] += p * (double)s.v[i];
		for (int i = 0; i < Q; i++)
			mean[L * Q + i] += p * (double)s.w[i];
	}
	for (int i = 0; i < L * Q + Q; i++)
		mean[i] /= z;
}

static void completed(const struct state *known)
{
	double truth[L * Q + Q] = {0};
	float mean[L * Q + Q];
	struct state s = *known;
	chance = (struct dgm_random){5, 0};
	exact(known, truth);
	CU_ASSERT_EQUAL(complete(&s, SWEEPS, mean, mean + L * Q), STATUS_OK);
	CU_ASSERT(goes(known->v, s.v, L * Q) && goes(known->w, s.w, Q) && goes(known->h, s.h, H));
	CU_ASSERT(goes(known->v, mean, L * Q));
	for (int i = 0; i < L * Q + Q; i++)
		if (!(fabs((double)mean[i] - truth[i]) <= 4 * ERROR)) {
			printf("\nmean %d: %g, truth %g ", i, (double)mean[i], truth[i]);
			CU_FAIL("completion");
		}
	float E;
	CU_ASSERT_EQUAL(energy_of(&s, &E), STATUS_OK);
}

static void test_completed(void)
{
	open_blocks();
	const float u = NAN;
	completed(&(struct state){TOTAL, {u, u, u, u, u, u}, {u, u, u}, {u, u, u, u}});
	completed(&(struct state){TOTAL, {0, u, u, u, u, 0}, {u, u, u}, {u, u, u, u}});
	completed(&(struct state){TOTAL, {u, 1, u, u, 0, 0}, {0, 2, 0}, {u, 0, u, u}});
	completed(&(struct state){TOTAL, {u, u, 0, 0, u, 0}, {u, u, u}, {u, 1, 0, 0}});
	close_model();
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("blocks of embedded functions", NULL, NULL);
	CU_add_test(s, "refused", test_refused);
	CU_add_test(s, "completed", test_completed);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
