/* LOOP kernels in turn: rows, then the steps of a row, and in each step the stores one after the
 * other over the step's axes.
 *
 * A step of one element is emitted as a kernel without axes is: sums run over lanes inside.  Of a
 * step with axes the last runs over lanes, but where sums inside read with unit stride along their
 * own indices only.  What the kernel writes is read within the step (struct emit, turn), never
 * before its loop.
 *
 * Draws: a row's numbers are filled at once, or, in a long row, PIECE units when the first of them
 * is asked for, and so many behind them as a step has. */
#include "codegen/emit.h"

enum { PIECE = SCRATCH / 2 };

/* The first unit of the scratch buffers; NULL: 0. */
static LLVMValueRef refill(struct emit *e, const struct kernel *k, LLVMValueRef chain, int64_t step,
                           int64_t items)
{
	if (!e->draw.n || items <= SCRATCH)
		return NULL;
	if (step > PIECE)
		BUG("codegen: a step of %lld elements draws", (long long)step);
	struct lin in = lin_at(k->store[k->nstore - 1].dst, k->at);
	const struct bind *lane;
	int64_t unused;
	for (int t = 0; t < in.n;)
		if (!bind_find(e, in.t[t].ix))
			in.t[t] = in.t[--in.n];
		else
			t++;
	LLVMValueRef unit = lin_value(e, &in, &lane, &unused);
	LLVMValueRef first = LLVMBuildAnd(e->b, unit, emit_int(e, -PIECE), "");
	LLVMValueRef within = LLVMBuildNSWSub(e->b, unit, first, "");
	LLVMValueRef later = LLVMBuildICmp(e->b, LLVMIntSGE, within, emit_int(e, step), "");
	LLVMValueRef n = LLVMBuildNSWSub(e->b, emit_int(e, items), first, "");
	n = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){n, emit_int(e, PIECE + step)},
	                   2);
	loop_open(e, "refill", LLVMBuildZExt(e->b, later, e->i64, ""), emit_int(e, 1), 1);
	draws_fill(e, chain, first, n);
	loop_close(e, NULL, NULL);
	return first;
}

static void place_draws(struct emit *e, const struct kernel *k, LLVMValueRef first, int lanes)
{
	const struct bind *lane;
	int64_t step;
	struct lin in = lin_at(k->store[k->nstore - 1].dst, k->at);
	LLVMValueRef unit = lin_value(e, &in, &lane, &step);
	e->draw_unit = first ? LLVMBuildNSWSub(e->b, unit, first, "") : unit;
	e->draw_lanes = lanes;
	e->draw_scope = e->scope;
}

int open_axes(struct emit *e, const struct idx *const *at, int n, struct node *rhs, int *lanes)
{
	const struct idx *axis[MAX_RANK];
	struct group group[MAX_RANK];
	int naxis = 0;
	for (int d = 0; d < n; d++)
		if (at[d]->size > 1)
			axis[naxis++] = at[d];
	n = group_axes(axis, naxis, (struct node *const[]){rhs}, 1, NULL, 0, group);
	*lanes = 0;
	if (n && (!has_reduce(rhs) || lane_score(e, rhs, group[n - 1].lead) >= 0))
		*lanes = e->lanes > 1 ? e->lanes : 0;
	for (int g = 0; g < n; g++) {
		int here = g + 1 == n ? *lanes : 0;
		loop_open(e, group[g].lead->name, emit_int(e, 0), emit_int(e, group[g].size),
		          here ? here : 1);
		bind_group(e, &group[g], here, here && group[g].size % here);
	}
	return n;
}

static void step_store(struct emit *e, const struct kernel *k, const struct store *s,
                       LLVMValueRef first)
{
	int outer = k->rank - k->inner, lanes;
	int n = open_axes(e, s->at + outer, s->dst->rank - outer, s->rhs, &lanes);
	if (e->draw.n && ex_has_draw(s->rhs))
		place_draws(e, k, first, lanes);
	emit_assign(e, s);
	while (n--)
		loop_close(e, NULL, NULL);
}

void emit_turn(struct emit *e, const struct kernel *k)
{
	int64_t items = 1, step = 1;
	int outer = k->rank - k->inner, open = 1;
	LLVMValueRef lo, hi;
	for (int d = 0; d < k->rank; d++) {
		items *= k->at[d]->size;
		step *= d < outer ? 1 : k->at[d]->size;
	}
	emit_rows(e, call_pop(e, k->batch->pop), &lo, &hi);
	loop_open(e, k->batch->name, lo, hi, 1);
	bind_idx(e, k->batch, e->scope->iv, -1);
	LLVMValueRef row0 =
	    call_field(e, e->i64, offsetof(struct dgm_call, row0) + 8 * (size_t)k->batch->pop, "row0");
	LLVMValueRef chain = LLVMBuildNSWAdd(e->b, e->scope->iv, row0, "");
	if (e->draw.n && items <= SCRATCH)
		draws_fill(e, chain, NULL, emit_int(e, items));
	for (int d = 0; d < k->rank; d++) {
		if (k->at[d]->size == 1) {
			bind_idx(e, k->at[d], emit_int(e, 0), 0);
		} else if (d < outer) {
			loop_open(e, k->at[d]->name, emit_int(e, 0), emit_int(e, k->at[d]->size), 1);
			bind_idx(e, k->at[d], e->scope->iv, k->at[d]->size - 1);
			open++;
		}
	}
	e->turn = e->scope;
	LLVMValueRef first = refill(e, k, chain, step, items);
	for (int s = 0; s < k->nstore; s++)
		step_store(e, k, &k->store[s], first);
	e->turn = NULL;
	while (--open)
		loop_close(e, NULL, NULL);
	for (int s = 0; s < k->nstore; s++)
		if (e->slot[slot_of(e, k->store[s].dst)].repr == DGM_BITS)
			emit_bit_padding(e, &k->store[s]);
	loop_close(e, NULL, NULL);
}
