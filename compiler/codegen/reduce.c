/* Reductions: loops over the bound indices around an accumulator.
 *
 * A body that varies over the lanes of an enclosing loop is summed lane by lane in scalar loops.
 * Otherwise one of the bound indices runs over lanes itself (the one with most unit strides) and a
 * fixed tree folds the lanes at the end.  A guard that is b*i + c >= 0 (or +-i + c == 0) in the
 * index i of a loop, the others known, becomes a bound of that loop; other guards mask the
 * accumulation. Where c varies over lanes the loop has the bound of the lane that reaches farthest,
 * and the mask.
 *
 *     logsumexp x = m + log sum exp(x - m), m = max x (0 where that is infinite) */
#include "codegen/emit.h"

#include <math.h>

struct reduction {
	const struct node *x;
	enum reduce red;
	LLVMValueRef minus; /* accumulate exp(body - minus); NULL: the body */
	struct group group[MAX_BOUND];
	int ngroup, lane; /* the group over lanes, -1: none */
	int lanes;        /* of the accumulator, 0: scalar */
	uint32_t bounded; /* guards that are loop bounds */
};

static double identity(enum reduce r)
{
	switch (r) {
	case RED_SUM:
	case RED_LOGSUMEXP:
		return 0;
	case RED_PROD:
		return 1;
	case RED_MAX:
		return -INFINITY;
	case RED_MIN:
		return INFINITY;
	}
	BUG("codegen: reduction %d", (int)r);
}

static enum op combiner(enum reduce r)
{
	return r == RED_PROD ? OP_MUL : r == RED_MAX ? OP_MAX : r == RED_MIN ? OP_MIN : OP_ADD;
}

static LLVMValueRef int_max(struct emit *e, const char *name, LLVMValueRef a, LLVMValueRef b)
{
	return emit_intrinsic(e, name, &e->i64, 1, (LLVMValueRef[]){a, b}, 2);
}

/* Is every index of the guard but i known here?  *lanes: of one that runs over lanes, else 0. */
static bool guard_bounds(struct emit *e, const struct guard *g, const struct idx *i, int64_t *coef,
                         int *lanes)
{
	*coef = 0;
	*lanes = 0;
	for (int k = 0; k < g->e.n; k++) {
		const struct bind *b = bind_find(e, g->e.ix[k]);
		if (g->e.ix[k] == i)
			*coef = g->e.coef[k];
		else if (!b)
			return false;
		else if (b->lanes)
			*lanes = b->lanes;
	}
	if (g->equal)
		return !*lanes && (*coef == 1 || *coef == -1);
	return *coef != 0;
}

/* c / b rounded down, b > 0 */
static LLVMValueRef floor_div(struct emit *e, LLVMValueRef c, int64_t b)
{
	if (b == 1)
		return c;
	LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, c, emit_int(e, 0), "");
	LLVMValueRef low = LLVMBuildNSWSub(e->b, c, emit_int(e, b - 1), "");
	return LLVMBuildSDiv(e->b, LLVMBuildSelect(e->b, negative, low, c, ""), emit_int(e, b), "");
}

/* Narrows lo..hi of index i by the guards; true when they are no longer constants. */
static bool narrow(struct emit *e, struct reduction *r, const struct idx *i, LLVMValueRef *lo,
                   LLVMValueRef *hi)
{
	bool narrowed = false;
	for (int k = 0; k < r->x->nguard; k++) {
		const struct guard *g = &r->x->guard[k];
		int64_t coef, step;
		int lanes;
		const struct bind *lane;
		if (k >= 32 || r->bounded >> k & 1 || !guard_bounds(e, g, i, &coef, &lanes))
			continue;
		struct lin rest = lin_affine(g->e);
		lin_add(&rest, i, -coef);
		for (int t = 0; t < rest.n; t++) /* i itself is not bound yet */
			if (rest.t[t].ix == i)
				rest.t[t] = rest.t[--rest.n];
		LLVMValueRef c = lin_value(e, &rest, &lane, &step); /* coef*i + c >= 0 */
		if (step > 0)
			c = LLVMBuildNSWAdd(e->b, c, emit_int(e, step * (lanes - 1)), "");
		LLVMValueRef part = floor_div(e, c, coef < 0 ? -coef : coef);
		LLVMValueRef at = coef > 0 ? LLVMBuildNeg(e->b, part, "") : part;
		if (coef > 0 || g->equal)
			*lo = int_max(e, "llvm.smax", *lo, at);
		if (coef < 0 || g->equal)
			*hi = int_max(e, "llvm.smin", *hi, LLVMBuildNSWAdd(e->b, at, emit_int(e, 1), ""));
		r->bounded |= lanes ? 0 : 1u << k;
		narrowed = true;
	}
	return narrowed;
}

