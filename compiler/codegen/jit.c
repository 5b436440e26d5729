/* A plan as functions in memory: emit, optimise, object code, ORC's LLJIT links it.
 *
 * What generated code calls is defined as absolute symbols, so nothing is searched in the process;
 * an unresolved name is a BUG. */
#include "codegen/emit.h"

#include <llvm-c/LLJIT.h>
#include <llvm-c/TargetMachine.h>

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

static const struct dgm_function *functions(struct cx *cx, const struct plan *p, LLVMOrcLLJITRef j)
{
	struct dgm_function *out = NEW_ARRAY(cx->prog, struct dgm_function, p->function.n + 1);
	for (int f = 0; f < p->function.n; f++) {
		const struct plan_function *from = p->function.at[f];
		struct dgm_region *region = NEW_ARRAY(cx->prog, struct dgm_region, from->region.n + 1);
		for (int r = 0; r < from->region.n; r++) {
			region[r].run = lookup(j, region_symbol(cx->prog, from, r));
			region[r].grid = from->region.at[r]->grid;
		}
		out[f] = (struct dgm_function){from->name, from->region.n, region};
	}
	return out;
}

struct jit *jit_compile(struct cx *cx, const struct plan *p)
{
	if (p->pop.n > DGM_MAX_POP || p->scalar.n > DGM_MAX_SCALAR)
		BUG("codegen: %d populations, %d numbers of the call", p->pop.n, p->scalar.n);
	struct jit *j = NEW(cx->prog, struct jit);
	const struct dgm_slot *slot = emit_slots(cx, p);
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef m = emit_module(cx, p, llvm, slot);
	codegen_optimise(m);
	LLVMMemoryBufferRef object = NULL;
	char *text = NULL;
	if (LLVMTargetMachineEmitToMemoryBuffer(codegen_target(), m, LLVMObjectFile, &text, &object))
		BUG("codegen: no object code: %s", text);
	LLVMDisposeModule(m);
	LLVMContextDispose(llvm);
	check(LLVMOrcCreateLLJIT(&j->lljit, NULL), "LLJIT");
	define_runtime(j->lljit);
	check(LLVMOrcLLJITAddObjectFile(j->lljit, LLVMOrcLLJITGetMainJITDylib(j->lljit), object),
	      "object");
	j->module = (struct dgm_module){
	    .model = p->model,
	    .nslot = p->slot.n,
	    .slot = slot,
	    .nfunction = p->function.n,
	    .function = functions(cx, p, j->lljit),
	    .npop = p->pop.n,
	    .pop_name = names(cx, p, false),
	    .nscalar = p->scalar.n,
	    .scalar_name = names(cx, p, true),
	};
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
