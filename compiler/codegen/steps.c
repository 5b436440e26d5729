/* STEPS kernels: rows in blocks, along an index for all rows of a block, so that what a step reads
 * of the parameters is read once for them; in a step the stores one after the other.
 *
 *     for rows m .. m+BLOCK: for the rows' own axes t: for each row its first stores
 *         for d: for each row: the stores, those with a condition where it is not 0
 * What the kernel writes is read within the step of a row (struct emit, turn), never before. */
#include "codegen/emit.h"

enum { BLOCK = 8 };

static void store_of(struct emit *e, const struct kernel *k, const struct store *s)
{
	const struct idx *axis[MAX_RANK];
	struct kernel view = *k; /* as it looks to this store */
	int naxis = 0, lanes;
	view.rank = s->dst->rank;
	for (int d = 0; d < view.rank; d++) {
		view.at[d] = s->at[d];
		if (bind_find(e, s->at[d]))
			continue;
		if (s->at[d]->size == 1)
			bind_idx(e, s->at[d], emit_int(e, 0), 0);
		axis[naxis++] = s->at[d];
	}
	e->kernel = &view;
	int n = open_axes(e, axis, naxis, s->rhs, &lanes);
	emit_assign(e, s);
	while (n--)
		loop_close(e, NULL, NULL);
	e->kernel = k;
}

static bool same_condition(const struct store *s, const struct store *t)
{
	return s->before == t->before &&
	       (s->when == t->when || (s->when && t->when && ex_same(s->when, t->when)));
}

static void row_stores(struct emit *e, const struct kernel *k, bool before)
{
	e->turn = e->scope;
	for (int s = 0; s < k->nstore;) {
		const struct store *first = &k->store[s];
		if (first->before != before) {
			s++;
			continue;
		}
		if (first->when) {
			LLVMValueRef on = emit_truth(e, first->when);
			loop_open(e, "when", emit_int(e, 0), LLVMBuildZExt(e->b, on, e->i64, ""), 1);
		}
		for (; s < k->nstore && same_condition(first, &k->store[s]); s++)
			store_of(e, k, &k->store[s]);
		if (first->when)
			loop_close(e, NULL, NULL);
	}
	e->turn = NULL;
}

static void rows_of(struct emit *e, const struct kernel *k, LLVMValueRef lo, LLVMValueRef hi)
{
	loop_open(e, k->batch->name, lo, hi, 1);
	bind_idx(e, k->batch, e->scope->iv, -1);
}

int open_outer(struct emit *e, const struct kernel *k)
{
	for (int d = 0; d < k->nouter; d++) {
		loop_open(e, k->outer[d]->name, emit_int(e, 0), emit_int(e, k->outer[d]->size), 1);
		bind_idx(e, k->outer[d], e->scope->iv, k->outer[d]->size - 1);
	}
	return k->nouter;
}

void emit_steps(struct emit *e, const struct kernel *k)
{
	LLVMValueRef lo, hi, last;
	int64_t D = k->scan->size;
	emit_rows(e, call_pop(e, k->batch->pop), &lo, &hi);
	loop_open(e, "block", lo, hi, BLOCK);
	lo = e->scope->iv;
	last = LLVMBuildNSWAdd(e->b, lo, emit_int(e, BLOCK), "");
	hi = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){last, hi}, 2);
	int outer = open_outer(e, k);
	rows_of(e, k, lo, hi);
	row_stores(e, k, true);
	loop_close(e, NULL, NULL);
	loop_open(e, k->scan->name, emit_int(e, 0), emit_int(e, D), 1);
	LLVMValueRef d = e->scope->iv;
	if (k->down)
		d = LLVMBuildNSWSub(e->b, emit_int(e, D - 1), d, "");
	bind_idx(e, k->scan, d, D - 1);
	rows_of(e, k, lo, hi);
	row_stores(e, k, false);
	loop_close(e, NULL, NULL);
	loop_close(e, NULL, NULL);
	while (outer--)
		loop_close(e, NULL, NULL);
	rows_of(e, k, lo, hi);
	for (int s = 0; s < k->nstore; s++)
		if (e->slot[slot_of(e, k->store[s].dst)].repr == DGM_BITS)
			emit_bit_padding(e, &k->store[s]);
	loop_close(e, NULL, NULL);
	loop_close(e, NULL, NULL);
}
