/* What a freestanding object has in place of the runtime and of libm: the random numbers of
 * runtime/rng.c, with the same counters, and floor, ceil and, for machines without it, the fused
 * multiply-add, exact as there.
 *
 * fma(a, b, c): a*b is exact in double; with s = a*b + c rounded to double and r what that left
 * out, s is made odd where r is not 0, after which rounding s to float is right (Boldo & Melquiond
 * 2008). */
#include "codegen/entry.h"

#include <string.h>

/* ---- functions of the object itself ---- */
struct inner { /* a function that is emitted while another one is */
	LLVMValueRef fn, of;
	LLVMBasicBlockRef was;
	bool made;
};

static struct inner inner_open(struct emit *e, const char *name, LLVMTypeRef result,
                               LLVMTypeRef *type, int n)
{
	struct inner f = {LLVMGetNamedFunction(e->module, name), e->fn, LLVMGetInsertBlock(e->b),
	                  false};
	if (f.fn)
		return f;
	entry_begin(e, name, result, type, n);
	LLVMSetLinkage(e->fn, LLVMInternalLinkage);
	f.fn = e->fn;
	f.made = true;
	return f;
}

static void inner_close(struct emit *e, const struct inner *f)
{
	e->fn = f->of;
	LLVMPositionBuilderAtEnd(e->b, f->was);
}

/* ---- arithmetic ---- */
static LLVMValueRef odd(struct emit *e, LLVMValueRef s, LLVMValueRef rest)
{
	int lanes = emit_lanes(s);
	LLVMTypeRef bits = emit_vec(e->i64, lanes);
	LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(s)), word = LLVMBuildBitCast(e->b, s, bits, "");
	LLVMValueRef one = emit_splat(e, emit_int(e, 1), lanes),
	             minus = emit_splat(e, emit_int(e, -1), lanes);
	LLVMValueRef even =
	    LLVMBuildICmp(e->b, LLVMIntEQ, LLVMBuildAnd(e->b, word, one, ""), LLVMConstNull(bits), "");
	LLVMValueRef inexact = LLVMBuildFCmp(e->b, LLVMRealONE, rest, zero, "");
	LLVMValueRef same = LLVMBuildXor(e->b, LLVMBuildBitCast(e->b, rest, bits, ""), word, "");
	LLVMValueRef away = LLVMBuildICmp(e->b, LLVMIntSGE, same, LLVMConstNull(bits), "");
	LLVMValueRef next = LLVMBuildAdd(e->b, word, LLVMBuildSelect(e->b, away, one, minus, ""), "");
	LLVMValueRef move = LLVMBuildAnd(e->b, even, inexact, "");
	return LLVMBuildBitCast(e->b, LLVMBuildSelect(e->b, move, next, word, ""), LLVMTypeOf(s), "");
}

static void fma_body(struct emit *e, LLVMTypeRef type)
{
	LLVMTypeRef wide =
	    emit_vec(LLVMDoubleTypeInContext(e->llvm),
	             LLVMGetTypeKind(type) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(type) : 0);
	LLVMValueRef x[3];
	for (unsigned k = 0; k < 3; k++)
		x[k] = LLVMBuildFPExt(e->b, LLVMGetParam(e->fn, k), wide, "");
	LLVMValueRef p = LLVMBuildFMul(e->b, x[0], x[1], ""), s = LLVMBuildFAdd(e->b, p, x[2], "");
	LLVMValueRef c = LLVMBuildFSub(e->b, s, p, ""), back = LLVMBuildFSub(e->b, s, c, "");
	LLVMValueRef rest =
	    LLVMBuildFAdd(e->b, LLVMBuildFSub(e->b, p, back, ""), LLVMBuildFSub(e->b, x[2], c, ""), "");
	LLVMBuildRet(e->b, LLVMBuildFPTrunc(e->b, odd(e, s, rest), type, ""));
}

LLVMValueRef bare_fma(struct emit *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
	LLVMTypeRef t = LLVMTypeOf(a), type[] = {t, t, t};
	struct inner f = inner_open(e, arena_printf(e->a, "dgm.fma.%d", emit_lanes(a)), t, type, 3);
	if (f.made) {
		fma_body(e, t);
		inner_close(e, &f);
	}
	LLVMValueRef args[] = {a, b, c};
	return LLVMBuildCall2(e->b, LLVMFunctionType(t, type, 3, false), f.fn, args, 3, "");
}

