/* What a training leaves as it is, and when it ends: against the rule applied to the metrics of a
 * run without it. */
#define _GNU_SOURCE
#include "train_run.h"

/* Frozen: neither moved nor decayed nor held to a norm. */
static void test_frozen(void)
{
	struct run *r = run_new("frozen");
	bool frozen[32] = {[W] = true};
	struct dgm_limit limit = {.slot = W, .axis = 0, .norm = .5};

	r->t.frozen = frozen;
	r->t.limit = &limit;
	r->t.nlimit = 1;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	for (int i = 0; i < 15; i++)
		CU_ASSERT_EQUAL(((const float *)r->t.store->slot[W])[i], 1);
	CU_ASSERT_NOT_EQUAL(((const float *)r->t.store->slot[B])[0], 0);
	run_free(r);
}

/* A run of so many of 60 epochs. */
static struct run *run_part(const char *name, int64_t epochs, int64_t patience)
{
	struct run *r = run_new(name);

	r->t.epochs = epochs;
	r->t.stop = (struct dgm_stop){.monitor = 0, .patience = patience, .higher = true};
	for (int i = 0; i < DGM_MAX_HYPER; i++)
		r->t.descent[0].hyper[i].whole = 60;
	r->t.k.whole = 60;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	return r;
}

/* Where the rule stops and which epoch it keeps, from the metrics of a run without it. */
static void test_stop(void)
{
	enum { PATIENCE = 2 };
	struct run *whole = run_part("whole", 60, 0), *r = run_part("stop", 60, PATIENCE), *best;
	size_t len;
	char *text = contents(whole, "metrics.jsonl", &len), *at = text;
	const int every = (int)r->t.monitor[0].every;
	int kept = 0, end = 0;
	double top = -INFINITY;

	for (int epoch = every; epoch <= 60 && end == 0; epoch += every) {
		double loss = strtod((at = strstr(at, "loss(digits)\":") + 14), &at);

		if (loss > top) {
			top = loss;
			kept = epoch;
		}
		if (epoch - kept >= PATIENCE * every)
			end = epoch;
	}
	CU_ASSERT(end > 0 && end < 60);
	free(text);
	text = contents(r, "metrics.jsonl", &len);
	CU_ASSERT_EQUAL(count(text, "\n"), end);
	free(text);
	best = run_part("best", kept, 0);
	CU_ASSERT(!memcmp(r->t.store->params, best->t.store->params,
	                  sizeof(float) * (size_t)r->t.store->nparam));
	run_free(whole);
	run_free(r);
	run_free(best);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	char command[128];

	snprintf(folder, sizeof folder, "/tmp/dgm_train_XXXXXX");
	if (!mkdtemp(folder) || CU_initialize_registry())
		return 1;
	for (int i = 0; i < N * D; i++)
		pixels[i] = (uint8_t)((i % D * 37 + i / D * 11) % 256);
	s = CU_add_suite("stages", NULL, NULL);
	CU_add_test(s, "frozen parameters", test_frozen);
	CU_add_test(s, "stopped at its best", test_stop);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command) != 0 || failed > 0;
}
