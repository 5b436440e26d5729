/* The training driver on a model of independent bits written by hand: p(v) = prod sigmoid(b)^v ..,
 * with sticky chains for the gradient, so that states outlive updates; W has no gradient and feels
 * the decay alone.
 *
 * Convergence: after the last epochs at a small rate, sigmoid(b) is the data's mean within .06: the
 * chains' estimate of a mean over ROWS*CHAINS draws an epoch has a standard error below .01. */
#define _GNU_SOURCE
#include "train_run.h"

static void test_converges(void)
{
	struct run *r = run_new("converges");
	const float *b;
	size_t len;
	char *text;

	r->t.epochs = 150;
	r->t.descent[0].hyper[0] = (struct dgm_ramp){.from = .8, .to = .02, .ramp = true};
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	b = r->t.store->slot[B];
	for (int i = 0; i < D; i++) {
		double mean = 0;

		for (int e = 0; e < N; e++)
			mean += pixels[e * D + i] / 255.;
		CU_ASSERT_DOUBLE_EQUAL(sigmoid(b[i]), mean / N, .06);
	}
	text = contents(r, "metrics.jsonl", &len);
	CU_ASSERT_EQUAL(count(text, "\"model\":\"bits\""), 150);
	CU_ASSERT_EQUAL(count(text, "\"loss(digits)\":"), 30);
	free(text);
	text = contents(r, "curve.svg", &len);
	CU_ASSERT_EQUAL(count(text, "loss(digits)"), 1);
	free(text);
	run_free(r);
}

/* Without momentum a weight with no gradient is 1 * prod (1 - rate * decay); biases do not decay.
 */
static void test_decay(void)
{
	struct run *r = run_new("decay");
	const float *w;

	r->t.descent[0].hyper[0] = (struct dgm_ramp){.from = .5, .to = .5, .ramp = false};
	r->t.descent[0].hyper[1] = (struct dgm_ramp){.from = 0, .to = 0, .ramp = false};
	r->t.final = NULL;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	w = r->t.store->slot[W];
	for (int i = 0; i < 15; i++)
		CU_ASSERT_DOUBLE_EQUAL(w[i], pow(1 - .5 * .01, EPOCHS * UPDATES), 1e-5);
	for (int i = 0; i < D; i++)
		CU_ASSERT(fabsf(((const float *)r->t.store->slot[B])[i]) < .2f);
	run_free(r);
}

/* The process is killed in the middle of an epoch; what it left is taken up by another. */
static void killed_at(int update, int threads, const struct dgm_stop *stop)
{
	struct run *whole = run_new("whole"), *part = run_new("part");
	size_t len;
	char *a, *b;
	pid_t child;
	int state = 0;

	if (stop)
		whole->t.stop = part->t.stop = *stop;
	dgm_threads(threads);
	CU_ASSERT_EQUAL(dgm_train_run(&whole->t), DGM_OK);
	dgm_threads(1); /* a fork has no other threads */
	child = fork();
	if (child == 0) {
		finals = 0;
		kill_at = update;
		dgm_train_run(&part->t);
		_exit(0);
	}
	waitpid(child, &state, 0);
	CU_ASSERT(WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL);
	part->t.resume = true;
	CU_ASSERT_EQUAL(dgm_train_run(&part->t), DGM_OK);
	CU_ASSERT(same_parameters(whole, part));
	a = contents(whole, "metrics.jsonl", &len);
	b = contents(part, "metrics.jsonl", &len);
	CU_ASSERT(count(a, "\n") == EPOCHS || stop);
	CU_ASSERT_EQUAL(count(a, "\n"), count(b, "\n"));
	CU_ASSERT_EQUAL(count(a, "\"loss(digits)\""), count(b, "\"loss(digits)\""));
	free(a);
	free(b);
	run_free(whole);
	run_free(part);
}

static void test_killed(void)
{
	const struct dgm_stop early = {.monitor = 0, .patience = 1, .higher = true};

	killed_at(3, 1, NULL); /* before the first epoch's end */
	killed_at(UPDATES * 4 + 2, 2, NULL);
	for (int epoch = 1; epoch < 8; epoch += 2)
		killed_at(UPDATES * epoch + 1, 1, &early);
	killed_at(UPDATES * 11, 3, NULL);
}

