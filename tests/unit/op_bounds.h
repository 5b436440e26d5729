/* How far generated code of an operation of one operand is from the operation: what test_vmath holds it to. */
#ifndef OP_BOUNDS_H
#define OP_BOUNDS_H
#include "expr/expr.h"

#include <math.h>

struct bound {
	enum op op;
	double lo, hi; /* arguments */
	double ulp;    /* largest error allowed, in units in the last place of the exact result */
};
static const struct bound bounds[] = {
    {OP_EXP, -104, 89, 1},
    {OP_LOG, 0, INFINITY, 1},
    {OP_XLOGX, 0, INFINITY, 3}, /* of the logarithm and of a product */
    {OP_SQRT, 0, INFINITY, 0.51},
    {OP_ABS, -INFINITY, INFINITY, 0},
    {OP_SIGN, -INFINITY, INFINITY, 0},
    {OP_SIGMOID, -INFINITY, INFINITY, 3},
    {OP_SOFTPLUS, -INFINITY, INFINITY, 2},
    {OP_LOGIT, 0, 1, 4},
    {OP_TANH, -INFINITY, INFINITY, 2},
    {OP_SIN, -100, 100, 1},
    {OP_COS, -100, 100, 1},
    {OP_LGAMMA, -INFINITY, INFINITY, 0.51},
    {OP_DIGAMMA, 0, INFINITY, 0.51},
    {OP_TRIGAMMA, 0, INFINITY, 0.51},
    {OP_UNIT_LOGZ, -INFINITY, INFINITY, 4},
    {OP_UNIT_MEAN, -INFINITY, INFINITY, 4},
    {OP_UNIT_VAR, -1e4, 1e4, 9},
};
#define GAMMA_QUANTILE_ERROR 1e-6   /* of its value */
#define UNIT_QUANTILE_ERROR 0x1p-21 /* in [0, 1] */

static inline double unit_in_last_place(double x)
{
	int e;
	if (fabs(x) < 0x1p-126)
		return 0x1p-149;
	frexp(x, &e);
	return ldexp(1, e - 24);
}

#endif
