/* A plan as an LLVM module: one function a region, and the module's table of slots.
 *
 * requires: the plan's invariants (plan.h); ensures: a module that LLVM's verifier accepts. */
#include "codegen/emit.h"

#include <llvm-c/Analysis.h>
#include <string.h>

const struct dgm_slot *emit_slots(struct cx *cx, const struct plan *p)
{
	struct dgm_slot *out = NEW_ARRAY(cx->prog, struct dgm_slot, p->slot.n + 1);
	for (int k = 0; k < p->slot.n; k++) {
		const struct slot *s = &p->slot.at[k];
		struct dgm_slot *o = &out[k];
		static const enum dgm_space space[] = {[SPACE_PARAM] = DGM_PARAM,
		                                       [SPACE_GRAD] = DGM_GRAD,
		                                       [SPACE_STATE] = DGM_STATE,
		                                       [SPACE_TEMP] = DGM_TEMP};
		o->param = -1;
		o->pop = -1;
		if (s->pack) {
			const char *of = p->slot.at[s->pack_of].sym->name;
			o->name = arena_printf(cx->prog, s->pack_transposed ? "%s.packed_t" : "%s.packed", of);
			o->space = DGM_PACK;
			o->floats = dgm_pack_size(s->pack_k, s->pack_n);
			continue;
		}
		if (s->space == SPACE_SCALAR)
			BUG("codegen: %s is a number of the call, not a slot", s->sym->name);
		o->name = s->sym->name;
		o->space = space[s->space];
		o->repr = s->repr == REPR_BITS ? DGM_BITS : DGM_F32;
		o->pop = s->sym->batched ? s->pop : -1;
		o->rank = s->sym->rank;
		memcpy(o->dim, s->sym->dim, sizeof o->dim[0] * (size_t)o->rank);
		o->param = s->space == SPACE_GRAD ? s->param : -1;
	}
	return out;
}

const char *region_symbol(struct arena *a, const struct plan_function *f, int r)
{
	return arena_printf(a, "%s.r%d", f->name, r);
}

static void attribute(struct emit *e, const char *key, const char *value)
{
	LLVMAttributeRef at = LLVMCreateStringAttribute(e->llvm, key, (unsigned)strlen(key), value,
	                                                (unsigned)strlen(value));
	LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, at);
}

void emit_attributes(struct emit *e)
{
	char *cpu = LLVMGetTargetMachineCPU(e->machine);
	char *features = LLVMGetTargetMachineFeatureString(e->machine);
	char *triple = LLVMGetTargetMachineTriple(e->machine);
	bool x86 = strncmp(triple, "x86_64", 6) == 0;
	attribute(e, "target-cpu", cpu);
	/* 64-bit divisions: without a test for small operands */
	attribute(e, "target-features",
	          arena_printf(e->a, "%s%s%s", features, x86 && *features ? "," : "",
	                       x86 ? "-idivq-to-divl" : ""));
	if (x86)
		attribute(e, "prefer-vector-width", "512");
	attribute(e, "no-trapping-math", "true");
	LLVMDisposeMessage(cpu);
	LLVMDisposeMessage(features);
	LLVMDisposeMessage(triple);
	unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
	LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
	                        LLVMCreateEnumAttribute(e->llvm, nounwind, 0));
}

static LLVMValueRef entry_alloca(struct emit *e, LLVMTypeRef element, unsigned n, const char *name)
{
	LLVMValueRef v = LLVMBuildAlloca(e->b, LLVMArrayType2(element, n), name);
	LLVMSetAlignment(v, 64);
	return v;
}

/* Numbers that a kernel's draws fill in at a time, at most. */
static unsigned scratch_units(const struct kernel *k)
{
	int64_t items = 1;
	for (int d = 0; d < k->rank; d++)
		items *= k->at[d]->size;
	return k->batch && items <= SCRATCH ? (unsigned)items : SCRATCH;
}

