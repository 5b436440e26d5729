/* Elementary functions in vector code, f32.
 *
 * exp, log   range reduction and polynomials after Cephes (Moshier): 2^n p(r), x = n ln 2 + r,
 *            and log = k ln 2 + log(1+f), 1+f in [sqrt(1/2), sqrt 2)
 * sigmoid    z = exp(-|x|); (x < 0 ? z : 1)/(1 + z): relatively exact in both tails
 * softplus   max(x, 0) + log1p(exp(-|x|))
 * tanh       x + x^3 p(x^2) below 0.625, else sign(x) (1 - 2/(exp(2|x|) + 1))
 * logit      log(a/(1-a)), near a = 1/2 as log1p((2a-1)/(1-a))
 * pow        constant exponents -1/2, 1/2 and small integers by arithmetic, else exp(y log|x|)
 *            with the product in two parts
 *
 * Largest errors (tests/unit/test_vmath.c), in units in the last place: exp 1, log 1, sigmoid 3,
 * softplus 2, tanh 2, logit 4; pow: relative 2^-22 (1 + |y log x|).  NaN gives NaN; subnormal
 * results are rounded, not flushed. */
#include "codegen/vmath.h"

#include <math.h>

static LLVMValueRef as_int(struct emit *e, LLVMValueRef x)
{
	return LLVMBuildBitCast(e->b, x, emit_vec(e->i32, emit_lanes(x)), "");
}

static LLVMValueRef as_float(struct emit *e, LLVMValueRef x)
{
	return LLVMBuildBitCast(e->b, x, emit_vec(e->f32, emit_lanes(x)), "");
}

static LLVMValueRef shift_right(struct emit *e, LLVMValueRef x, int by)
{
	return LLVMBuildAShr(e->b, x, emit_like(e, x, by), "");
}

static LLVMValueRef shift_left(struct emit *e, LLVMValueRef x, int by)
{
	return LLVMBuildShl(e->b, x, emit_like(e, x, by), "");
}

LLVMValueRef emit_horner(struct emit *e, LLVMValueRef x0, const double *c, int n)
{
	LLVMValueRef v = K(c[0]);
	for (int k = 1; k < n; k++)
		v = emit_fma(e, v, x0, K(c[k]));
	return v;
}

/* y * 2^n in two steps, so that results may be subnormal or overflow: |n| <= 252 */
static LLVMValueRef scale(struct emit *e, LLVMValueRef y, LLVMValueRef n)
{
	LLVMValueRef half = shift_right(e, n, 1), rest = LLVMBuildSub(e->b, n, half, "");
	LLVMValueRef bias = emit_like(e, n, 127);
	y = MUL(y, as_float(e, shift_left(e, IADD(half, bias), 23)));
	return MUL(y, as_float(e, shift_left(e, IADD(rest, bias), 23)));
}

/* exp(x + low), x clamped to where the result is neither 0 nor infinite */
static LLVMValueRef exp_parts(struct emit *e, LLVMValueRef x0, LLVMValueRef low)
{
	static const double c[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
	                           4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};
	const double magic = 12582912; /* 1.5 * 2^23: adding it rounds to an integer */
	LLVMValueRef x = SEL(LESS(x0, K(-104)), K(-104), x0);
	x = SEL(LESS(K(89), x), K(89), x);
	LLVMValueRef t = emit_fma(e, x, K(1.44269504088896341), K(magic));
	LLVMValueRef n = LLVMBuildSub(e->b, as_int(e, t), as_int(e, K(magic)), "");
	t = SUB(t, K(magic));
	LLVMValueRef r = emit_fma(e, t, K(-0.693145751953125), x);
	r = emit_fma(e, t, K(-1.42860682030941723212e-6), r);
	if (low)
		r = ADD(r, low);
	LLVMValueRef p = emit_horner(e, r, c, 6);
	p = ADD(emit_fma(e, p, MUL(r, r), r), K(1));
	return scale(e, p, n);
}

LLVMValueRef emit_exp(struct emit *e, LLVMValueRef x)
{
	return exp_parts(e, x, NULL);
}

