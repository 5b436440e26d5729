/* dgm emit --stage=llvm (as emitted, before LLVM's passes) and --stage=asm (what runs). */
#include "codegen/emit.h"

void codegen_print_llvm(struct cx *cx, const struct plan *p, FILE *out)
{
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef m = emit_module(cx, p, llvm, emit_slots(cx, p), 0, 1);
	char *text = LLVMPrintModuleToString(m);
	fputs(text, out);
	LLVMDisposeMessage(text);
	LLVMDisposeModule(m);
	LLVMContextDispose(llvm);
}

void codegen_print_asm(struct cx *cx, const struct plan *p, FILE *out)
{
	LLVMContextRef llvm = LLVMContextCreate();
	LLVMModuleRef m = emit_module(cx, p, llvm, emit_slots(cx, p), 0, 1);
	LLVMMemoryBufferRef text = codegen_emit(m, codegen_target(), true);
	fwrite(LLVMGetBufferStart(text), 1, LLVMGetBufferSize(text), out);
	LLVMDisposeMemoryBuffer(text);
	LLVMDisposeModule(m);
	LLVMContextDispose(llvm);
}
