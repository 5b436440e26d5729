/* LOOP kernels: rows, then outer axes, then the innermost axes as one run over lanes.
 *
 * Rows lo..hi of a chunk are rows*chunk/nchunk .. rows*(chunk+1)/nchunk: items of the population,
 * or elements of the first axis of an unbatched dst.  A kernel without axes whose stores need no
 * sums runs over lanes of its rows; one with sums has them over lanes inside (reduce.c). */
#include "codegen/emit.h"

void emit_rows(struct emit *e, LLVMValueRef rows, LLVMValueRef *lo, LLVMValueRef *hi)
{
	*lo = emit_int(e, 0);
	*hi = rows;
	if (e->whole)
		return;
	LLVMValueRef next = LLVMBuildNSWAdd(e->b, e->chunk, emit_int(e, 1), "");
	*lo = LLVMBuildUDiv(e->b, LLVMBuildNSWMul(e->b, rows, e->chunk, ""), e->nchunk, "row.lo");
	*hi = LLVMBuildUDiv(e->b, LLVMBuildNSWMul(e->b, rows, next, ""), e->nchunk, "row.hi");
}

struct nest {
	struct group group[MAX_RANK];
	int ngroup;
	const struct idx *one[MAX_RANK]; /* axes of size 1 */
	int none;
	int open;  /* loops */
	int lanes; /* of the innermost group; 1: its elements one by one; 0: no axis */
	int64_t items;
	bool fill_item;      /* draws fill a whole item at once */
	LLVMValueRef lo, hi; /* rows of the chunk */
};

bool has_reduce(const struct node *x)
{
	bool any = x->kind == N_REDUCE;
	for (int k = 0; k < x->nkid && !any; k++)
		any = has_reduce(x->kid[k]);
	return any;
}

static bool any_heavy(const struct kernel *k)
{
	bool any = false;
	for (int s = 0; s < k->nstore; s++)
		any |= emit_heavy(k->store[s].rhs);
	return any;
}

static bool any_reduce(const struct kernel *k)
{
	bool any = false;
	for (int s = 0; s < k->nstore; s++)
		any |= has_reduce(k->store[s].rhs);
	return any;
}

static bool any_bits(struct emit *e, const struct kernel *k)
{
	bool any = false;
	for (int s = 0; s < k->nstore; s++)
		any |= e->slot[slot_of(e, k->store[s].dst)].repr == DGM_BITS;
	return any;
}

/* Do all stores have sums that read, in lanes over i, other than consecutive elements? */
static bool strided_sums(struct emit *e, const struct kernel *k, const struct idx *i)
{
	for (int s = 0; s < k->nstore; s++)
		if (!has_reduce(k->store[s].rhs) || lane_score(e, k->store[s].rhs, i) >= 0)
			return false;
	return true;
}

static void plan_nest(struct emit *e, const struct kernel *k, struct nest *n)
{
	const struct idx *axis[MAX_RANK];
	struct node **rhs = NEW_ARRAY(e->a, struct node *, k->nstore);
	int naxis = 0;
	n->items = 1;
	for (int d = 0; d < k->rank; d++) {
		n->items *= k->at[d]->size;
		if (k->at[d]->size == 1 && (k->batch || d))
			n->one[n->none++] = k->at[d];
		else
			axis[naxis++] = k->at[d];
	}
	for (int s = 0; s < k->nstore; s++) {
		rhs[s] = k->store[s].rhs;
		if (k->store[s].dst->rank != k->rank)
			BUG("codegen: %s has not the kernel's axes", k->store[s].dst->name);
	}
	n->ngroup = group_axes(axis, naxis, rhs, k->nstore, NULL, 0, n->group);
	n->lanes = n->ngroup ? e->lanes : 0;
	if (n->ngroup && e->lanes > 1 && any_reduce(k) && !any_bits(e, k) && !any_heavy(k) &&
	    n->group[n->ngroup - 1].size >= 4 * e->lanes)
		n->lanes = 4 * e->lanes;
	if (n->ngroup && !any_bits(e, k) && strided_sums(e, k, n->group[n->ngroup - 1].lead))
		n->lanes = 1;
	n->fill_item = n->items <= (k->batch ? SCRATCH : LANES_LONG);
}

void bind_group(struct emit *e, const struct group *g, int lanes, bool tail)
{
	if (lanes)
		bind_lanes(e, g->lead, lanes, tail, g->size - 1);
	else
		bind_idx(e, g->lead, e->scope->iv, g->size - 1);
	for (int o = 0; o < g->nother; o++)
		bind_idx(e, g->other[o], emit_int(e, 0), 0);
}

/* The unit of the first lane, without the index of the innermost group. */
static LLVMValueRef unit_of(struct emit *e, const struct kernel *k, const struct idx *without)
{
	struct lin in = lin_at(k->store[0].dst, k->at);
	const struct bind *lane;
	int64_t step;
	for (int t = 0; without && t < in.n; t++)
		if (in.t[t].ix == without)
			in.t[t] = in.t[--in.n];
	for (int t = 0; t < in.n;)
		if (!bind_find(e, in.t[t].ix))
			in.t[t] = in.t[--in.n];
		else
			t++;
	return lin_value(e, &in, &lane, &step);
}

void emit_assign(struct emit *e, const struct store *s)
{
	const struct kernel *k = e->kernel;
	bool bits = e->slot[slot_of(e, s->dst)].repr == DGM_BITS;
	LLVMValueRef v = NULL, mask = NULL;
	if (bits) {
		mask = emit_truth(e, s->rhs);
	} else if (s->accumulate) {
		const struct idx *batch = s->dst->batched ? k->batch : NULL;
		v = emit_accumulate(e, emit_value(e, ex_at(e->a, s->dst, batch, store_axes(k, s))), s->rhs);
	} else {
		v = emit_value(e, s->rhs);
	}
	memo_stored(e, s, emit_store(e, s, v, mask));
}

