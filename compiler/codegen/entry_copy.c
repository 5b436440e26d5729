/* The arrays of an entry point, checked and copied into its slots and back: some lanes at a time,
 * so many as vectors of the slots have; what is left of a row, in number known here, in one more
 * step. */
#include "codegen/entry.h"

#include <float.h>

/* ---- loops: 0, 1, ... n-1 ---- */
struct entry_loop entry_loop(struct emit *e, LLVMValueRef n)
{
	struct entry_loop l = {entry_block(e), entry_block(e), NULL, n};
	LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b);
	LLVMValueRef zero = emit_int(e, 0);
	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, n, zero, ""), l.head, l.exit);
	LLVMPositionBuilderAtEnd(e->b, l.head);
	l.iv = LLVMBuildPhi(e->b, e->i64, "");
	LLVMAddIncoming(l.iv, &zero, &before, 1);
	return l;
}

void entry_loop_end(struct emit *e, struct entry_loop *l)
{
	LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
	LLVMValueRef next = entry_add(e, l->iv, emit_int(e, 1));
	LLVMAddIncoming(l->iv, &next, &latch, 1);
	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, l->n, ""), l->head, l->exit);
	LLVMPositionBuilderAtEnd(e->b, l->exit);
}

/* ---- values: checks and copies, some lanes at a time ---- */
struct lanes { /* the elements row, u, u + 1, ... at the user's and in the slots */
	LLVMValueRef user, slot, known;
	int n;
};

static LLVMValueRef compare(struct emit *e, LLVMRealPredicate how, LLVMValueRef x, double y)
{
	return LLVMBuildFCmp(e->b, how, x, emit_like(e, x, y), "");
}

static LLVMValueRef allowed(struct emit *e, const struct entry_arg *a, LLVMValueRef x)
{
	double lo = a->lo > -FLT_MAX ? a->lo : -FLT_MAX, hi = a->whole          ? 1 << 24
	                                                      : a->hi < FLT_MAX ? a->hi
	                                                                        : FLT_MAX;
	if (a->two)
		return LLVMBuildOr(e->b, compare(e, LLVMRealOEQ, x, lo), compare(e, LLVMRealOEQ, x, hi),
		                   "");
	LLVMValueRef ok =
	    LLVMBuildAnd(e->b, compare(e, LLVMRealOGE, x, lo), compare(e, LLVMRealOLE, x, hi), "");
	if (!a->whole)
		return ok;
	LLVMValueRef safe = emit_select(e, ok, x, emit_like(e, x, 0));
	LLVMValueRef n = LLVMBuildFPToSI(e->b, safe, emit_vec(e->i32, emit_lanes(x)), "");
	LLVMValueRef whole = LLVMBuildSIToFP(e->b, n, LLVMTypeOf(x), "");
	return LLVMBuildAnd(e->b, ok, LLVMBuildFCmp(e->b, LLVMRealOEQ, whole, safe, ""), "");
}

/* bad |= not all lanes are right */
static void note(struct entry_copy *c, LLVMValueRef right)
{
	struct emit *e = c->e;
	int lanes = emit_lanes(right);
	LLVMTypeRef word = LLVMIntTypeInContext(e->llvm, (unsigned)(lanes ? lanes : 1));
	LLVMValueRef all = lanes ? LLVMBuildBitCast(e->b, right, word, "") : right;
	LLVMValueRef wrong = LLVMBuildICmp(e->b, LLVMIntNE, all, LLVMConstAllOnes(word), "");
	LLVMValueRef was = LLVMBuildLoad2(e->b, e->i8, c->bad, "");
	wrong = LLVMBuildZExt(e->b, wrong, e->i8, "");
	LLVMBuildStore(e->b, LLVMBuildOr(e->b, was, wrong, ""), c->bad);
}

static LLVMValueRef load_floats(struct emit *e, LLVMValueRef base, LLVMValueRef at, int lanes)
{
	LLVMValueRef p = LLVMBuildGEP2(e->b, e->f32, base, &at, 1, "");
	LLVMValueRef v = LLVMBuildLoad2(e->b, emit_vec(e->f32, lanes), p, "");
	LLVMSetAlignment(v, 4);
	return v;
}

