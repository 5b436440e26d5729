/* The value of an expression in the lanes of the current step.
 *
 * Each node is placed in the outermost scope that binds its indices and emitted there once: a node
 * that ex_same finds again takes the remembered value.  Sums of products contract to fma; a factor
 * y^(-1) divides. */
#include "codegen/emit.h"

static LLVMValueRef memo_find(const struct scope *s, const struct node *x)
{
	for (int k = 0; k < s->memo.n; k++)
		if (s->memo.at[k].node == x ||
		    (s->memo.at[k].node->hash == x->hash && ex_same(s->memo.at[k].node, x)))
			return s->memo.at[k].value;
	return NULL;
}

void memo_stored(struct emit *e, const struct store *s, LLVMValueRef value)
{
	for (struct scope *t = e->scope; t; t = t->up) {
		int n = 0;
		for (int k = 0; k < t->memo.n; k++)
			if (!ex_mentions(t->memo.at[k].node, s->dst))
				t->memo.at[n++] = t->memo.at[k];
		t->memo.n = n;
	}
	const struct idx *batch = s->dst->batched ? e->kernel->batch : NULL;
	struct memo m = {ex_at(e->a, s->dst, batch, store_axes(e->kernel, s)), value};
	vec_push(e->a, &place_of(e, m.node)->memo, m);
}

/* An affine form in the lanes, as i32 (scalar: i64). */
static LLVMValueRef affine_value(struct emit *e, struct affine x)
{
	const struct bind *lane;
	int64_t step;
	struct lin l = lin_affine(x);
	LLVMValueRef v = lin_value(e, &l, &lane, &step);
	if (!lane)
		return v;
	LLVMValueRef i = emit_iota(e, lane->lanes);
	v = emit_splat(e, LLVMBuildTrunc(e->b, v, e->i32, ""), lane->lanes);
	return LLVMBuildAdd(e->b, v, LLVMBuildMul(e->b, i, emit_like(e, i, (double)step), ""), "");
}

LLVMValueRef emit_guards(struct emit *e, const struct guard *g, int n, uint32_t skip)
{
	LLVMValueRef all = NULL;
	for (int k = 0; k < n; k++) {
		if (k < 32 && skip >> k & 1)
			continue;
		LLVMValueRef v = affine_value(e, g[k].e);
		LLVMIntPredicate holds = g[k].equal ? LLVMIntEQ : LLVMIntSGE;
		all =
		    emit_and(e, all, LLVMBuildICmp(e->b, holds, v, LLVMConstNull(LLVMTypeOf(v)), "guard"));
	}
	return all;
}

static LLVMValueRef times(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return a ? emit_op(e, OP_MUL, a, b) : b;
}

static bool is_reciprocal(const struct node *x)
{
	return x->kind == N_OP && x->op == OP_POW && ex_is_num(x->kid[1], -1);
}

/* A product as num/den with its sign apart; den NULL: none. */
struct product {
	bool negative;
	LLVMValueRef num, last, den; /* num * last / den; num NULL: 1 */
};

static struct product product_of(struct emit *e, const struct node *x)
{
	struct product p = {0};
	int depth = place_of(e, x)->depth;
	for (int k = 0; k < x->nkid; k++) {
		const struct node *f = x->kid[k];
		if (ex_is_num(f, -1)) {
			p.negative = !p.negative;
		} else if (is_reciprocal(f) && place_of(e, f)->depth == depth) {
			p.den = times(e, p.den, emit_value(e, f->kid[0]));
		} else {
			if (p.last)
				p.num = times(e, p.num, p.last);
			p.last = emit_value(e, f);
		}
	}
	if (!p.last)
		p.last = emit_num(e, 1);
	return p;
}

static LLVMValueRef product_value(struct emit *e, const struct node *x)
{
	struct product p = product_of(e, x);
	LLVMValueRef v = times(e, p.num, p.last);
	if (p.negative)
		v = LLVMBuildFNeg(e->b, v, "");
	if (!p.den)
		return v;
	emit_pair(e, &v, &p.den);
	return LLVMBuildFDiv(e->b, v, p.den, "");
}

LLVMValueRef emit_accumulate(struct emit *e, LLVMValueRef acc, const struct node *x)
{
	struct scope *at = place_of(e, x);
	if (x->kind == N_OP && x->op == OP_MUL && at == e->scope && !memo_find(at, x)) {
		struct product p = product_of(e, x);
		if (!p.den && p.num)
			return emit_fma(e, p.negative ? LLVMBuildFNeg(e->b, p.num, "") : p.num, p.last, acc);
		LLVMValueRef v = times(e, p.num, p.last);
		emit_pair(e, &acc, &v);
		if (p.den) {
			emit_pair(e, &v, &p.den);
			v = LLVMBuildFDiv(e->b, v, p.den, "");
			emit_pair(e, &acc, &v);
		}
		return p.negative ? LLVMBuildFSub(e->b, acc, v, "") : LLVMBuildFAdd(e->b, acc, v, "");
	}
	return emit_op(e, OP_ADD, acc, emit_value(e, x));
}

