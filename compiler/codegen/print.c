/* dgm emit --stage=llvm (as emitted, before LLVM's passes) and --stage=asm (what runs). */
#include "codegen/emit.h"

#include <llvm-c/TargetMachine.h>

void codegen_print_llvm(struct cx *cx, const struct plan *p, FILE *out)
{
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef m = emit_module(cx, p, llvm, emit_slots(cx, p));
	char *text = LLVMPrintModuleToString(m);
	fputs(text, out);
	LLVMDisposeMessage(text);
	LLVMDisposeModule(m);
	LLVMContextDispose(llvm);
}

void codegen_print_asm(struct cx *cx, const struct plan *p, FILE *out)
{
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef m = emit_module(cx, p, llvm, emit_slots(cx, p));
	LLVMMemoryBufferRef text = NULL;
	char *error = NULL;
	codegen_optimise(m);
	if (LLVMTargetMachineEmitToMemoryBuffer(codegen_target(), m, LLVMAssemblyFile, &error, &text))
		BUG("codegen: no assembly: %s", error);
	fwrite(LLVMGetBufferStart(text), 1, LLVMGetBufferSize(text), out);
	LLVMDisposeMemoryBuffer(text);
	LLVMDisposeModule(m);
	LLVMContextDispose(llvm);
}
