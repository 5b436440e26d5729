/* The runtime's functions as seen by generated code: rt.def as LLVM declarations and as addresses.
 * Parameter types are read off the table's prototypes. */
#include "codegen/emit.h"

#include <math.h>
#include <string.h>

static const struct prototype {
	const char *ret, *name, *params;
} prototypes[] = {
#define RT(ret, name, params) {#ret, #name, #params},
#include "rt.def"
#undef RT
};
enum { NPROTOTYPE = sizeof prototypes / sizeof *prototypes, MAX_PARAM = 24 };

static LLVMTypeRef type_of(struct emit *e, const char *s, size_t n)
{
	static const char qualifier[] = "const ";
	if (memchr(s, '*', n))
		return e->ptr;
	if (n > sizeof qualifier && !memcmp(s, qualifier, sizeof qualifier - 1)) {
		s += sizeof qualifier - 1;
		n -= sizeof qualifier - 1;
	}
	if (!strncmp(s, "int64_t", 7) || !strncmp(s, "uint64_t", 8))
		return e->i64;
	if (!strncmp(s, "int32_t", 7) || !strncmp(s, "uint32_t", 8))
		return e->i32;
	if (!strncmp(s, "float", 5))
		return e->f32;
	if (!strncmp(s, "void", 4))
		return e->none;
	BUG("codegen: rt.def has a type that generated code does not know: %.*s", (int)n, s);
}

static LLVMTypeRef function_type(struct emit *e, const struct prototype *p)
{
	LLVMTypeRef params[MAX_PARAM];
	unsigned n = 0;
	for (const char *s = p->params + 1, *end; *s; s = end + 1) {
		while (*s == ' ')
			s++;
		end = s + strcspn(s, ",)");
		if (n == MAX_PARAM)
			BUG("codegen: %s has more than %d parameters", p->name, MAX_PARAM);
		params[n++] = type_of(e, s, (size_t)(end - s));
		if (*end == ')')
			break;
	}
	return LLVMFunctionType(type_of(e, p->ret, strlen(p->ret)), params, n, false);
}

LLVMValueRef emit_rt(struct emit *e, const char *name, LLVMValueRef *args, int nargs)
{
	const struct prototype *p = NULL;
	if (e->bare)
		return bare_call(e, name, args, nargs);
	for (int k = 0; k < NPROTOTYPE; k++)
		if (!strcmp(prototypes[k].name, name))
			p = &prototypes[k];
	if (!p)
		BUG("codegen: %s is not in rt.def", name);
	LLVMTypeRef type = function_type(e, p);
	LLVMValueRef fn = LLVMGetNamedFunction(e->module, name);
	if (!fn) {
		static const char *const attr[] = {"nounwind", "willreturn", "nocallback"};
		fn = LLVMAddFunction(e->module, name, type);
		for (int k = 0; k < 3; k++) {
			unsigned id = LLVMGetEnumAttributeKindForName(attr[k], strlen(attr[k]));
			LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
			                        LLVMCreateEnumAttribute(e->llvm, id, 0));
		}
	}
	if (LLVMCountParams(fn) != (unsigned)nargs)
		BUG("codegen: %s takes %u arguments, not %d", name, LLVMCountParams(fn), nargs);
	return LLVMBuildCall2(e->b, type, fn, args, (unsigned)nargs, "");
}

/* Lanes that count of a value here. */
static LLVMValueRef lanes_left(struct emit *e, int lanes)
{
	LLVMValueRef n = emit_int(e, lanes);
	for (int k = 0; k < e->nbind; k++) {
		const struct bind *b = &e->bind[k];
		if (b->lanes != lanes || !b->tail || b->scope->depth > e->scope->depth)
			continue;
		LLVMValueRef left = LLVMBuildNSWSub(e->b, b->end, b->value, "");
		n = emit_intrinsic(e, "llvm.smin", &e->i64, 1, (LLVMValueRef[]){left, n}, 2);
	}
	return n;
}

static LLVMValueRef lane_at(struct emit *e, int operand, LLVMValueRef lane)
{
	LLVMValueRef at = LLVMBuildNSWAdd(e->b, emit_int(e, operand * LANES_LONG), lane, "");
	return LLVMBuildGEP2(e->b, e->f32, e->lane, &at, 1, "");
}

/* Lanes behind the last that counts are not called for, and stay as they are in a. */
LLVMValueRef emit_call(struct emit *e, const char *name, LLVMValueRef a, LLVMValueRef b,
                       LLVMValueRef c)
{
	LLVMValueRef operand[] = {a, b, c}, args[3];
	int lanes = emit_lanes(a), nargs = c ? 3 : b ? 2 : 1;
	if (!lanes)
		return emit_rt(e, name, operand, nargs);
	for (int i = 0; i < nargs; i++)
		LLVMSetAlignment(LLVMBuildStore(e->b, operand[i], lane_at(e, i, emit_int(e, 0))), 4);
	loop_open(e, "lane", emit_int(e, 0), lanes_left(e, lanes), 1);
	for (int i = 0; i < nargs; i++)
		args[i] = LLVMBuildLoad2(e->b, e->f32, lane_at(e, i, e->scope->iv), "");
	LLVMBuildStore(e->b, emit_rt(e, name, args, nargs), lane_at(e, 0, e->scope->iv));
	loop_close(e, NULL, NULL);
	LLVMValueRef v = LLVMBuildLoad2(e->b, LLVMTypeOf(a), lane_at(e, 0, emit_int(e, 0)), "");
	LLVMSetAlignment(v, 4);
	return v;
}

/* Function pointers as addresses: libm's are what LLVM calls for sin and cos. */
const struct rt_symbol *rt_symbols(int *n)
{
	static struct rt_symbol table[NPROTOTYPE + 5];
	int k = 0;
#define RT(ret, name, params) table[k++] = (struct rt_symbol){#name, (uint64_t)(uintptr_t)name};
#include "rt.def"
#undef RT
	table[k++] = (struct rt_symbol){"sinf", (uint64_t)(uintptr_t)sinf};
	table[k++] = (struct rt_symbol){"cosf", (uint64_t)(uintptr_t)cosf};
	table[k++] = (struct rt_symbol){"fmaf", (uint64_t)(uintptr_t)fmaf};
	table[k++] = (struct rt_symbol){"memset", (uint64_t)(uintptr_t)memset};
	table[k++] = (struct rt_symbol){"memcpy", (uint64_t)(uintptr_t)memcpy};
	*n = k;
	return table;
}
