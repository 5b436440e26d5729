/* Units on [0,1] with density proportional to exp(f x), f32; a = |f|, z = exp(-a).
 *
 * logz       f/2 + sum c_k f^2k below 1, else max(f, 0) - log(a/(1 - z))
 * mean       1/2 + f sum c_k f^2k below 1, else 1/a - z/(1 - z), one minus that where f > 0
 * variance   sum c_k f^2k below 2, else 1/a^2 - z/(1 - z)^2
 * quantile   log1p(u (e^f - 1))/f below 1/4; else -log(1 - u + u z)/a, f < 0, and
 *            1 + log(u + (1 - u) z)/a, f > 0
 * The c_k are Bernoulli's numbers B_2k/(2k)!, of logz over 2k, of the variance times 2k - 1.
 *
 * Largest errors (tests/unit/test_vmath.c), in units in the last place: logz 4, mean 4, variance 9;
 * quantile: absolute 2^-21. */
#include "codegen/vmath.h"

#include <math.h>

static LLVMValueRef magnitude(struct emit *e, LLVMValueRef x)
{
	return emit_unary(e, "llvm.fabs", x);
}

static LLVMValueRef exp_minus(struct emit *e, LLVMValueRef a)
{
	return emit_exp(e, LLVMBuildFNeg(e->b, a, ""));
}

LLVMValueRef emit_unit_logz(struct emit *e, LLVMValueRef x0)
{
	static const double c[] = {-4.403491782239578e-11, 2.08767569878681e-09,
	                           -1.033399470899471e-07, 5.5114638447971785e-06,
	                           -3.4722222222222224e-4, 4.1666666666666664e-2};
	LLVMValueRef a = magnitude(e, x0), z = exp_minus(e, a), square = MUL(x0, x0);
	LLVMValueRef near = emit_fma(e, emit_horner(e, square, c, 6), square, MUL(x0, K(0.5)));
	LLVMValueRef far = SUB(SEL(LESS(x0, K(0)), K(0), x0), emit_log(e, DIV(a, SUB(K(1), z))));
	far = SEL(LLVMBuildFCmp(e->b, LLVMRealOEQ, x0, K(INFINITY), ""), x0, far);
	return SEL(LESS(a, K(1)), near, far);
}

LLVMValueRef emit_unit_mean(struct emit *e, LLVMValueRef x0)
{
	static const double c[] = {-5.284190138687493e-10, 2.08767569878681e-08,
	                           -8.267195767195768e-07, 3.306878306878307e-05,
	                           -1.388888888888889e-3,  8.333333333333333e-2};
	LLVMValueRef a = magnitude(e, x0), z = exp_minus(e, a), square = MUL(x0, x0);
	LLVMValueRef near = emit_fma(e, emit_horner(e, square, c, 6), x0, K(0.5));
	LLVMValueRef far = SUB(DIV(K(1), a), DIV(z, SUB(K(1), z)));
	far = SEL(LESS(K(0), x0), SUB(K(1), far), far);
	return SEL(LESS(a, K(1)), near, far);
}

LLVMValueRef emit_unit_var(struct emit *e, LLVMValueRef x0)
{
	static const double c[] = {
	    1.4596305495672335e-13, -5.084520444483875e-12, 1.7397297489890083e-10,
	    -5.812609152556243e-09, 1.8789081289081288e-07, -5.787037037037037e-06,
	    1.6534391534391533e-04, -4.166666666666667e-03, 8.333333333333333e-02};
	LLVMValueRef a = magnitude(e, x0), z = exp_minus(e, a), square = MUL(x0, x0);
	LLVMValueRef near = emit_horner(e, square, c, 9), r = DIV(K(1), a), q = DIV(z, SUB(K(1), z));
	LLVMValueRef far = SUB(MUL(r, r), emit_fma(e, q, q, q));
	return SEL(LESS(a, K(2)), near, far);
}

LLVMValueRef emit_unit_quantile(struct emit *e, LLVMValueRef u, LLVMValueRef x0)
{
	static const double c[] = {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1};
	LLVMValueRef a = magnitude(e, x0), z = exp_minus(e, a), rest = SUB(K(1), u);
	LLVMValueRef slope = MUL(u, emit_horner(e, x0, c, 7)); /* u (e^f - 1)/f */
	LLVMValueRef near = DIV(emit_log1p_near(e, MUL(slope, x0)), x0);
	near = SEL(LESS(a, K(0x1p-24)), slope, near);
	LLVMValueRef up = LESS(K(0), x0);
	LLVMValueRef w = SEL(up, emit_fma(e, rest, z, u), emit_fma(e, u, z, rest));
	LLVMValueRef far = DIV(emit_log(e, w), a);
	far = SEL(up, ADD(K(1), far), LLVMBuildFNeg(e->b, far, ""));
	LLVMValueRef y = SEL(LESS(a, K(0.25)), near, far);
	y = SEL(LESS(y, K(0)), K(0), y);
	return SEL(LESS(K(1), y), K(1), y);
}