bool emit_heavy(const struct node *x)
{
	bool heavy = x->kind == N_REDUCE && x->red == RED_LOGSUMEXP;
	if (x->kind == N_OP)
		heavy = x->op != OP_ADD && x->op != OP_MUL && x->op != OP_LT && x->op != OP_MAX &&
		        x->op != OP_MIN && x->op != OP_ABS && x->op != OP_SQRT &&
		        (x->op != OP_POW || x->kid[1]->kind != N_CONST);
	for (int k = 0; k < x->nkid && !heavy; k++)
		heavy = emit_heavy(x->kid[k]);
	return heavy;
}

static LLVMValueRef sum_value(struct emit *e, const struct node *x)
{
	LLVMValueRef sum = NULL;
	for (int pass = 0; pass < 2; pass++) /* terms that are no products first */
		for (int k = 0; k < x->nkid; k++) {
			const struct node *t = x->kid[k];
			bool product = t->kind == N_OP && t->op == OP_MUL;
			if (product == (pass == 1))
				sum = sum ? emit_accumulate(e, sum, t) : emit_value(e, t);
		}
	return sum;
}

static LLVMValueRef below(struct emit *e, const struct node *x)
{
	const struct node *u = x->kid[0], *p = x->kid[1];
	bool draw = u->kind == N_OP && u->op == OP_UNIFORM;
	if (draw && p->kind == N_OP && p->op == OP_SIGMOID) {
		bool wanted = memo_find(place_of(e, p), p) != NULL; /* is the probability itself in use? */
		for (int k = 0; k < e->kernel->nstore; k++)
			wanted |= ex_same(e->kernel->store[k].rhs, p);
		if (!wanted)
			return emit_below_sigmoid(e, emit_value(e, u), emit_value(e, p->kid[0]));
	}
	return emit_less(e, emit_value(e, u), emit_value(e, p));
}

LLVMValueRef emit_truth(struct emit *e, const struct node *x)
{
	if (x->kind == N_OP && x->op == OP_LT)
		return below(e, x);
	if (x->kind == N_MASK) {
		LLVMValueRef g = emit_guards(e, x->guard, x->nguard, 0);
		return emit_and(e, g, emit_truth(e, x->kid[0]));
	}
	LLVMValueRef v = emit_value(e, x);
	return LLVMBuildFCmp(e->b, LLVMRealUNE, v, emit_like(e, v, 0), "");
}

static LLVMValueRef op_value(struct emit *e, const struct node *x)
{
	if (op_flags(x->op) & OPF_DRAW)
		return draw_value(e, x);
	if (x->op == OP_ADD)
		return sum_value(e, x);
	if (x->op == OP_MUL)
		return product_value(e, x);
	if (x->op == OP_LT) {
		LLVMValueRef m = below(e, x);
		return LLVMBuildUIToFP(e->b, m, emit_vec(e->f32, emit_lanes(m)), "");
	}
	LLVMValueRef a = emit_value(e, x->kid[0]);
	return emit_op3(e, x->op, a, x->nkid > 1 ? emit_value(e, x->kid[1]) : NULL,
	                x->nkid > 2 ? emit_value(e, x->kid[2]) : NULL);
}

/* In 32 bits where they hold it: not all machines turn wider numbers to floats by themselves. */
static LLVMValueRef index_value(struct emit *e, const struct node *x)
{
	LLVMValueRef v = affine_value(e, x->index);
	struct lin l = lin_affine(x->index);
	int lanes = emit_lanes(v);
	int64_t lo, hi;
	if (lin_range(e, &l, &lo, &hi) && lo >= INT32_MIN && hi <= INT32_MAX)
		v = LLVMBuildTrunc(e->b, v, emit_vec(e->i32, lanes), "");
	return LLVMBuildSIToFP(e->b, v, emit_vec(e->f32, lanes), "");
}

static LLVMValueRef fresh_value(struct emit *e, const struct node *x)
{
	LLVMValueRef v;
	switch (x->kind) {
	case N_CONST:
		break;
	case N_INDEX:
		return index_value(e, x);
	case N_ACCESS:
		return emit_load(e, x);
	case N_OP:
		return op_value(e, x);
	case N_REDUCE:
		return emit_reduce(e, x);
	case N_MASK:
		v = emit_value(e, x->kid[0]);
		return emit_select(e, emit_guards(e, x->guard, x->nguard, 0), v, emit_num(e, 0));
	}
	BUG("codegen: a node of kind %d has no value", (int)x->kind);
}

LLVMValueRef emit_value(struct emit *e, const struct node *x)
{
	if (x->kind == N_CONST)
		return emit_num(e, x->num);
	struct scope *at = place_of(e, x);
	LLVMValueRef v = memo_find(at, x);
	if (!v) {
		struct scope *was = scope_goto(e, at);
		v = fresh_value(e, x);
		struct memo m = {x, v};
		vec_push(e->a, &at->memo, m);
		scope_goto(e, was);
	}
	return v;
}