static void emit_region(struct emit *e, const struct region *r, const char *symbol)
{
	LLVMTypeRef params[] = {e->ptr, e->i64, e->i64};
	e->fn = LLVMAddFunction(e->module, symbol, LLVMFunctionType(e->none, params, 3, false));
	emit_attributes(e);
	static const char *const name[] = {"call", "chunk", "nchunk"};
	for (unsigned k = 0; k < 3; k++)
		LLVMSetValueName2(LLVMGetParam(e->fn, k), name[k], strlen(name[k]));
	e->call = LLVMGetParam(e->fn, 0);
	e->chunk = LLVMGetParam(e->fn, 1);
	e->nchunk = LLVMGetParam(e->fn, 2);
	e->root = NEW(e->a, struct scope);
	e->root->block = LLVMAppendBasicBlockInContext(e->llvm, e->fn, "entry");
	e->scope = NULL;
	scope_goto(e, e->root);
	memset(e->base, 0, sizeof *e->base * (size_t)e->plan->slot.n);
	e->nfield = 0;
	int ndraw = 0;
	unsigned units = 0;
	for (int k = 0; k < r->kernel.n; k++)
		if (r->kernel.at[k]->kind == KERNEL_LOOP) {
			draws_find(e, r->kernel.at[k]);
			ndraw = e->draw.n > ndraw ? e->draw.n : ndraw;
			unsigned own = e->draw.n ? scratch_units(r->kernel.at[k]) : 0;
			units = own > units ? own : units;
		}
	e->scratch.n = 0;
	for (int k = 0; k < ndraw; k++)
		vec_push(e->a, &e->scratch, entry_alloca(e, e->f32, units + LANES_LONG, "scratch"));
	e->lane = entry_alloca(e, e->f32, 3 * LANES_LONG, "lane");
	e->dummy = entry_alloca(e, e->i8, 1, "dummy");
	for (int k = 0; k < r->kernel.n; k++) {
		const struct kernel *kernel = r->kernel.at[k];
		e->kernel = kernel;
		e->nbind = e->draw.n = 0;
		e->root->memo.n = 0; /* an earlier kernel may have written what it read */
		if (kernel->kind == KERNEL_LOOP) {
			draws_find(e, kernel);
			emit_loop(e, kernel);
		} else if (kernel->kind == KERNEL_MATMUL) {
			emit_matmul(e, kernel);
		} else if (kernel->kind == KERNEL_STEPS) {
			emit_steps(e, kernel);
		} else if (kernel->kind == KERNEL_SCAN) {
			emit_scan(e, kernel);
		} else {
			emit_pack(e, kernel);
		}
	}
	LLVMBuildRetVoid(e->b);
}

/* Work of a region, to balance the parts. */
static int64_t nodes(const struct node *x)
{
	int64_t n = 1;
	for (int k = 0; k < x->nkid; k++)
		n += nodes(x->kid[k]);
	return n;
}

static int64_t weight(const struct region *r)
{
	int64_t w = 5;
	for (int k = 0; k < r->kernel.n; k++)
		for (int s = 0; s < r->kernel.at[k]->nstore; s++)
			w += 5 + nodes(r->kernel.at[k]->store[s].rhs);
	return w;
}

int emit_regions(const struct plan *p)
{
	int n = 0;
	for (int f = 0; f < p->function.n; f++)
		n += p->function.at[f]->region.n;
	return n;
}

static void emit_part(struct emit *e, int part, int nparts)
{
	int64_t *load = NEW_ARRAY(e->a, int64_t, nparts);
	for (int f = 0; f < e->plan->function.n; f++) {
		const struct plan_function *from = e->plan->function.at[f];
		for (int r = 0; r < from->region.n; r++) {
			int least = 0;
			for (int k = 1; k < nparts; k++)
				if (load[k] < load[least])
					least = k;
			load[least] += weight(from->region.at[r]);
			if (least == part)
				emit_region(e, from->region.at[r], region_symbol(e->a, from, r));
		}
	}
}

struct emit *emit_open(struct cx *cx, LLVMContextRef llvm, LLVMTargetMachineRef machine,
                       const char *name)
{
	struct emit *e = NEW(cx->prog, struct emit);
	e->a = cx->prog;
	e->llvm = llvm;
	e->machine = machine;
	e->lanes = LANES;
	e->module = LLVMModuleCreateWithNameInContext(name, llvm);
	e->b = LLVMCreateBuilderInContext(llvm);
	e->f32 = LLVMFloatTypeInContext(llvm);
	e->i1 = LLVMInt1TypeInContext(llvm);
	e->i8 = LLVMInt8TypeInContext(llvm);
	e->i16 = LLVMInt16TypeInContext(llvm);
	e->i32 = LLVMInt32TypeInContext(llvm);
	e->i64 = LLVMInt64TypeInContext(llvm);
	e->ptr = LLVMPointerTypeInContext(llvm, 0);
	e->none = LLVMVoidTypeInContext(llvm);
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
	LLVMSetModuleDataLayout(e->module, layout);
	LLVMDisposeTargetData(layout);
	char *triple = LLVMGetTargetMachineTriple(machine);
	LLVMSetTarget(e->module, triple);
	LLVMDisposeMessage(triple);
	return e;
}

void emit_plan(struct emit *e, const struct plan *p, const struct dgm_slot *slot)
{
	e->plan = p;
	e->slot = slot;
	e->number = NULL;
	e->base = NEW_ARRAY(e->a, LLVMValueRef, p->slot.n + 1);
	e->used = NEW_ARRAY(e->a, bool, p->slot.n + 1);
}

LLVMValueRef emit_inner_region(struct emit *e, const struct region *r, const char *symbol)
{
	emit_region(e, r, symbol);
	LLVMSetLinkage(e->fn, LLVMInternalLinkage);
	return e->fn;
}

LLVMModuleRef emit_close(struct emit *e, const char *name)
{
	char *text = NULL;
	LLVMDisposeBuilder(e->b);
	if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &text))
		BUG("codegen: LLVM refuses the module of %s: %s", name, text);
	LLVMDisposeMessage(text);
	return e->module;
}

LLVMModuleRef emit_module(struct cx *cx, const struct plan *p, LLVMContextRef llvm,
                          const struct dgm_slot *slot, int part, int nparts)
{
	struct emit *e = emit_open(cx, llvm, codegen_target(), p->model);
	emit_plan(e, p, slot);
	emit_part(e, part, nparts);
	return emit_close(e, p->model);
}
