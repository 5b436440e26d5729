/* Updates of a training in a block of the caller's:
 *
 *     head | segments | table of slots | buffers of the module | moments
 *
 * The head is all that is remembered beside what lies in buffers and moments; all else is found
 * again in each call, so that nothing points into the block.  An update is what dgm_update_rows
 * does, on the threads of the process; parameters are copied in, and out when they are finite. */
#include "updates.h"
#include "train_work.h"

#include <math.h>
#include <string.h>

enum {
#define S(name, value, what) STEP_##name = value,
	DGM_EMBED_STATUS_LIST(S)
#undef S
	    LINE = 64
};

struct random { /* struct dgm_random of the headers */
	uint64_t seed, step;
};
struct head {
	uint64_t mark;
	int64_t rows, update;
};
struct work { /* of a call */
	const struct dgm_updates *step;
	struct dgm_train train;
	struct dgm_store store;
	struct dgm_trainer trainer;
	struct head *head;
};

static const uint64_t mark = 0x64676D2D73746570u;

static int64_t round_up(int64_t n)
{
	return (n + LINE - 1) / LINE * LINE;
}

/* The parts of the work that do not lie in the block; false: there is no such training. */
static bool open_work(struct work *w, const struct dgm_updates *s, int64_t rows)
{
	*w = (struct work){.step = s, .train = s->train};
	memcpy(w->store.pop_capacity, s->capacity, sizeof s->capacity);
	w->store.pop_capacity[s->train.data_pop] = rows;
	w->store.mod = s->module;
	w->train.store = &w->store;
	for (int i = 0; i < w->train.ndescent; i++) {
		w->train.descent[i].optimizer = dgm_optimizer_find(s->optimizer[i]);
		if (!w->train.descent[i].optimizer)
			return false;
	}
	w->trainer =
	    (struct dgm_trainer){.t = &w->train, .s = &w->store, .saved_epoch = -1, .best_epoch = -1};
	return true;
}

/* Bytes of the parts, and places in the block, NULL: sizes alone; -1: too many rows. */
static int64_t lay_out(struct work *w, char *block)
{
	const struct dgm_module *m = w->step->module;
	int64_t segment = LINE, slot, buffers, moments, nparam;

	w->store.slot = NULL;
	slot = segment +
	       round_up((dgm_update_segments(&w->trainer) + 1) * (int64_t)sizeof(struct dgm_segment));
	buffers = slot + round_up((m->nslot + 1) * (int64_t)sizeof(void *));
	moments = dgm_store_place(m, w->store.pop_capacity, NULL, NULL, &nparam);
	if (moments < 0)
		return -1;
	moments = round_up(buffers + moments);
	if (block) {
		w->head = (struct head *)(void *)block;
		dgm_store_on(&w->store, m, block + buffers, (void **)(void *)(block + slot));
		dgm_update_on(&w->trainer, (struct dgm_segment *)(void *)(block + segment),
		              (float *)(void *)(block + moments));
	}
	return moments + round_up(dgm_update_moments(&w->train) * nparam * (int64_t)sizeof(float)) +
	       LINE;
}

static int64_t most_rows(const struct dgm_updates *s)
{
	const int64_t *most = s->module->pop_most;

	return most && most[s->train.data_pop] ? most[s->train.data_pop] : INT32_MAX;
}

uint64_t dgm_updates_size(const void *step, uint64_t rows)
{
	const struct dgm_updates *s = step;
	struct work w;
	int64_t bytes;

	if (!rows || rows > (uint64_t)most_rows(s) || !open_work(&w, s, (int64_t)rows))
		return 0;
	bytes = lay_out(&w, NULL);
	return bytes < 0 ? 0 : (uint64_t)(bytes + LINE);
}

static char *aligned(void *state)
{
	return (char *)state + (LINE - (uintptr_t)state % LINE) % LINE;
}

