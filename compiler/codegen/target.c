/* The host as LLVM's target, and the passes that run over a module.
 *
 * The emitter places and shares code itself (emit.h), so only what it cannot see is left to LLVM:
 * equal address computations, instruction patterns, and empty blocks.  Machine code takes most of
 * the time: modules are cut into parts that are compiled in parallel, each by a machine of its own.
 */
#include "codegen/emit.h"
#include "codegen/object.h"

#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include <string.h>

static LLVMTargetMachineRef machine;

static void init_x86(void)
{
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
}

/* Machines to build objects for, beside this one. */
static const struct target {
	const char *name, *triple, *cpu;
	void (*init)(void);
} targets[] = {
    {"x86-64", "x86_64-unknown-linux-gnu", "x86-64", init_x86},
    {"x86-64-v3", "x86_64-unknown-linux-gnu", "x86-64-v3", init_x86},
    {"x86-64-v4", "x86_64-unknown-linux-gnu", "x86-64-v4", init_x86},
};
enum { NTARGET = sizeof targets / sizeof *targets };

const char *const *codegen_targets(int *n)
{
	static const char *names[NTARGET];
	for (int k = 0; k < NTARGET; k++)
		names[k] = targets[k].name;
	*n = NTARGET;
	return names;
}

LLVMTargetMachineRef target_named(const char *name)
{
	LLVMTargetRef target;
	char *text = NULL;
	for (int k = 0; k < NTARGET; k++) {
		const struct target *t = &targets[k];
		if (strcmp(t->name, name) != 0)
			continue;
		t->init();
		if (LLVMGetTargetFromTriple(t->triple, &target, &text))
			BUG("codegen: %s", text);
		return LLVMCreateTargetMachine(target, t->triple, t->cpu, "", LLVMCodeGenLevelLess,
		                               LLVMRelocPIC, LLVMCodeModelDefault);
	}
	BUG("codegen: there is no target %s", name);
}

LLVMTargetMachineRef target_new(void)
{
	char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName(), *text = NULL;
	char *features = LLVMGetHostCPUFeatures();
	LLVMTargetRef target;
	LLVMTargetMachineRef made = NULL;
	if (LLVMGetTargetFromTriple(triple, &target, &text))
		LLVMDisposeMessage(text);
	else
		made = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelLess,
		                               LLVMRelocPIC, LLVMCodeModelDefault);
	LLVMDisposeMessage(triple);
	LLVMDisposeMessage(cpu);
	LLVMDisposeMessage(features);
	return made;
}

bool codegen_init(void)
{
	/* passes that cost a fifth of the time and gain nothing on such loops (measured) */
	static const char *const options[] = {"dgm", "-disable-lsr", "-enable-misched=false"};
	if (machine)
		return true;
	LLVMParseCommandLineOptions(3, options, NULL);
	if (LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter() ||
	    LLVMInitializeNativeAsmParser())
		return false;
	machine = target_new();
	return machine != NULL;
}

LLVMTargetMachineRef codegen_target(void)
{
	if (!machine)
		BUG("codegen: codegen_init was not called");
	return machine;
}

static void optimise(LLVMModuleRef m, LLVMTargetMachineRef on)
{
	LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
	LLVMErrorRef error = LLVMRunPasses(
	    m, "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg)", on, options);
	if (error)
		BUG("codegen: LLVM's passes: %s", LLVMGetErrorMessage(error));
	LLVMDisposePassBuilderOptions(options);
}

LLVMMemoryBufferRef codegen_emit(LLVMModuleRef m, LLVMTargetMachineRef on, bool assembly)
{
	LLVMMemoryBufferRef out = NULL;
	char *text = NULL;
	optimise(m, on);
	if (LLVMTargetMachineEmitToMemoryBuffer(on, m, assembly ? LLVMAssemblyFile : LLVMObjectFile,
	                                        &text, &out))
		BUG("codegen: no machine code: %s", text);
	return out;
}