static void store_floats(struct emit *e, LLVMValueRef base, LLVMValueRef at, LLVMValueRef v)
{
	LLVMValueRef p = LLVMBuildGEP2(e->b, e->f32, base, &at, 1, "");
	LLVMSetAlignment(LLVMBuildStore(e->b, v, p), 4);
}

/* Lanes of a mask as the first bits of a 16-bit word of the slot; a word's first lane is a multiple
 * of 16. */
static void store_bits(struct emit *e, LLVMValueRef base, LLVMValueRef unit, LLVMValueRef mask)
{
	LLVMTypeRef word = LLVMIntTypeInContext(e->llvm, (unsigned)emit_lanes(mask));
	LLVMValueRef w = LLVMBuildBitCast(e->b, mask, word, "");
	if (word != e->i16)
		w = LLVMBuildZExt(e->b, w, e->i16, "");
	LLVMValueRef at = LLVMBuildLShr(e->b, unit, emit_int(e, 3), "");
	LLVMSetAlignment(LLVMBuildStore(e->b, w, entry_at(e, base, at)), 2);
}

static LLVMValueRef load_bits(struct emit *e, LLVMValueRef base, LLVMValueRef unit, int lanes)
{
	LLVMTypeRef word = LLVMIntTypeInContext(e->llvm, (unsigned)lanes);
	LLVMValueRef at = LLVMBuildLShr(e->b, unit, emit_int(e, 3), "");
	LLVMValueRef w = LLVMBuildLoad2(e->b, e->i16, entry_at(e, base, at), "");
	LLVMSetAlignment(w, 2);
	if (word != e->i16)
		w = LLVMBuildTrunc(e->b, w, word, "");
	w = LLVMBuildBitCast(e->b, w, emit_vec(e->i1, lanes), "");
	return LLVMBuildUIToFP(e->b, w, emit_vec(e->f32, lanes), "");
}

static void copy_in(struct entry_copy *c, const struct lanes *at)
{
	struct emit *e = c->e;
	LLVMValueRef x = load_floats(e, c->user, at->user, at->n);
	LLVMValueRef right = allowed(e, c->arg, x);
	if (c->arg->way == ENTRY_KNOWN) {
		LLVMValueRef unknown = LLVMBuildFCmp(e->b, LLVMRealUNO, x, x, "");
		LLVMValueRef none = emit_like(e, x, c->arg->lo > -FLT_MAX ? c->arg->lo : 0);
		right = LLVMBuildOr(e->b, right, unknown, "");
		x = emit_select(e, unknown, none, x);
		if (c->has_known)
			store_floats(e, c->known, at->known,
			             emit_select(e, unknown, emit_like(e, x, 0), emit_like(e, x, 1)));
	}
	note(c, right);
	if (c->bits)
		store_bits(e, c->slot, at->slot, compare(e, LLVMRealOGT, x, 0.5));
	else
		store_floats(e, c->slot, at->slot, x);
}

static void check_out(struct entry_copy *c, const struct lanes *at)
{
	const struct entry_arg finite = {.lo = -FLT_MAX, .hi = FLT_MAX};
	note(c, allowed(c->e, &finite, load_floats(c->e, c->slot, at->slot, at->n)));
}

static void copy_out(struct entry_copy *c, const struct lanes *at)
{
	struct emit *e = c->e;
	LLVMValueRef x = (c->bits ? load_bits : load_floats)(e, c->slot, at->slot, at->n);
	store_floats(e, c->user, at->user, x);
}

typedef void copy_fn(struct entry_copy *c, const struct lanes *at);

static void copy_lanes(struct entry_copy *c, copy_fn *copy, LLVMValueRef row, LLVMValueRef u, int n)
{
	struct emit *e = c->e;
	struct lanes at = {entry_add(e, entry_mul(e, row, c->items), u),
	                   entry_add(e, entry_mul(e, row, c->stride), u),
	                   entry_add(e, entry_mul(e, row, c->known_stride), u), n};
	copy(c, &at);
}

