/* A model of independent bits written by hand, p(v) = prod sigmoid(b)^v .., and trainings of it: with
 * sticky chains for the gradient, so that states outlive updates; W has no gradient and feels the decay
 * alone. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

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

static inline float *floats(const struct dgm_call *call, int slot)
{
	return call->slot[slot];
}

static inline uint64_t *item(const struct dgm_call *call, int slot, int64_t row)
{
	return (uint64_t *)call->slot[slot] + row * dgm_item_stride(&slots[slot]);
}

static inline int bit(const uint64_t *x, int u)
{
	return (int)(x[u / 64] >> u % 64 & 1);
}

static inline float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

static inline void init(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
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
static inline void move(const struct dgm_call *call, int64_t chunk, int64_t nchunk, float stay)
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

static inline void begin(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	move(call, chunk, nchunk, 0);
}

static inline void sweep(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
{
	move(call, chunk, nchunk, .5f);
}

static int finals, kill_at; /* calls of final; the one in which the process dies, 0: none */

static inline void final(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
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
static inline void loss(const struct dgm_call *call, int64_t chunk, int64_t nchunk)
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
	struct dgm_input input[2];
	struct dgm_monitor monitor;
	struct dgm_mean_slot mean;
	char dir[128];
};

static inline struct run *run_new(const char *name)
{
	struct run *r = calloc(1, sizeof *r);

	snprintf(r->dir, sizeof r->dir, "%s/%s", folder, name);
	r->input[0] = (struct dgm_input){V, &digits};
	r->mean = (struct dgm_mean_slot){MEAN, &digits, true, 0, 1, false};
	r->monitor = (struct dgm_monitor){
	    .name = "loss(digits)",
	    .every = 5,
	    .a = {.fn = &functions[4], .out = LOSS, .pop = 0, .input = r->input, .ninput = 1},
	    .per = 1};
	r->t = (struct dgm_train){
	    .store = dgm_store_new(&module, (const int64_t[]){BATCH, CHAINS}),
	    .model = "bits",
	    .input = r->input,
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

static inline void run_free(struct run *r)
{
	dgm_store_free(r->t.store);
	free(r);
}

static inline char *contents(const struct run *r, const char *name, size_t *len)
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

static inline int count(const char *text, const char *what)
{
	int n = 0;

	for (; text && (text = strstr(text, what)); text++)
		n++;
	return n;
}

static inline bool same_parameters(const struct run *a, const struct run *b)
{
	size_t na, nb;
	char *x = contents(a, "bits.safetensors", &na), *y = contents(b, "bits.safetensors", &nb);
	bool same = x && y && na == nb && !memcmp(x, y, na);

	free(x);
	free(y);
	return same;
}

#endif