/* The whole number next to x, below it or (up) above; from 2^23 on every number is one. */
LLVMValueRef bare_whole(struct emit *e, LLVMValueRef x, bool up)
{
	LLVMValueRef size = emit_unary(e, "llvm.fabs", x), large = emit_like(e, x, 8388608);
	LLVMValueRef small = LLVMBuildFCmp(e->b, LLVMRealOLT, size, large, "");
	LLVMValueRef safe = LLVMBuildSelect(e->b, small, x, emit_like(e, x, 0), "");
	LLVMValueRef n = LLVMBuildFPToSI(e->b, safe, emit_vec(e->i32, emit_lanes(x)), "");
	LLVMValueRef t = LLVMBuildSIToFP(e->b, n, LLVMTypeOf(x), "");
	LLVMValueRef past = LLVMBuildFCmp(e->b, up ? LLVMRealOLT : LLVMRealOGT, t, safe, "");
	LLVMValueRef next = LLVMBuildFAdd(e->b, t, emit_like(e, x, up ? 1 : -1), "");
	LLVMTypeRef type = LLVMTypeOf(x);
	t = LLVMBuildSelect(e->b, past, next, t, "");
	t = emit_intrinsic(e, "llvm.copysign", &type, 1, (LLVMValueRef[]){t, x}, 2); /* -0 */
	return LLVMBuildSelect(e->b, small, t, x, "");
}

/* ---- random numbers ---- */
static LLVMValueRef word(struct emit *e, uint64_t x)
{
	return LLVMConstInt(e->i32, x, false);
}

static LLVMValueRef low(struct emit *e, LLVMValueRef x)
{
	return LLVMBuildTrunc(e->b, x, e->i32, "");
}

static LLVMValueRef high(struct emit *e, LLVMValueRef x)
{
	return low(e, LLVMBuildLShr(e->b, x, emit_int(e, 32), ""));
}

static LLVMValueRef times(struct emit *e, LLVMValueRef x, uint64_t by)
{
	return LLVMBuildMul(e->b, LLVMBuildZExt(e->b, x, e->i64, ""), emit_int(e, (int64_t)by), "");
}

/* Philox4x32-10: c := the four words of the counter c. */
static void philox(struct emit *e, LLVMValueRef seed, LLVMValueRef c[4])
{
	LLVMValueRef k0 = low(e, seed), k1 = high(e, seed);
	for (int round = 0; round < 10; round++) {
		LLVMValueRef p0 = times(e, c[0], 0xD2511F53), p1 = times(e, c[2], 0xCD9E8D57);
		c[0] = LLVMBuildXor(e->b, LLVMBuildXor(e->b, high(e, p1), c[1], ""), k0, "");
		c[2] = LLVMBuildXor(e->b, LLVMBuildXor(e->b, high(e, p0), c[3], ""), k1, "");
		c[1] = low(e, p1);
		c[3] = low(e, p0);
		k0 = LLVMBuildAdd(e->b, k0, word(e, 0x9E3779B9), "");
		k1 = LLVMBuildAdd(e->b, k1, word(e, 0xBB67AE85), "");
	}
}

static LLVMValueRef uniform_of(struct emit *e, LLVMValueRef w, int shift, double scale)
{
	w = LLVMBuildLShr(e->b, w, word(e, (uint64_t)shift), "");
	LLVMValueRef x =
	    LLVMBuildFAdd(e->b, LLVMBuildUIToFP(e->b, w, e->f32, ""), emit_num(e, 0.5), "");
	return LLVMBuildFMul(e->b, x, emit_num(e, scale), "");
}

static LLVMValueRef polynomial(struct emit *e, LLVMValueRef z, double a, double b, double c)
{
	LLVMValueRef v =
	    LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, z, emit_num(e, a), ""), emit_num(e, b), "");
	return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, v, z, ""), emit_num(e, c), "");
}

static LLVMValueRef signed_by(struct emit *e, LLVMValueRef x, LLVMValueRef sign)
{
	LLVMValueRef bits = LLVMBuildXor(e->b, LLVMBuildBitCast(e->b, x, e->i32, ""), sign, "");
	return LLVMBuildBitCast(e->b, bits, e->f32, "");
}

/* cos and sin of 2 pi y/2^32, as runtime/rng_body.h has them. */
static void turn(struct emit *e, LLVMValueRef y, LLVMValueRef *cosine, LLVMValueRef *sine)
{
	LLVMValueRef q =
	    LLVMBuildLShr(e->b, LLVMBuildAdd(e->b, y, word(e, 0x20000000), ""), word(e, 30), "");
	LLVMValueRef rest = LLVMBuildSub(e->b, y, LLVMBuildShl(e->b, q, word(e, 30), ""), "");
	LLVMValueRef a = LLVMBuildFMul(e->b, LLVMBuildSIToFP(e->b, rest, e->f32, ""),
	                               emit_num(e, 1.46291807926716e-9), "");
	LLVMValueRef z = LLVMBuildFMul(e->b, a, a, "");
	LLVMValueRef s = polynomial(e, z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1);
	s = LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, LLVMBuildFMul(e->b, s, z, ""), a, ""), a, "");
	LLVMValueRef c =
	    polynomial(e, z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2);
	c = LLVMBuildFMul(e->b, LLVMBuildFMul(e->b, c, z, ""), z, "");
	c = LLVMBuildFSub(e->b, c, LLVMBuildFMul(e->b, z, emit_num(e, 0.5), ""), "");
	c = LLVMBuildFAdd(e->b, c, emit_num(e, 1), "");
	LLVMValueRef swap = LLVMBuildTrunc(e->b, q, e->i1, "");
	LLVMValueRef q1 = LLVMBuildAdd(e->b, q, word(e, 1), "");
	LLVMValueRef cos_sign =
	    LLVMBuildShl(e->b, LLVMBuildAnd(e->b, q1, word(e, 2), ""), word(e, 30), "");
	LLVMValueRef sin_sign =
	    LLVMBuildShl(e->b, LLVMBuildAnd(e->b, q, word(e, 2), ""), word(e, 30), "");
	*cosine = signed_by(e, LLVMBuildSelect(e->b, swap, s, c, ""), cos_sign);
	*sine = signed_by(e, LLVMBuildSelect(e->b, swap, c, s, ""), sin_sign);
}