static LLVMValueRef combine(struct emit *e, struct reduction *r, LLVMValueRef acc)
{
	const struct node *body = r->x->kid[0];
	LLVMValueRef next;
	if (r->minus) {
		LLVMValueRef v = emit_value(e, body), m = r->minus;
		emit_pair(e, &v, &m);
		next = emit_op(e, OP_ADD, acc, emit_exp(e, LLVMBuildFSub(e->b, v, m, "")));
	} else if (r->red == RED_SUM) {
		next = emit_accumulate(e, acc, body);
	} else {
		next = emit_op(e, combiner(r->red), acc, emit_value(e, body));
	}
	LLVMValueRef mask = emit_guards(e, r->x->guard, r->x->nguard, r->bounded);
	if (r->lane >= 0)
		mask = emit_and(e, mask, tail_mask(e, bind_find(e, r->group[r->lane].lead)));
	return emit_select(e, mask, next, acc);
}

/* Loops over groups k.. (the one over lanes last) from acc; gives the accumulator behind them. */
static LLVMValueRef nest(struct emit *e, struct reduction *r, int k, LLVMValueRef acc)
{
	if (k == r->ngroup)
		return combine(e, r, acc);
	const struct group *g = &r->group[k];
	bool lane = k == r->lane;
	LLVMValueRef lo = emit_int(e, 0);
	LLVMValueRef hi = g->size < 0 ? call_pop(e, g->lead->pop) : emit_int(e, g->size);
	bool dynamic = narrow(e, r, g->lead, &lo, &hi) || g->size < 0;
	loop_open(e, g->lead->name, lo, hi, lane ? r->lanes : 1);
	LLVMValueRef in = loop_acc(e, acc), out;
	int64_t max = g->size < 0 ? -1 : g->size - 1;
	if (lane)
		bind_lanes(e, g->lead, r->lanes, dynamic || g->size % r->lanes, max);
	else
		bind_idx(e, g->lead, e->scope->iv, max);
	for (int o = 0; o < g->nother; o++)
		bind_idx(e, g->other[o], emit_int(e, 0), 0);
	in = nest(e, r, k + 1, in);
	loop_close(e, &in, &out);
	return out;
}

/* lanes -> 1 in a tree: lane k with lane k + n/2 */
static LLVMValueRef fold(struct emit *e, enum reduce red, LLVMValueRef v)
{
	for (int n = emit_lanes(v) / 2; n; n /= 2) {
		LLVMValueRef low[LANES_LONG], high[LANES_LONG];
		for (int k = 0; k < n; k++) {
			low[k] = LLVMConstInt(e->i32, (unsigned)k, 0);
			high[k] = LLVMConstInt(e->i32, (unsigned)(k + n), 0);
		}
		LLVMValueRef none = LLVMGetPoison(LLVMTypeOf(v));
		LLVMValueRef a =
		    LLVMBuildShuffleVector(e->b, v, none, LLVMConstVector(low, (unsigned)n), "");
		LLVMValueRef b =
		    LLVMBuildShuffleVector(e->b, v, none, LLVMConstVector(high, (unsigned)n), "");
		v = emit_op(e, combiner(red), a, b);
	}
	return LLVMBuildExtractElement(e->b, v, LLVMConstInt(e->i32, 0, 0), "");
}

static LLVMValueRef run(struct emit *e, struct reduction *r)
{
	r->bounded = 0;
	LLVMValueRef acc = nest(e, r, 0, emit_splat(e, emit_num(e, identity(r->red)), r->lanes));
	return r->lane >= 0 ? fold(e, r->red, acc) : acc;
}

/* The group over lanes goes last; lanes by its length. */
static void choose_lane(struct emit *e, struct reduction *r)
{
	int best = 0, best_score = -1000;
	for (int k = 0; k < r->ngroup; k++) {
		const struct group *g = &r->group[k];
		int score =
		    4 * lane_score(e, r->x->kid[0], g->lead) + (g->size < 0 || g->size >= e->lanes ? 2 : 0);
		if (score >= best_score) {
			best = k;
			best_score = score;
		}
	}
	struct group g = r->group[best];
	for (int k = best; k + 1 < r->ngroup; k++)
		r->group[k] = r->group[k + 1];
	r->lane = r->ngroup - 1;
	r->group[r->lane] = g;
	bool light = r->red != RED_LOGSUMEXP && !emit_heavy(r->x->kid[0]);
	r->lanes = light && g.size >= 8 * e->lanes ? 4 * e->lanes : e->lanes;
}

LLVMValueRef emit_reduce(struct emit *e, const struct node *x)
{
	struct reduction r = {.x = x, .red = x->red, .lane = -1};
	r.ngroup = group_axes(x->bound, x->nbound, (struct node *const[]){x->kid[0]}, 1, x->guard,
	                      x->nguard, r.group);
	r.lanes = lanes_of(e, x);
	if (!r.lanes && r.ngroup && e->lanes > 1)
		choose_lane(e, &r);
	if (r.red != RED_LOGSUMEXP)
		return run(e, &r);
	r.red = RED_MAX;
	LLVMValueRef m = run(e, &r), size = emit_unary(e, "llvm.fabs", m);
	LLVMValueRef finite = LLVMBuildFCmp(e->b, LLVMRealONE, size, emit_like(e, m, INFINITY), "");
	r.minus = LLVMBuildSelect(e->b, finite, m, emit_like(e, m, 0), "");
	r.red = RED_SUM;
	return emit_op(e, OP_ADD, r.minus, emit_log(e, run(e, &r)));
}