/* log(1 + f) + k ln 2 for 1 + f in [sqrt(1/2), sqrt 2) */
static LLVMValueRef log_poly(struct emit *e, LLVMValueRef f, LLVMValueRef k)
{
	static const double c[] = {7.0376836292e-2,  -1.1514610310e-1, 1.1676998740e-1,
	                           -1.2420140846e-1, 1.4249322787e-1,  -1.6668057665e-1,
	                           2.0000714765e-1,  -2.4999993993e-1, 3.3333331174e-1};
	LLVMValueRef x0 = f, z = MUL(f, f);
	LLVMValueRef y = MUL(MUL(emit_horner(e, f, c, 9), f), z);
	y = emit_fma(e, k, K(-2.12194440e-4), y);
	y = emit_fma(e, z, K(-0.5), y);
	return emit_fma(e, k, K(0.693359375), ADD(f, y));
}

LLVMValueRef emit_log1p_near(struct emit *e, LLVMValueRef x0)
{
	return log_poly(e, x0, K(0));
}

/* x = 2^k (1 + f) for a positive x; k as a float */
static LLVMValueRef log_split(struct emit *e, LLVMValueRef x0, LLVMValueRef *k)
{
	LLVMValueRef tiny = LESS(x0, K(0x1p-126));
	LLVMValueRef i = as_int(e, SEL(tiny, MUL(x0, K(0x1p25)), x0));
	i = IADD(i, emit_like(e, i, 0x3f800000 - 0x3f3504f3));
	LLVMValueRef n = LLVMBuildSub(e->b, shift_right(e, i, 23), emit_like(e, i, 127), "");
	*k = LLVMBuildSIToFP(e->b, n, LLVMTypeOf(x0), "");
	*k = SEL(tiny, SUB(*k, K(25)), *k);
	i = IADD(LLVMBuildAnd(e->b, i, emit_like(e, i, 0x7fffff), ""), emit_like(e, i, 0x3f3504f3));
	return SUB(as_float(e, i), K(1));
}

/* The log of 0, of negative numbers, of infinity and of NaN. */
static LLVMValueRef log_special(struct emit *e, LLVMValueRef x0, LLVMValueRef y)
{
	y = SEL(LESS(x0, K(INFINITY)), y, x0); /* infinity and NaN */
	y = SEL(LESS(x0, K(0)), K(NAN), y);
	return SEL(LLVMBuildFCmp(e->b, LLVMRealOEQ, x0, K(0), ""), K(-INFINITY), y);
}

LLVMValueRef emit_log(struct emit *e, LLVMValueRef x)
{
	LLVMValueRef k, f = log_split(e, x, &k);
	return log_special(e, x, log_poly(e, f, k));
}

static LLVMValueRef exp_minus_abs(struct emit *e, LLVMValueRef x)
{
	return emit_exp(e, LLVMBuildFNeg(e->b, emit_unary(e, "llvm.fabs", x), ""));
}

LLVMValueRef emit_sigmoid(struct emit *e, LLVMValueRef x0)
{
	LLVMValueRef z = exp_minus_abs(e, x0);
	return DIV(SEL(LESS(x0, K(0)), z, K(1)), ADD(z, K(1)));
}

LLVMValueRef emit_softplus(struct emit *e, LLVMValueRef x0)
{
	LLVMValueRef z = exp_minus_abs(e, x0); /* log1p(z), 0 <= z <= 1 */
	LLVMValueRef big = LESS(K(0.41421356237309505), z);
	LLVMValueRef f = SEL(big, emit_fma(e, z, K(0.5), K(-0.5)), z);
	LLVMValueRef y = log_poly(e, f, SEL(big, K(1), K(0)));
	return ADD(SEL(LESS(x0, K(0)), K(0), x0), y);
}

LLVMValueRef emit_tanh(struct emit *e, LLVMValueRef x0)
{
	static const double c[] = {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
	                           1.33314422036e-1, -3.33332819422e-1};
	LLVMValueRef a = emit_unary(e, "llvm.fabs", x0), z = MUL(x0, x0);
	LLVMValueRef near = emit_fma(e, MUL(emit_horner(e, z, c, 5), z), x0, x0);
	LLVMValueRef far = SUB(K(1), DIV(K(2), ADD(emit_exp(e, ADD(a, a)), K(1))));
	LLVMTypeRef type = LLVMTypeOf(x0);
	far = emit_intrinsic(e, "llvm.copysign", &type, 1, (LLVMValueRef[]){far, x0}, 2);
	return SEL(LESS(a, K(0.625)), near, far);
}

LLVMValueRef emit_logit(struct emit *e, LLVMValueRef x0)
{
	LLVMValueRef rest = SUB(K(1), x0), q = DIV(x0, rest), k;
	LLVMValueRef f = log_split(e, q, &k);
	LLVMValueRef centre = LLVMBuildFCmp(e->b, LLVMRealOEQ, k, K(0), "");
	f = SEL(centre, DIV(SUB(ADD(x0, x0), K(1)), rest), f);
	return log_special(e, q, log_poly(e, f, k));
}

