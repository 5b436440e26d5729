/* Exact sums over all states of B two-valued units: log Z = log sum_s exp(-E(s)), and with weights
 * p(s) = exp(-E(s) - log Z) the sums sum_s p(s) dE(s)/dw that a model's gradient needs.
 *
 * Unit u of the concatenated slots is bit u of the state's number s = 0 .. 2^B - 1.  States go
 * through the model in blocks of the population's capacity.  The sum is kept as m + log(sum of
 * exp(-E - m)), m the largest -E so far, in double, in the order of s, so that neither the block's
 * size nor the number of threads changes a bit of it. */
#include "train_work.h"

#include <inttypes.h>
#include <math.h>

enum { MAX_UNITS = 26, ROWS = 256 };

struct block {
	struct dgm_store *s;
	const struct dgm_enumeration *e;
	uint64_t first; /* state of row 0 */
	int64_t rows;
};

static void fill_rows(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct block *b = arg;
	int64_t lo = chunk * ROWS, hi = chunk + 1 < nchunk ? lo + ROWS : b->rows;
	int64_t unit = 0;

	for (int k = 0; k < b->e->nslot; k++) {
		const struct dgm_slot *slot = &b->s->mod->slot[b->e->slot[k]];
		int64_t n = dgm_slot_items(slot), stride = dgm_item_stride(slot);
		void *to = b->s->slot[b->e->slot[k]];

		for (int64_t r = lo; r < hi; r++) {
			uint64_t bits = (b->first + (uint64_t)r) >> unit;

			if (slot->repr == DGM_BITS)
				((uint64_t *)to)[r * stride] = bits & (((uint64_t)1 << n) - 1);
			else
				for (int64_t i = 0; i < n; i++)
					((float *)to)[r * stride + i] = bits >> i & 1 ? b->e->hi[k] : b->e->lo[k];
		}
		unit += n;
	}
}

/* Goes to the block that starts at state `first` and computes its energies. */
static void run_block(struct block *b, struct dgm_call *call, uint64_t first, uint64_t states)
{
	int64_t capacity = b->s->pop_capacity[b->e->pop];

	b->first = first;
	b->rows = states - first < (uint64_t)capacity ? (int64_t)(states - first) : capacity;
	call->pop[b->e->pop] = b->rows;
	call->row0[b->e->pop] = (int64_t)first;
	dgm_parallel(fill_rows, b, (b->rows + ROWS - 1) / ROWS);
	dgm_run(b->e->energy, call);
}

int dgm_enumerate(struct dgm_store *s, const struct dgm_enumeration *e, uint64_t seed, bool weights,
                  double *log_z)
{
	struct block b = {.s = s, .e = e};
	struct dgm_call call = dgm_call_on(s, seed);
	const int64_t stride = dgm_item_stride(&s->mod->slot[e->out]);
	const float *energy = s->slot[e->out];
	double top = -INFINITY, sum = 0;
	uint64_t states;
	int64_t units = 0;

	for (int k = 0; k < e->nslot; k++)
		units += dgm_slot_items(&s->mod->slot[e->slot[k]]);
	if (units > MAX_UNITS)
		return dgm_fail(DGM_ELIMIT,
		                "%s: an exact sum over %" PRId64 " units has 2^%" PRId64
		                " terms; the limit is 2^%d",
		                s->mod->model, units, units, MAX_UNITS);
	if (s->pop_capacity[e->pop] < 1)
		return dgm_fail(DGM_ESHAPE, "%s: no rows to enumerate its states in", s->mod->model);
	states = (uint64_t)1 << units;
	call.stage = DGM_STAGE_ENUMERATE;
	for (uint64_t first = 0; first < states; first += (uint64_t)b.rows) {
		run_block(&b, &call, first, states);
		for (int64_t r = 0; r < b.rows; r++) {
			double x = -(double)energy[r * stride];

			if (isnan(x) || x == INFINITY)
				return dgm_fail(DGM_ENONFINITE, "%s: the energy of state %" PRIu64 " is %s",
				                s->mod->model, first + (uint64_t)r,
				                isnan(x) ? "not a number" : "minus infinity");
			if (x > top) {
				sum = sum * exp(top - x) + 1;
				top = x;
			} else if (x > -INFINITY) { /* an infinite energy: probability 0 */
				sum += exp(x - top);
			}
		}
	}
	*log_z = top + log(sum);
	if (!weights || e->weight < 0)
		return DGM_OK;
	if (top == -INFINITY)
		return dgm_fail(DGM_ENONFINITE, "%s: the energy of every state is infinite", s->mod->model);
	for (uint64_t first = 0; first < states; first += (uint64_t)b.rows) {
		const int64_t step = dgm_item_stride(&s->mod->slot[e->weight]);
		float *w = s->slot[e->weight];

		run_block(&b, &call, first, states);
		for (int64_t r = 0; r < b.rows; r++)
			w[r * step] = (float)exp(-(double)energy[r * stride] - *log_z);
		if (e->grad)
			dgm_run(e->grad, &call);
	}
	return DGM_OK;
}
