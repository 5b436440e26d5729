/* The host as LLVM's target, and the passes that run over a module.
 *
 * The emitter places and shares code itself (emit.h), so only what it cannot see is left to LLVM:
 * equal address computations, instruction patterns, and empty blocks. */
#include "codegen/emit.h"

#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

static LLVMTargetMachineRef machine;

bool codegen_init(void)
{
	if (machine)
		return true;
	if (LLVMInitializeNativeTarget() || LLVMInitializeNativeAsmPrinter() ||
	    LLVMInitializeNativeAsmParser())
		return false;
	char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName(),
	     *features = LLVMGetHostCPUFeatures();
	char *text = NULL;
	LLVMTargetRef target;
	if (LLVMGetTargetFromTriple(triple, &target, &text))
		LLVMDisposeMessage(text);
	else
		machine = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelDefault,
		                                  LLVMRelocPIC, LLVMCodeModelDefault);
	LLVMDisposeMessage(triple);
	LLVMDisposeMessage(cpu);
	LLVMDisposeMessage(features);
	return machine != NULL;
}

LLVMTargetMachineRef codegen_target(void)
{
	if (!machine)
		BUG("codegen: codegen_init was not called");
	return machine;
}

void codegen_optimise(LLVMModuleRef m)
{
	LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
	LLVMErrorRef error = LLVMRunPasses(
	    m, "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg)", machine, options);
	if (error)
		BUG("codegen: LLVM's passes: %s", LLVMGetErrorMessage(error));
	LLVMDisposePassBuilderOptions(options);
}
