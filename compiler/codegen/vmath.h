/* vmath: notation and parts of the elementary functions (vmath.c, unit.c).  The emitter is `e`, and
 * x0 a value of the type that constants take. */
#ifndef DGM_VMATH_H
#define DGM_VMATH_H

#include "codegen/emit.h"

#define K(x) emit_like(e, x0, (x))
#define ADD(p_, q_) LLVMBuildFAdd(e->b, (p_), (q_), "")
#define SUB(p_, q_) LLVMBuildFSub(e->b, (p_), (q_), "")
#define MUL(p_, q_) LLVMBuildFMul(e->b, (p_), (q_), "")
#define DIV(p_, q_) LLVMBuildFDiv(e->b, (p_), (q_), "")
#define SEL(c_, p_, q_) LLVMBuildSelect(e->b, (c_), (p_), (q_), "")
#define LESS(p_, q_) LLVMBuildFCmp(e->b, LLVMRealOLT, (p_), (q_), "")
#define IADD(p_, q_) LLVMBuildAdd(e->b, (p_), (q_), "")

/* c[0] x^(n-1) + ... + c[n-1] */
LLVMValueRef emit_horner(struct emit *e, LLVMValueRef x, const double *c, int n);
/* log1p(f) for f in [sqrt(1/2) - 1, sqrt 2 - 1) */
LLVMValueRef emit_log1p_near(struct emit *e, LLVMValueRef f);

#endif
