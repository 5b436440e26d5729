/* Values in LLVM IR: constants, lanes, intrinsics, and the elementwise operations of op.def.
 *
 * Every helper takes scalars and vectors alike.  Nothing here or in vmath.c uses fast-math flags: a
 * result is a function of the operands, on every CPU (llvm.fma is exact everywhere). */
#include "codegen/emit.h"

#include <string.h>

LLVMTypeRef emit_vec(LLVMTypeRef element, int lanes)
{
	return lanes ? LLVMVectorType(element, (unsigned)lanes) : element;
}

int emit_lanes(LLVMValueRef v)
{
	LLVMTypeRef t = LLVMTypeOf(v);
	return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 0;
}

static LLVMValueRef const_splat(LLVMValueRef c, int lanes)
{
	LLVMValueRef v[LANES_LONG];
	for (int i = 0; i < lanes; i++)
		v[i] = c;
	return lanes ? LLVMConstVector(v, (unsigned)lanes) : c;
}

LLVMValueRef emit_num(struct emit *e, double x)
{
	return LLVMConstReal(e->f32, (float)x);
}

LLVMValueRef emit_int(struct emit *e, int64_t x)
{
	return LLVMConstInt(e->i64, (unsigned long long)x, true);
}

LLVMValueRef emit_like(struct emit *e, LLVMValueRef v, double x)
{
	LLVMTypeRef t = LLVMTypeOf(v);
	int lanes = emit_lanes(v);
	if (lanes)
		t = LLVMGetElementType(t);
	return const_splat(t == e->f32 ? LLVMConstReal(t, (float)x)
	                               : LLVMConstInt(t, (unsigned long long)(int64_t)x, true),
	                   lanes);
}

LLVMValueRef emit_splat(struct emit *e, LLVMValueRef v, int lanes)
{
	if (!lanes || emit_lanes(v))
		return v;
	if (LLVMIsConstant(v))
		return const_splat(v, lanes);
	LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(v), (unsigned)lanes);
	LLVMValueRef one =
	    LLVMBuildInsertElement(e->b, LLVMGetPoison(t), v, LLVMConstInt(e->i32, 0, 0), "");
	return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(t),
	                              LLVMConstNull(LLVMVectorType(e->i32, (unsigned)lanes)), "");
}

void emit_pair(struct emit *e, LLVMValueRef *a, LLVMValueRef *b)
{
	int la = emit_lanes(*a), lb = emit_lanes(*b);
	if (la && lb && la != lb)
		BUG("codegen: %d lanes meet %d", la, lb);
	*a = emit_splat(e, *a, lb);
	*b = emit_splat(e, *b, la);
}

LLVMValueRef emit_iota(struct emit *e, int lanes)
{
	LLVMValueRef v[LANES_LONG];
	for (int i = 0; i < lanes; i++)
		v[i] = LLVMConstInt(e->i32, (unsigned)i, 0);
	return LLVMConstVector(v, (unsigned)lanes);
}

LLVMValueRef emit_select(struct emit *e, LLVMValueRef cond, LLVMValueRef a, LLVMValueRef b)
{
	if (!cond)
		return a;
	emit_pair(e, &a, &b);
	if (emit_lanes(cond)) {
		a = emit_splat(e, a, emit_lanes(cond));
		b = emit_splat(e, b, emit_lanes(cond));
	}
	return LLVMBuildSelect(e->b, cond, a, b, "");
}

LLVMValueRef emit_and(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	if (!a || !b)
		return a ? a : b;
	emit_pair(e, &a, &b);
	return LLVMBuildAnd(e->b, a, b, "");
}

bool emit_known(LLVMValueRef v, double *x)
{
	if (LLVMIsConstant(v) && emit_lanes(v)) {
		LLVMValueRef first = LLVMGetAggregateElement(v, 0);
		for (int i = 1; i < emit_lanes(v); i++)
			if (LLVMGetAggregateElement(v, (unsigned)i) != first)
				return false;
		v = first;
	}
	if (!v || !LLVMIsAConstantFP(v))
		return false;
	LLVMBool loses;
	*x = LLVMConstRealGetDouble(v, &loses);
	return true;
}

