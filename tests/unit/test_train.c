/* The training driver on a model of independent bits written by hand: p(v) = prod sigmoid(b)^v ..,
 * with sticky chains for the gradient, so that states outlive updates; W has no gradient and feels
 * the decay alone.
 *
 * Convergence: after the last epochs at a small rate, sigmoid(b) is the data's mean within .06: the
 * chains' estimate of a mean over ROWS*CHAINS draws an epoch has a standard error below .01. */
#define _GNU_SOURCE
#include "train.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { D = 70, N = 130, BATCH = 20, CHAINS = 40, EPOCHS = 12, UPDATES = 7 };
enum { B, W, GB, GW, V, C, LOSS, MEAN, NSLOT };
enum { INV_N, INV_M };

static const struct dgm_slot slots[NSLOT] = {
    [B] = {"b", DGM_PARAM, DGM_F32, -1, 1, {D}, -1, 0},
    [W] = {"W", DGM_PARAM, DGM_F32, -1, 2, {3, 5}, -1, 0},
    [GB] = {"b'", DGM_GRAD, DGM_F32, -1, 1, {D}, B, 0},
    [GW] = {"W'", DGM_GRAD, DGM_F32, -1, 2, {3, 5}, W, 0},
    [V] = {"v", DGM_STATE, DGM_BITS, 0, 1, {D}, -1, 0},
    [C] = {"c", DGM_STATE, DGM_BITS, 1, 1, {D}, -1, 0},
    [LOSS] = {"loss", DGM_STATE, DGM_F32, 0, 0, {0}, -1, 0},
    [MEAN] = {"mean", DGM_STATE, DGM_F32, -1, 1, {D}, -1, 0},
};

static const bool weights[NSLOT] = {[W] = true};

static float *floats(const struct dgm_call *call, int slot)
{
	return call->slot[slot];
}

static uint64_t *item(const struct dgm_call *call, int slot, int64_t row)
{
	return (uint64_t *)call->slot[slot] + row * dgm_item_stride(&slots[slot]);
}

static int bit(const uint64_t *x, int u)
{
	return (int)(x[u / 64] >> u % 64 & 1);
}

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

static void init(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	if (chunk)
		return;
	(void)nchunk;
	dgm_normal(floats(call, B), D, call->seed, 0, call->step, call->stage * 4096);
	for (int i = 0; i < D; i++)
		floats(call, B)[i] = .01f * floats(call, B)[i] + .1f * floats(call, MEAN)[i];
	for (int i = 0; i < 15; i++)
		floats(call, W)[i] = 1;
}

/* Each unit of a chain stays with probability 1/2 (begin: 0), else it is drawn anew. */
static void move(const struct dgm_call *call, int64_t chunk, int64_t nchunk, float stay)
{
	for (int64_t c = chunk; c < call->pop[1]; c += nchunk) {
		float u[2 * D];
		uint64_t *x = item(call, C, c);

		dgm_uniform(u, 2 * D, call->seed, (uint32_t)c, call->step, call->stage * 4096 + 1);
		for (int i = 0; i < D; i++)
			if (u[i] >= stay) {
				x[i / 64] &= ~((uint64_t)1 << i % 64);
				x[i / 64] |= (uint64_t)(u[D + i] < sigmoid(floats(call, B)[i])) << i % 64;
			}
	}
}

static void begin(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	move(call, chunk, nchunk, 0);
}

static void sweep(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	move(call, chunk, nchunk, .5f);
}

static int finals, kill_at; /* calls of final; the one in which the process dies, 0: none */

static void final(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	if (chunk == 0 && ++finals == kill_at)
		kill(getpid(), SIGKILL);
	for (int64_t i = chunk; i < D; i += nchunk) {
		int data = 0, chain = 0;

		for (int64_t r = 0; r < call->pop[0]; r++)
			data += bit(item(call, V, r), (int)i);
		for (int64_t r = 0; r < call->pop[1]; r++)
			chain += bit(item(call, C, r), (int)i);
		floats(call, GB)[i] =
		    (float)chain * call->scalar[INV_M] - (float)data * call->scalar[INV_N];
	}
}

/* -log p(v) */
static void loss(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	for (int64_t r = chunk; r < call->pop[0]; r += nchunk) {
		float sum = 0;

		for (int i = 0; i < D; i++) {
			float b = floats(call, B)[i];

			sum += log1pf(expf(b)) - b * (float)bit(item(call, V, r), i);
		}
		floats(call, LOSS)[r] = sum;
	}
}

static const struct dgm_region regions[] = {{init}, {begin}, {sweep}, {final}, {loss}};
static const struct dgm_function functions[] = {{"init", 1, &regions[0]},
                                                {"begin", 1, &regions[1]},
                                                {"sweep", 1, &regions[2]},
                                                {"final", 1, &regions[3]},
                                                {"loss", 1, &regions[4]}};
static const struct dgm_module module = {"bits",
                                         NSLOT,
                                         slots,
                                         5,
                                         functions,
                                         2,
                                         (const char *const[]){"data", "chains"},
                                         2,
                                         (const char *const[]){"inv_n", "inv_m"},
                                         NULL};