/* Fewer epochs first, then all of them, with the other optimiser. */
static void test_resume(void)
{
	struct run *whole = run_new("adam"), *part = run_new("adam in parts"), *again;

	whole->t.descent[0].optimizer = part->t.descent[0].optimizer = &dgm_adam;
	for (int i = 0; i < 4; i++)
		whole->t.descent[0].hyper[i] = part->t.descent[0].hyper[i] =
		    (struct dgm_ramp){.from = (double)dgm_adam.hyper[i].initial, .to = 0, .ramp = false};
	whole->t.k.ramp = part->t.k.ramp = false;
	CU_ASSERT_EQUAL(dgm_train_run(&whole->t), DGM_OK);
	part->t.resume = true; /* nothing is there yet */
	part->t.epochs = 5;
	CU_ASSERT_EQUAL(dgm_train_run(&part->t), DGM_OK);
	again = run_new("adam in parts");
	again->t.descent[0].optimizer = &dgm_adam;
	memcpy(again->t.descent[0].hyper, part->t.descent[0].hyper, sizeof again->t.descent[0].hyper);
	again->t.k.ramp = false;
	again->t.resume = true;
	CU_ASSERT_EQUAL(dgm_train_run(&again->t), DGM_OK);
	CU_ASSERT(same_parameters(whole, again));

	again->t.seed = 8;
	CU_ASSERT_EQUAL(dgm_train_run(&again->t), DGM_EFORMAT);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "seed 7, this run has seed 8"));
	again->t.seed = 7;
	again->t.config = "batch 20\nrate 0.1\n";
	CU_ASSERT_EQUAL(dgm_train_run(&again->t), DGM_EFORMAT);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "'rate 0.05' there, 'rate 0.1' here"));
	again->t.config = part->t.config;
	again->t.descent[0].optimizer = &dgm_sgd;
	CU_ASSERT_EQUAL(dgm_train_run(&again->t), DGM_ESHAPE);
	again->t.descent[0].optimizer = &dgm_adam;
	again->t.epochs = 3;
	CU_ASSERT_EQUAL(dgm_train_run(&again->t), DGM_EFORMAT);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "from 0 to 3"));
	run_free(whole);
	run_free(part);
	run_free(again);
}

static int oftens;

static void often(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	(void)call;
	(void)nchunk;
	oftens += chunk == 0;
}

/* W moves at each update, b at each fifth only, which are those that need its gradient. */
static void test_descents(void)
{
	static const int of[NSLOT] = {[B] = 1};
	static const bool both[NSLOT] = {[B] = true, [W] = true};
	const struct dgm_region region = {often};
	const struct dgm_function function = {"often", 1, &region};
	struct run *r = run_new("descents");
	const int updates = EPOCHS * UPDATES;
	r->t.descent[0].hyper[0] = r->t.descent[0].hyper[1] = (struct dgm_ramp){0};
	r->t.descent[0].hyper[0].from = .5;
	r->t.descent[1] =
	    (struct dgm_descent){.optimizer = &dgm_adamw,
	                         .hyper = {{.from = .1}, {.from = .9}, {.from = .999}, {.from = 1e-8}},
	                         .decay = .2,
	                         .every = 5};
	r->t.ndescent = 2;
	r->t.descent_of = of;
	r->t.decays = both;
	r->t.often = &function;
	r->t.begin = r->t.first = r->t.sweep.end = NULL; /* the chains stay at 0 */
	r->t.k.ramp = false;
	r->t.final = &function;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	CU_ASSERT_EQUAL(oftens, updates);
	CU_ASSERT_DOUBLE_EQUAL(*(float *)r->t.store->slot[W], pow(1 - .005, updates), 1e-5);
	const float start = *(float *)r->t.store->slot[B];
	r->t.epochs = 1;
	r->t.out_dir = strcat(r->dir, "2");
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	CU_ASSERT_DOUBLE_EQUAL(start / *(float *)r->t.store->slot[B],
	                       pow(1 - .02, updates / 5 - UPDATES / 5), 1e-4);
	r->t.final = &functions[3];
	finals = oftens = 0;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	CU_ASSERT_EQUAL(finals, UPDATES / 5);
	CU_ASSERT_EQUAL(oftens, UPDATES - UPDATES / 5);
	run_free(r);
}

/* With rate * decay = 10 every update multiplies W by -9: found at the end of the epoch in which
 * 9^t passes 2^24. */
static void test_diverges(void)
{
	struct run *r = run_new("diverges");
	char path[256];
	struct dgm_tensor *t;
	char **meta;
	void *block;
	int n;

	r->t.descent[0].hyper[0] = (struct dgm_ramp){.from = 10, .to = 10, .ramp = false};
	r->t.descent[0].hyper[1] = (struct dgm_ramp){.from = 0, .to = 0, .ramp = false};
	r->t.descent[0].decay = 1;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ENONFINITE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "parameter W is beyond 2^24"));
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "update 14 (epoch 2)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "rate = 10"));
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "diverges/checkpoint.safetensors (epoch 1)"));
	snprintf(path, sizeof path, "%s/checkpoint.safetensors", r->dir);
	CU_ASSERT_EQUAL_FATAL(dgm_safetensors_read(path, &t, &n, &meta, &block), DGM_OK);
	for (int i = 0; i < n; i++)
		if (!strcmp(t[i].name, "W"))
			for (int k = 0; k < 15; k++)
				CU_ASSERT(isfinite(((const float *)t[i].data)[k]));
	free(block);
	run_free(r);
}