static void stores(struct emit *e, const struct kernel *k)
{
	for (int s = 0; s < k->nstore; s++)
		emit_assign(e, &k->store[s]);
}

static LLVMValueRef group_end(struct emit *e, const struct group *g)
{
	return g->size < 0 ? call_pop(e, g->lead->pop) : emit_int(e, g->size);
}

static void innermost(struct emit *e, const struct kernel *k, struct nest *n, LLVMValueRef chain)
{
	if (!n->ngroup) {
		e->draw_scope = e->scope;
		e->draw_lanes = 0;
		e->draw_unit = emit_int(e, 0);
		stores(e, k);
		return;
	}
	const struct group *g = &n->group[n->ngroup - 1];
	bool whole = k->batch || n->ngroup > 1; /* else a chunk has a part of the run */
	LLVMValueRef lo = emit_int(e, 0), hi = group_end(e, g), before = NULL, first = NULL;
	if (!whole) {
		LLVMValueRef inner = emit_int(e, g->size / g->first->size);
		lo = LLVMBuildNSWMul(e->b, n->lo, inner, "");
		hi = LLVMBuildNSWMul(e->b, n->hi, inner, "");
	}
	bool pieces = e->draw.n && !n->fill_item;
	if (pieces) { /* the run in pieces that fit the scratch buffers */
		LLVMValueRef end = hi;
		before = unit_of(e, k, g->lead);
		loop_open(e, "piece", lo, hi, SCRATCH - 64);
		lo = e->scope->iv;
		hi = LLVMBuildNSWAdd(e->b, lo, emit_int(e, SCRATCH - 64), "");
		hi = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){hi, end}, 2);
		first = LLVMBuildAnd(e->b, LLVMBuildNSWAdd(e->b, before, lo, ""), emit_int(e, -64), "");
		LLVMValueRef stop = LLVMBuildNSWAdd(e->b, before, hi, "");
		draws_fill(e, chain, first, LLVMBuildNSWSub(e->b, stop, first, ""));
	}
	loop_open(e, g->lead->name, lo, hi, n->lanes);
	int lanes = n->lanes > 1 ? n->lanes : 0;
	bind_group(e, g, lanes, !whole || pieces || g->size < 0 || g->size % n->lanes);
	if (e->draw.n) {
		const struct bind *lane;
		int64_t step;
		struct lin in = lin_at(k->store[0].dst, k->at);
		LLVMValueRef unit = lin_value(e, &in, &lane, &step);
		e->draw_unit = first ? LLVMBuildNSWSub(e->b, unit, first, "") : unit;
		e->draw_lanes = lanes;
		e->draw_scope = e->scope;
	}
	stores(e, k);
	loop_close(e, NULL, NULL);
	if (pieces)
		loop_close(e, NULL, NULL);
}

void emit_loop(struct emit *e, const struct kernel *k)
{
	struct nest n = {0};
	if (k->sequential) {
		emit_turn(e, k);
		return;
	}
	plan_nest(e, k, &n);
	LLVMValueRef rows =
	    k->batch ? call_pop(e, k->batch->pop) : emit_int(e, k->rank ? k->at[0]->size : 1);
	LLVMValueRef chain = emit_int(e, 0);
	emit_rows(e, rows, &n.lo, &n.hi);
	bool lanes_of_rows =
	    e->lanes > 1 && k->batch && !k->rank && !e->draw.n && !any_reduce(k) && !any_bits(e, k);
	if (lanes_of_rows) {
		loop_open(e, k->batch->name, n.lo, n.hi, e->lanes);
		bind_lanes(e, k->batch, e->lanes, true, -1);
	} else if (k->batch) {
		loop_open(e, k->batch->name, n.lo, n.hi, 1);
		bind_idx(e, k->batch, e->scope->iv, -1);
		LLVMValueRef row0 = call_field(
		    e, e->i64, offsetof(struct dgm_call, row0) + 8 * (size_t)k->batch->pop, "row0");
		chain = LLVMBuildNSWAdd(e->b, e->scope->iv, row0, "");
	} else if (!k->rank) {
		loop_open(e, "once", n.lo, n.hi, 1);
	}
	bool outer = k->batch || !k->rank;
	for (int d = 0; d < n.none; d++)
		bind_idx(e, n.one[d], emit_int(e, 0), 0);
	if (e->draw.n && n.fill_item)
		draws_fill(e, chain, NULL, emit_int(e, n.items));
	for (int g = 0; g + 1 < n.ngroup; g++) {
		LLVMValueRef lo = emit_int(e, 0), hi = group_end(e, &n.group[g]);
		if (!g && !k->batch) {
			LLVMValueRef inner = emit_int(e, n.group[g].size / n.group[g].first->size);
			lo = LLVMBuildNSWMul(e->b, n.lo, inner, "");
			hi = LLVMBuildNSWMul(e->b, n.hi, inner, "");
		}
		loop_open(e, n.group[g].lead->name, lo, hi, 1);
		bind_group(e, &n.group[g], 0, false);
	}
	innermost(e, k, &n, chain);
	for (int g = 0; g + 1 < n.ngroup; g++)
		loop_close(e, NULL, NULL);
	for (int s = 0; s < k->nstore && k->batch && !lanes_of_rows; s++)
		if (e->slot[slot_of(e, k->store[s].dst)].repr == DGM_BITS)
			emit_bit_padding(e, &k->store[s]);
	if (outer)
		loop_close(e, NULL, NULL);
}