static void copy_rows(struct entry_copy *c, copy_fn *copy, LLVMValueRef rows)
{
	struct emit *e = c->e;
	int64_t step = e->lanes, full = c->items / step;
	int lanes = step > 1 ? (int)step : 0; /* 0: one by one */
	struct entry_loop row = entry_loop(e, rows);
	if (full) {
		struct entry_loop l = entry_loop(e, emit_int(e, full));
		copy_lanes(c, copy, row.iv, entry_mul(e, l.iv, step), lanes);
		entry_loop_end(e, &l);
	}
	if (c->items % step)
		copy_lanes(c, copy, row.iv, emit_int(e, full * step), (int)(c->items % step));
	entry_loop_end(e, &row);
}

/* ---- functions: void f(user, slot, known, bad, rows), one for all arrays of a kind ---- */
static const char *function_name(const struct entry_copy *c, enum entry_pass pass)
{
	const struct entry_arg *a = c->arg;
	const char *kind = a->two ? "two" : a->whole ? "whole" : "real";
	if (pass != PASS_IN)
		return arena_printf(c->e->a, "%s.out.%s.%lld.%lld", pass == PASS_OUT ? "copy" : "check",
		                    c->bits ? "bits" : "real", (long long)c->items, (long long)c->stride);
	return arena_printf(c->e->a, "copy.in.%s.%g.%g.%s%s.%lld.%lld.%lld", kind, a->lo, a->hi,
	                    c->bits ? "bits" : "floats",
	                    a->way != ENTRY_KNOWN ? ""
	                    : c->has_known        ? ".known"
	                                          : ".unknown",
	                    (long long)c->items, (long long)c->stride, (long long)c->known_stride);
}

static LLVMTypeRef function_type(struct emit *e)
{
	LLVMTypeRef type[] = {e->ptr, e->ptr, e->ptr, e->ptr, e->i64};
	return LLVMFunctionType(e->none, type, 5, false);
}

static void emit_function(struct entry_copy *c, enum entry_pass pass, const char *name)
{
	static copy_fn *const copy[] = {
	    [PASS_IN] = copy_in, [PASS_FINITE] = check_out, [PASS_OUT] = copy_out};
	struct emit *e = c->e;
	LLVMValueRef was = e->fn;
	LLVMBasicBlockRef at = LLVMGetInsertBlock(e->b);
	e->fn = LLVMAddFunction(e->module, name, function_type(e));
	LLVMSetLinkage(e->fn, LLVMInternalLinkage);
	emit_attributes(e);
	LLVMPositionBuilderAtEnd(e->b, entry_block(e));
	c->user = LLVMGetParam(e->fn, 0);
	c->slot = LLVMGetParam(e->fn, 1);
	c->known = LLVMGetParam(e->fn, 2);
	c->bad = LLVMGetParam(e->fn, 3);
	copy_rows(c, copy[pass], LLVMGetParam(e->fn, 4));
	LLVMBuildRetVoid(e->b);
	e->fn = was;
	LLVMPositionBuilderAtEnd(e->b, at);
}

void entry_copy(struct entry_copy *c, enum entry_pass pass, LLVMValueRef rows)
{
	struct emit *e = c->e;
	if (pass == PASS_FINITE && c->bits)
		return;
	LLVMValueRef args[] = {c->user, c->slot, c->has_known ? c->known : LLVMConstNull(e->ptr),
	                       c->bad, rows};
	const char *name = function_name(c, pass);
	if (!LLVMGetNamedFunction(e->module, name))
		emit_function(c, pass, name);
	LLVMBuildCall2(e->b, function_type(e), LLVMGetNamedFunction(e->module, name), args, 5, "");
}

void entry_load(struct emit *e, LLVMValueRef from, LLVMValueRef to, int64_t n, LLVMValueRef bad)
{
	const struct entry_arg finite = {.lo = -FLT_MAX, .hi = FLT_MAX};
	struct entry_copy c = {
	    .e = e, .bad = bad, .user = from, .slot = to, .arg = &finite, .items = n};
	entry_copy(&c, PASS_IN, emit_int(e, 1));
}