/* x log x, 0 at 0. */
LLVMValueRef emit_xlogx(struct emit *e, LLVMValueRef x0)
{
	LLVMValueRef zero = LLVMBuildFCmp(e->b, LLVMRealOEQ, x0, K(0), "");
	return SEL(zero, K(0), MUL(x0, emit_log(e, x0)));
}

LLVMValueRef emit_below_sigmoid(struct emit *e, LLVMValueRef u, LLVMValueRef x)
{
	emit_pair(e, &u, &x);
	LLVMValueRef x0 = x, z = emit_exp(e, LLVMBuildFNeg(e->b, x, ""));
	return LESS(emit_fma(e, u, z, u), K(1)); /* exp overflows to infinity: false, as it should be */
}

static LLVMValueRef pow_int(struct emit *e, LLVMValueRef x0, int n)
{
	LLVMValueRef power = x0, v = NULL;
	for (int k = n < 0 ? -n : n; k; k >>= 1) {
		if (k & 1)
			v = v ? MUL(v, power) : power;
		if (k > 1)
			power = MUL(power, power);
	}
	return n == 0 ? K(1) : n < 0 ? DIV(K(1), v) : v;
}

/* Is y an integer, and is it odd?  (|y| >= 2^24 is even) */
static LLVMValueRef is_integer(struct emit *e, LLVMValueRef x0)
{
	return LLVMBuildFCmp(e->b, LLVMRealOEQ, emit_unary(e, "llvm.floor", x0), x0, "");
}

static LLVMValueRef pow_general(struct emit *e, LLVMValueRef x, LLVMValueRef y)
{
	LLVMValueRef x0 = emit_unary(e, "llvm.fabs", x), k, f = log_split(e, x0, &k);
	LLVMValueRef zero = K(0), part = log_poly(e, f, zero); /* |x| = 2^k e^part */
	LLVMValueRef ln2 = K(0.6931471805599453), ky = MUL(k, y);
	LLVMValueRef high = MUL(ky, ln2), low = emit_fma(e, ky, ln2, LLVMBuildFNeg(e->b, high, ""));
	low = emit_fma(e, part, y, low);
	LLVMValueRef sum = ADD(high, low), rest = SUB(low, SUB(sum, high));
	LLVMValueRef small = LESS(emit_unary(e, "llvm.fabs", sum), K(104)); /* else rest may be NaN */
	LLVMValueRef v = exp_parts(e, sum, SEL(small, rest, zero));
	LLVMValueRef whole = is_integer(e, y),
	             odd = LLVMBuildNot(e->b, is_integer(e, MUL(y, K(0.5))), "");
	LLVMValueRef negative = LESS(x, zero);
	v = SEL(LLVMBuildAnd(e->b, negative, LLVMBuildAnd(e->b, whole, odd, ""), ""),
	        LLVMBuildFNeg(e->b, v, ""), v);
	v = SEL(LLVMBuildAnd(e->b, negative, LLVMBuildNot(e->b, whole, ""), ""), K(NAN), v);
	LLVMValueRef inf = K(INFINITY), down = LESS(y, zero);
	LLVMValueRef none = LLVMBuildFCmp(e->b, LLVMRealOEQ, x0, zero, "");
	LLVMValueRef all = LLVMBuildFCmp(e->b, LLVMRealOEQ, x0, inf, "");
	v = SEL(none, SEL(down, inf, zero), v);
	v = SEL(all, SEL(down, zero, inf), v);
	v = SEL(LLVMBuildFCmp(e->b, LLVMRealUNO, x, y, ""), ADD(x, y), v);
	return SEL(LLVMBuildFCmp(e->b, LLVMRealOEQ, y, zero, ""), K(1), v);
}

LLVMValueRef emit_pow(struct emit *e, LLVMValueRef x, LLVMValueRef y)
{
	LLVMValueRef x0 = x;
	double c;
	if (emit_known(y, &c)) {
		if (c == 0.5 || c == -0.5) {
			LLVMValueRef root = emit_unary(e, "llvm.sqrt", x);
			return c > 0 ? root : DIV(K(1), root);
		}
		if (c == floor(c) && fabs(c) <= 8)
			return pow_int(e, x, (int)c);
	}
	return pow_general(e, x, y);
}