static void normal_pair(struct emit *e, LLVMValueRef even, LLVMValueRef odd, LLVMValueRef out[2])
{
	LLVMValueRef r = emit_log(e, uniform_of(e, even, 0, 0x1p-32));
	r = emit_unary(e, "llvm.sqrt", LLVMBuildFMul(e->b, r, emit_num(e, -2), ""));
	turn(e, odd, &out[0], &out[1]);
	for (int k = 0; k < 2; k++)
		out[k] = LLVMBuildFMul(e->b, out[k], r, "");
}

/* dst[unit] = x where unit < n */
static void put(struct emit *e, LLVMValueRef dst, LLVMValueRef unit, LLVMValueRef n,
                LLVMValueRef none, LLVMValueRef x)
{
	LLVMValueRef there = LLVMBuildICmp(e->b, LLVMIntSLT, unit, n, "");
	LLVMValueRef at = LLVMBuildGEP2(e->b, e->f32, dst, &unit, 1, "");
	LLVMBuildStore(e->b, x, LLVMBuildSelect(e->b, there, at, none, ""));
}

/* dst[0..n) := numbers of the units from `first` on: 64 units of a block are 16 counters' four
 * words. */
static void fill_body(struct emit *e, bool normal)
{
	LLVMValueRef p[7], none = LLVMBuildAlloca(e->b, e->f32, "");
	for (unsigned k = 0; k < 7; k++)
		p[k] = LLVMGetParam(e->fn, k);
	LLVMValueRef dst = p[0], n = p[1], up = LLVMBuildAdd(e->b, n, emit_int(e, 63), "");
	LLVMValueRef base = LLVMBuildLShr(e->b, p[6], emit_int(e, 2), "");
	struct entry_loop block = entry_loop(e, LLVMBuildLShr(e->b, up, emit_int(e, 6), ""));
	struct entry_loop pair = entry_loop(e, emit_int(e, 8));
	LLVMValueRef counter = LLVMBuildMul(e->b, block.iv, emit_int(e, 16), ""), c[2][4];
	LLVMValueRef lane = LLVMBuildMul(e->b, pair.iv, emit_int(e, 2), "");
	counter = low(e, LLVMBuildAdd(e->b, LLVMBuildAdd(e->b, base, counter, ""), lane, ""));
	for (int k = 0; k < 2; k++) {
		c[k][0] = LLVMBuildAdd(e->b, counter, word(e, (uint64_t)k), "");
		for (int i = 1; i < 4; i++)
			c[k][i] = p[2 + i];
		philox(e, p[2], c[k]);
	}
	LLVMValueRef unit =
	    LLVMBuildAdd(e->b, LLVMBuildMul(e->b, block.iv, emit_int(e, 64), ""), lane, "");
	for (int w = 0; w < 4; w++) {
		LLVMValueRef x[2] = {c[0][w], c[1][w]},
		             at = LLVMBuildAdd(e->b, unit, emit_int(e, 16 * w), "");
		if (normal)
			normal_pair(e, c[0][w], c[1][w], x);
		for (int k = 0; k < 2; k++)
			put(e, dst, LLVMBuildAdd(e->b, at, emit_int(e, k), ""), n, none,
			    normal ? x[k] : uniform_of(e, x[k], 9, 0x1p-23));
	}
	entry_loop_end(e, &pair);
	entry_loop_end(e, &block);
	LLVMBuildRetVoid(e->b);
}

LLVMValueRef bare_call(struct emit *e, const char *name, LLVMValueRef *args, int nargs)
{
	LLVMTypeRef type[] = {e->ptr, e->i64, e->i64, e->i32, e->i32, e->i32, e->i64};
	bool normal = strncmp(name, "dgm_normal", 10) == 0,
	     uniform = strncmp(name, "dgm_uniform", 11) == 0;
	if (!normal && !uniform)
		BUG("codegen: a freestanding object calls %s", name);
	struct inner f = inner_open(e, normal ? "dgm.normal" : "dgm.uniform", e->none, type, 7);
	if (f.made) {
		fill_body(e, normal);
		inner_close(e, &f);
	}
	LLVMValueRef all[7];
	memcpy(all, args, (size_t)nargs * sizeof *args);
	if (nargs < 7)
		all[6] = emit_int(e, 0);
	return LLVMBuildCall2(e->b, LLVMFunctionType(e->none, type, 7, false), f.fn, all, 7, "");
}