static uint8_t pixels[N * D];
static const struct dgm_data digits = {.name = "digits",
                                       .n = N,
                                       .rank = 1,
                                       .dim = {D},
                                       .items = D,
                                       .domain = DGM_DATA_BINARY,
                                       .key = "resampled",
                                       .resampled = true,
                                       .u8 = pixels,
                                       .scale = 1.f / 255};
static char folder[64];

/* Everything a run needs, with its own store and folder. */
struct run {
	struct dgm_train t;
	struct dgm_monitor monitor;
	struct dgm_mean_slot mean;
	char dir[128];
};

static struct run *run_new(const char *name)
{
	struct run *r = calloc(1, sizeof *r);

	snprintf(r->dir, sizeof r->dir, "%s/%s", folder, name);
	r->mean = (struct dgm_mean_slot){MEAN, &digits, true, 0, 1, false};
	r->monitor = (struct dgm_monitor){
	    .name = "loss(digits)",
	    .every = 5,
	    .a = {.fn = &functions[4], .out = LOSS, .pop = 0, .input = {{V, &digits}}, .ninput = 1},
	    .per = 1};
	r->t = (struct dgm_train){
	    .store = dgm_store_new(&module, (const int64_t[]){BATCH, CHAINS}),
	    .model = "bits",
	    .input = {{V, &digits}},
	    .ninput = 1,
	    .data_pop = 0,
	    .chain_pop = 1,
	    .batch = BATCH,
	    .chains = CHAINS,
	    .epochs = EPOCHS,
	    .init = &functions[0],
	    .begin = &functions[1],
	    .first = &functions[2],
	    .sweep = {.end = &functions[2],
	              .scalar_inv = -1,
	              .scalar_rate = -1,
	              .size = -1,
	              .acceptance = -1},
	    .final = &functions[3],
	    .k = {1, 3, true},
	    .scalar_inv_n = INV_N,
	    .scalar_inv_m = INV_M,
	    .descent = {{.optimizer = &dgm_sgd,
	                 .hyper = {{.05, .01, true}, {.5, .5, false}},
	                 .decay = .01}},
	    .ndescent = 1,
	    .decays = weights,
	    .mean = &r->mean,
	    .nmean = 1,
	    .monitor = &r->monitor,
	    .nmonitor = 1,
	    .out_dir = r->dir,
	    .seed = 7,
	    .stage = 1,
	    .quiet = true,
	    .config = "batch 20\nrate 0.05\n",
	    .checkpoint_seconds = -1,
	};
	return r;
}

static void run_free(struct run *r)
{
	dgm_store_free(r->t.store);
	free(r);
}

static char *contents(const struct run *r, const char *name, size_t *len)
{
	char path[256], *text = NULL;
	FILE *f;

	*len = 0;
	snprintf(path, sizeof path, "%s/%s", r->dir, name);
	f = fopen(path, "rb");
	if (f && getdelim(&text, len, EOF, f) < 0)
		*len = 0;
	if (f) {
		*len = (size_t)ftell(f);
		fclose(f);
	}
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; text && (text = strstr(text, what)); text++)
		n++;
	return n;
}

static bool same_parameters(const struct run *a, const struct run *b)
{
	size_t na, nb;
	char *x = contents(a, "bits.safetensors", &na), *y = contents(b, "bits.safetensors", &nb);
	bool same = x && y && na == nb && !memcmp(x, y, na);

	free(x);
	free(y);
	return same;
}

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
static void killed_at(int update, int threads)
{
	struct run *whole = run_new("whole"), *part = run_new("part");
	size_t len;
	char *a, *b;
	pid_t child;
	int state = 0;

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
	CU_ASSERT_EQUAL(count(a, "\n"), EPOCHS);
	CU_ASSERT_EQUAL(count(b, "\n"), EPOCHS);
	CU_ASSERT_EQUAL(count(a, "\"loss(digits)\""), count(b, "\"loss(digits)\""));
	free(a);
	free(b);
	run_free(whole);
	run_free(part);
}

static void test_killed(void)
{
	killed_at(3, 1); /* before the first epoch's end */
	killed_at(UPDATES * 4 + 2, 2);
	killed_at(UPDATES * 11, 3);
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
	r->t.input[1] = (struct dgm_input){V, &few};
	r->t.ninput = 2;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ESHAPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "digits has 130 examples and few has 12"));
	r->t.ninput = 1;
	r->t.input[0].data = &few;
	CU_ASSERT_EQUAL(dgm_train_run(&r->t), DGM_ESHAPE);
	CU_ASSERT_PTR_NOT_NULL(strstr(dgm_error(), "a batch of 20 is larger than few, which has 12"));
	run_free(r);
}

static void test_ramp(void)
{
	struct dgm_ramp r = {.from = 1, .to = 4, .ramp = true};

	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 4), 1);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 2, 4), 3);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 3, 4), 4);
	CU_ASSERT_EQUAL(dgm_ramp_at(&r, 0, 1), 1);
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
	CU_add_test(s, "ramps", test_ramp);
	CU_add_test(s, "a training converges and leaves metrics and curves", test_converges);
	CU_add_test(s, "decay is for weights alone", test_decay);
	CU_add_test(s, "several descents", test_descents);
	CU_add_test(s, "killed and resumed: the same bits", test_killed);
	CU_add_test(s, "stopped and resumed: the same bits; other runs are refused", test_resume);
	CU_add_test(s, "divergence keeps a good checkpoint", test_diverges);
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