/* A figure that is not finite ends the training, whether it may stop it or not: the error names it
 * and the epoch. */
static void infinite_loss(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	for (int64_t r = chunk; r < call->pop[0]; r += nchunk)
		floats(call, LOSS)[r] = INFINITY;
}

static void test_figure(void)
{
	const struct dgm_region region = {infinite_loss};
	const struct dgm_function infinite = {"infinite", 1, &region};
	for (int stops = 0; stops < 2; stops++) {
		struct run *r = run_new(stops ? "figure.stop" : "figure");
		r->monitor.a.fn = &infinite;
		if (stops)
			r->t.stop = (struct dgm_stop){.monitor = 0, .patience = 1};
		CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ENONFINITE);
		CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "loss(digits) is "));
		CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "at the end of epoch 5"));
		run_free(r);
	}
}

/* A full disk, found by the metrics or by the checkpoint (files of no more than 1000 bytes): the
 * error says what is left of the training. */
static void test_full_disk(void)
{
	struct run *r = run_new("full");
	struct rlimit all, small;
	char path[256];

	if (access("/dev/full", W_OK) == 0) {
		snprintf(path, sizeof path, "%s/metrics.jsonl", r->dir);
		CU_ASSERT_EQUAL(dgm_make_dir(r->dir), DGM_OK);
		CU_ASSERT_EQUAL(symlink("/dev/full", path), 0);
		CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_EIO);
		CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "metrics.jsonl: cannot be written: No space"));
		CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "; the last good parameters are in "));
		CU_ASSERT_PTR_NOT_NULL(
		    strstr(dgm_error(), "full/checkpoint.safetensors (before the first update)"));
		CU_ASSERT_EQUAL(unlink(path), 0);
	}
	r->t.epochs = 2;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	r->t.resume = true;
	r->t.epochs = 4;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &all);
	small = all;
	small.rlim_cur = 1000;
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_EIO);
	setrlimit(RLIMIT_FSIZE, &all);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "checkpoint.safetensors: cannot be written: File"));
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "full/checkpoint.safetensors (epoch 2)"));
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	run_free(r);
}

/* One changed bit in the last value of a checkpoint. */
static void test_damaged(void)
{
	struct run *r = run_new("damaged");
	char path[256];
	FILE *f;
	int c;

	r->t.epochs = 2;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_OK);
	snprintf(path, sizeof path, "%s/checkpoint.safetensors", r->dir);
	f = fopen(path, "r+b");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, -1, SEEK_END);
	c = fgetc(f);
	fseek(f, -1, SEEK_END);
	fputc(c ^ 1, f);
	fclose(f);
	r->t.resume = true;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_EFORMAT);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "checkpoint.safetensors: the file is damaged"));
	CU_ASSERT_PTR_NULL(strstr(dgm_error(), "last good"));
	run_free(r);
}

static void test_refused(void)
{
	struct run *r = run_new("refused");
	struct dgm_data few = digits;

	few.n = 12;
	few.name = "few";
	r->input[1] = (struct dgm_input){V, &few};
	r->t.ninput = 2;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ESHAPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "digits has 130 examples and few has 12"));
	r->t.ninput = 1;
	r->input[0].data = &few;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ESHAPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "a batch of 20 is larger than few, which has 12"));
	run_free(r);
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
	s = CU_add_suite("train", NULL, NULL);
	CU_add_test(s, "a training converges and leaves metrics and curves", test_converges);
	CU_add_test(s, "decay is for weights alone", test_decay);
	CU_add_test(s, "several descents", test_descents);
	CU_add_test(s, "killed and resumed: the same bits", test_killed);
	CU_add_test(s, "stopped and resumed: the same bits; other runs are refused", test_resume);
	CU_add_test(s, "divergence keeps a good checkpoint", test_diverges);
	CU_add_test(s, "a figure that is not finite", test_figure);
	CU_add_test(s, "a full disk keeps a good checkpoint and names it", test_full_disk);
	CU_add_test(s, "a damaged checkpoint is refused", test_damaged);
	CU_add_test(s, "data that do not fit are refused", test_refused);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command) != 0 || failed > 0;
}