LLVMValueRef emit_intrinsic(struct emit *e, const char *name, LLVMTypeRef *types, int ntype,
                            LLVMValueRef *args, int nargs)
{
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	if (!id)
		BUG("codegen: no intrinsic %s", name);
	LLVMValueRef fn = LLVMGetIntrinsicDeclaration(e->module, id, types, (size_t)ntype);
	LLVMTypeRef type = LLVMIntrinsicGetType(e->llvm, id, types, (size_t)ntype);
	return LLVMBuildCall2(e->b, type, fn, args, (unsigned)nargs, "");
}

LLVMValueRef emit_unary(struct emit *e, const char *intrinsic, LLVMValueRef a)
{
	if (e->bare && (!strcmp(intrinsic, "llvm.floor") || !strcmp(intrinsic, "llvm.ceil")))
		return bare_whole(e, a, !strcmp(intrinsic, "llvm.ceil"));
	LLVMTypeRef t = LLVMTypeOf(a);
	return emit_intrinsic(e, intrinsic, &t, 1, &a, 1);
}

LLVMValueRef emit_fma(struct emit *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
	emit_pair(e, &a, &b);
	emit_pair(e, &a, &c);
	emit_pair(e, &a, &b);
	LLVMTypeRef t = LLVMTypeOf(a);
	if (e->no_fma)
		return bare_fma(e, a, b, c);
	return emit_intrinsic(e, "llvm.fma", &t, 1, (LLVMValueRef[]){a, b, c}, 3);
}

LLVMValueRef emit_less(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	emit_pair(e, &a, &b);
	return LLVMBuildFCmp(e->b, LLVMRealOLT, a, b, "");
}

/* ---- the emitters that op.def names -------------------------------------------------------- */
static LLVMValueRef emit_lt(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildUIToFP(e->b, emit_less(e, a, b), LLVMTypeOf(a), "");
}

/* b where a is not 0, else 0, whatever b is */
static LLVMValueRef emit_gate(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef zero = emit_like(e, a, 0);
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealUNE, a, zero, ""), b, zero, "");
}

static LLVMValueRef emit_max(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, a, b, ""), b, a, "");
}

static LLVMValueRef emit_min(struct emit *e, LLVMValueRef a, LLVMValueRef b)
{
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, b, a, ""), b, a, "");
}

/* -1, 0 or 1; NaN stays NaN */
static LLVMValueRef emit_sign(struct emit *e, LLVMValueRef a)
{
	LLVMValueRef zero = emit_like(e, a, 0), one = emit_like(e, a, 1);
	LLVMTypeRef t = LLVMTypeOf(a);
	LLVMValueRef unit = emit_intrinsic(e, "llvm.copysign", &t, 1, (LLVMValueRef[]){one, a}, 2);
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealONE, a, zero, ""), unit, a, "");
}

LLVMValueRef emit_op(struct emit *e, enum op op, LLVMValueRef a, LLVMValueRef b)
{
	return emit_op3(e, op, a, b, NULL);
}

LLVMValueRef emit_op3(struct emit *E, enum op op, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c)
{
	LLVMBuilderRef B = E->b;
	LLVMValueRef v = NULL;
	if (b)
		emit_pair(E, &a, &b);
	if (c) {
		emit_pair(E, &a, &c);
		emit_pair(E, &a, &b);
	}
	switch (op) {
#define OP(id, name, arity, flags, eval, da, db, emit) \
	case OP_##id: \
		v = emit; \
		break;
#include "expr/op.def"
#undef OP
	case OP_COUNT:
		break;
	}
	if (!v)
		BUG("codegen: operation %d has no emitter", (int)op);
	return v;
}
