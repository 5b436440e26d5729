/* A plan as functions in memory: emitted in parts, each part compiled to an object by a thread of
 * the pool, all linked by ORC's LLJIT.
 *
 * What generated code calls is defined as absolute symbols, so nothing is searched in the process;
 * an unresolved name is a BUG. */
#include "codegen/emit.h"
#include "codegen/object.h"

#include <llvm-c/LLJIT.h>

struct jit {
	LLVMOrcLLJITRef lljit;
	struct dgm_module module;
};

static void check(LLVMErrorRef error, const char *what)
{
	if (error)
		BUG("codegen: %s: %s", what, LLVMGetErrorMessage(error));
}

static void define_runtime(LLVMOrcLLJITRef j)
{
	LLVMOrcCSymbolMapPair pair[64];
	int n;
	const struct rt_symbol *symbol = rt_symbols(&n);
	if (n > 64)
		BUG("codegen: more than 64 runtime symbols");
	for (int k = 0; k < n; k++) {
		pair[k].Name = LLVMOrcLLJITMangleAndIntern(j, symbol[k].name);
		pair[k].Sym.Address = symbol[k].address;
		pair[k].Sym.Flags.GenericFlags =
		    LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
		pair[k].Sym.Flags.TargetFlags = 0;
	}
	check(LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(j),
	                            LLVMOrcAbsoluteSymbols(pair, (size_t)n)),
	      "runtime symbols");
}

static dgm_region_fn *lookup(LLVMOrcLLJITRef j, const char *name)
{
	LLVMOrcExecutorAddress address = 0;
	check(LLVMOrcLLJITLookup(j, &address, name), name);
	if (!address)
		BUG("codegen: %s has no address", name);
	return (dgm_region_fn *)(uintptr_t)address;
}

static const char *const *names(struct cx *cx, const struct plan *p, bool scalars)
{
	int n = scalars ? p->scalar.n : p->pop.n;
	const char **s = NEW_ARRAY(cx->prog, const char *, n + 1);
	for (int k = 0; k < n; k++)
		s[k] = scalars ? p->scalar.at[k]->name : p->pop.at[k];
	return s;
}

/* j NULL: without code. */
static const struct dgm_function *functions(struct cx *cx, const struct plan *p, LLVMOrcLLJITRef j)
{
	struct dgm_function *out = NEW_ARRAY(cx->prog, struct dgm_function, p->function.n + 1);
	for (int f = 0; f < p->function.n; f++) {
		const struct plan_function *from = p->function.at[f];
		struct dgm_region *region = NEW_ARRAY(cx->prog, struct dgm_region, from->region.n + 1);
		for (int r = 0; r < from->region.n && j; r++)
			region[r].run = lookup(j, region_symbol(cx->prog, from, r));
		out[f] = (struct dgm_function){from->name, from->region.n, region};
	}
	return out;
}

static struct dgm_module module_of(struct cx *cx, const struct plan *p, const struct dgm_slot *slot,
                                   LLVMOrcLLJITRef j)
{
	return (struct dgm_module){
	    .model = p->model,
	    .nslot = p->slot.n,
	    .slot = slot,
	    .nfunction = p->function.n,
	    .function = functions(cx, p, j),
	    .npop = p->pop.n,
	    .pop_name = names(cx, p, false),
	    .pop_most = p->most.at,
	    .nscalar = p->scalar.n,
	    .scalar_name = names(cx, p, true),
	};
}

const struct dgm_module *codegen_module(struct cx *cx, const struct plan *p)
{
	struct dgm_module m = module_of(cx, p, emit_slots(cx, p), NULL);
	return arena_copy(cx->prog, &m, sizeof m);
}

struct part {
	LLVMContextRef llvm;
	LLVMModuleRef module;
	LLVMTargetMachineRef machine;
	LLVMMemoryBufferRef object;
};

static void compile_part(void *arg, int64_t chunk, int64_t nchunk)
{
	struct part *p = (struct part *)arg + chunk;
	(void)nchunk;
	p->object = codegen_emit(p->module, p->machine, false);
}

/* Compiles all regions; the objects are the linker's. */
static void compile(struct cx *cx, const struct plan *p, LLVMOrcLLJITRef j,
                    const struct dgm_slot *slot)
{
	enum { MAX_PARTS = 8 };
	struct part part[MAX_PARTS] = {0};
	int n = emit_regions(p), threads = dgm_thread_count();
	n = n > threads ? threads : n;
	n = n > MAX_PARTS ? MAX_PARTS : n < 1 ? 1 : n;
	for (int k = 0; k < n; k++) {
		part[k].llvm = LLVMContextCreate();
		part[k].module = emit_module(cx, p, part[k].llvm, slot, k, n);
		part[k].machine = k ? target_new() : codegen_target();
	}
	dgm_parallel(compile_part, part, n);
	for (int k = 0; k < n; k++) {
		LLVMDisposeModule(part[k].module);
		LLVMContextDispose(part[k].llvm);
		if (k)
			LLVMDisposeTargetMachine(part[k].machine);
		check(LLVMOrcLLJITAddObjectFile(j, LLVMOrcLLJITGetMainJITDylib(j), part[k].object),
		      "object");
	}
}

struct jit *jit_compile(struct cx *cx, const struct plan *p)
{
	if (p->pop.n > DGM_MAX_POP || p->scalar.n > DGM_MAX_SCALAR)
		BUG("codegen: %d populations, %d numbers of the call", p->pop.n, p->scalar.n);
	struct jit *j = NEW(cx->prog, struct jit);
	const struct dgm_slot *slot = emit_slots(cx, p);
	check(LLVMOrcCreateLLJIT(&j->lljit, NULL), "LLJIT");
	define_runtime(j->lljit);
	compile(cx, p, j->lljit, slot);
	j->module = module_of(cx, p, slot, j->lljit);
	return j;
}

const struct dgm_module *jit_module(const struct jit *j)
{
	return &j->module;
}

void jit_free(struct jit *j)
{
	if (j)
		check(LLVMOrcDisposeLLJIT(j->lljit), "dispose");
}

/* ---- objects to embed ---- */
struct object_jit {
	LLVMOrcLLJITRef lljit;
};

struct object_jit *object_jit(struct cx *cx, const struct object_text *text)
{
	struct object_jit *j = NEW(cx->prog, struct object_jit);
	LLVMMemoryBufferRef object =
	    LLVMCreateMemoryBufferWithMemoryRangeCopy(text->data, text->size, "object");
	check(LLVMOrcCreateLLJIT(&j->lljit, NULL), "LLJIT");
	define_runtime(j->lljit);
	check(LLVMOrcLLJITAddObjectFile(j->lljit, LLVMOrcLLJITGetMainJITDylib(j->lljit), object),
	      "object");
	return j;
}

void *object_symbol(struct object_jit *j, const char *name)
{
	return (void *)(uintptr_t)lookup(j->lljit, name);
}

void object_jit_free(struct object_jit *j)
{
	check(LLVMOrcDisposeLLJIT(j->lljit), "dispose");
}