/* ---- what goes in and out ---- */
static bool all_finite(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

/* in: checked and copied into the store; else out of it. */
static int copy_params(const struct work *w, float *const *param, bool in)
{
	const struct dgm_module *m = w->step->module;

	for (int i = 0, k = 0; i < m->nslot; i++) {
		int64_t n = dgm_slot_items(&m->slot[i]);
		size_t bytes = (size_t)n * sizeof(float);

		if (m->slot[i].space != DGM_PARAM)
			continue;
		if (!param[k])
			return STEP_NULL;
		if (in && !all_finite(param[k], n))
			return STEP_VALUE;
		memcpy(in ? w->store.slot[i] : param[k], in ? param[k] : w->store.slot[i], bytes);
		k++;
	}
	return STEP_OK;
}

static int copy_means(const struct work *w, const float *const *mean)
{
	for (int k = 0; k < w->step->nmean; k++) {
		int slot = w->step->mean[k];
		int64_t n = dgm_slot_items(&w->step->module->slot[slot]);

		if (!mean[k])
			return STEP_NULL;
		if (!all_finite(mean[k], n))
			return STEP_VALUE;
		memcpy(w->store.slot[slot], mean[k], (size_t)n * sizeof(float));
	}
	return STEP_OK;
}

static bool allowed(const struct dgm_updates_input *in, float x)
{
	if (!(x >= in->lo && x <= in->hi && isfinite(x)))
		return false;
	return in->two ? x == in->lo || x == in->hi : !in->whole || x == rintf(x);
}

static void put(const struct dgm_slot *slot, void *buffer, int64_t row, int64_t u, float x)
{
	int64_t stride = dgm_item_stride(slot);
	uint64_t *word = (uint64_t *)buffer + row * stride + u / 64, bit = (uint64_t)1 << u % 64;

	if (slot->repr == DGM_F32)
		((float *)buffer)[row * stride + u] = x;
	else
		*word = x > 0.5f ? *word | bit : *word & ~bit;
}

static int load_inputs(const struct work *w, int64_t rows, const float *const *x)
{
	for (int i = 0; i < w->step->ninput; i++) {
		const struct dgm_updates_input *in = &w->step->input[i];
		const struct dgm_slot *slot = &w->step->module->slot[in->slot];
		int64_t n = dgm_slot_items(slot);

		if (!x[i])
			return STEP_NULL;
		for (int64_t u = 0; u < rows * n; u++) {
			if (!allowed(in, x[i][u]))
				return STEP_VALUE;
			put(slot, w->store.slot[in->slot], u / n, u % n, x[i][u]);
		}
	}
	return STEP_OK;
}

/* Unit u of block b of an item, all in row-major order. */
static int64_t unit_of(const struct dgm_slot *slot, const int64_t *block, int64_t b, int64_t u)
{
	int64_t at = 0, stride = 1;

	for (int k = slot->rank - 1; k >= 0; k--) {
		int64_t blocks = slot->dim[k] / block[k];

		at += (b % blocks * block[k] + u % block[k]) * stride;
		stride *= slot->dim[k];
		b /= blocks;
		u /= block[k];
	}
	return at;
}

/* Has each block of an item the ones, or the sum, that it has to have?  total: NULL, or the sums.
 */
static bool blocks_go(const struct dgm_updates_input *in, const struct dgm_slot *slot,
                      const float *x, const float *total)
{
	int64_t n = 1;

	for (int k = 0; k < slot->rank; k++)
		n *= in->block[k];
	for (int64_t b = 0; b < dgm_slot_items(slot) / n; b++) {
		double sum = 0, most = total ? (double)total[b] : 1;

		for (int64_t u = 0; u < n; u++)
			sum += (double)x[unit_of(slot, in->block, b, u)];
		if (sum > most || (sum < most && !in->empty))
			return false;
	}
	return true;
}

static int check_blocks(const struct work *w, int64_t rows, const float *const *x)
{
	for (int i = 0; i < w->step->ninput; i++) {
		const struct dgm_updates_input *in = &w->step->input[i];
		const struct dgm_slot *slot = &w->step->module->slot[in->slot];
		int64_t n = dgm_slot_items(slot), sums = 0;

		if (!in->block[0])
			continue;
		if (in->total >= 0)
			sums = dgm_slot_items(&w->step->module->slot[w->step->input[in->total].slot]);
		for (int64_t r = 0; r < rows; r++)
			if (!blocks_go(in, slot, x[i] + r * n, sums ? x[in->total] + r * sums : NULL))
				return STEP_BLOCK;
	}
	return STEP_OK;
}

/* ---- the calls ---- */
static void set_random(struct work *w, const struct random *r)
{
	w->trainer.call = dgm_call_on(&w->store, r->seed);
	w->trainer.call.step = (uint32_t)r->step;
	w->trainer.call.stage = (uint32_t)(r->step >> 32);
	w->train.seed = r->seed;
	w->train.stage = w->trainer.call.stage;
}

static void advance(const struct work *w, struct random *r)
{
	r->step = (r->step & ~(uint64_t)UINT32_MAX) | w->trainer.call.step;
}

int32_t dgm_updates_begin(const void *step, void *state, uint64_t size, uint64_t rows,
                          float *const *param, const float *const *mean, void *random)
{
	const struct dgm_updates *s = step;
	struct work w;
	int status;

	if (!state || !param || !random)
		return STEP_NULL;
	if (!dgm_updates_size(s, rows))
		return STEP_ROWS;
	if (size < dgm_updates_size(s, rows))
		return STEP_WORK;
	open_work(&w, s, (int64_t)rows);
	memset(state, 0, size);
	lay_out(&w, aligned(state));
	status = copy_params(&w, param, true);
	if (!status)
		status = copy_means(&w, mean);
	if (status)
		return status;
	set_random(&w, random);
	w.trainer.call.step += s->first_values;
	dgm_tempering_begin(&w.train.tempering, &w.store);
	dgm_train_call(&w.trainer, w.train.prepare);
	dgm_train_call(&w.trainer, w.train.begin);
	*w.head = (struct head){.mark = mark, .rows = (int64_t)rows};
	advance(&w, random);
	return STEP_OK;
}

int32_t dgm_updates_run(const void *step, void *state, uint64_t rows, uint64_t epoch,
                        float *const *param, const float *const *input, void *random)
{
	const struct dgm_updates *s = step;
	const struct head *head;
	struct work w;
	int status;

	if (!state || !param || !random)
		return STEP_NULL;
	head = (const struct head *)(const void *)aligned(state);
	if (head->mark != mark)
		return STEP_MODEL;
	if (!rows || rows > (uint64_t)head->rows || epoch > INT32_MAX)
		return STEP_ROWS;
	if (!open_work(&w, s, head->rows))
		return STEP_MODEL;
	lay_out(&w, aligned(state));
	set_random(&w, random);
	w.trainer.update = head->update;
	w.trainer.epoch = (int64_t)epoch;
	status = copy_params(&w, param, true);
	if (!status)
		status = load_inputs(&w, (int64_t)rows, input);
	if (!status)
		status = check_blocks(&w, (int64_t)rows, input);
	if (status)
		return status;
	dgm_update_epoch(&w.trainer);
	if (dgm_update_rows(&w.trainer, (int64_t)rows) || dgm_update_check(&w.trainer))
		return STEP_RESULT;
	w.head->update = w.trainer.update;
	advance(&w, random);
	return copy_params(&w, param, false);
}
