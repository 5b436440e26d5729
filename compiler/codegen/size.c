/* Sizes of an object: its sections, and how much stack and workspace its functions need.
 *
 * The frame of a function is what LLVM says of it (the attribute warn-stack-size, as a message to
 * the context).  The stack of a function is at most its frame, what its frame is moved by to be
 * aligned, a return address, and the most of the functions that it calls; none calls itself.  What
 * functions outside the object take is not counted. */
#include "codegen/size.h"

#include <llvm-c/Object.h>

#include <stdio.h>
#include <string.h>

enum { ADDRESS = 8, ALIGNED = 8 /* every stack is */ };

/* ---- frames ---- */
static void note(LLVMDiagnosticInfoRef info, void *arg)
{
	struct sizes *s = arg;
	struct frame_size f;
	char name[512], *text = LLVMGetDiagInfoDescription(info);
	long long bytes;
	const char *at = strstr(text, "stack frame size");
	if (at && sscanf(at, "stack frame size (%lld) exceeds limit (%*d) in function '%511[^']'",
	                 &bytes, name) == 2) {
		f = (struct frame_size){arena_printf(s->a, "%s", name), bytes};
		vec_push(s->a, &s->frame, f);
	} else if (LLVMGetDiagInfoSeverity(info) != LLVMDSRemark) {
		fprintf(stderr, "dgm: LLVM: %s\n", text);
	}
	LLVMDisposeMessage(text);
}

void sizes_begin(struct sizes *s, struct emit *e)
{
	*s = (struct sizes){.a = e->a};
	LLVMContextSetDiagnosticHandler(e->llvm, note, s);
	for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
		if (!LLVMIsDeclaration(f))
			LLVMAddTargetDependentFunctionAttr(f, "warn-stack-size", "0");
}

static int64_t frame_of(const struct sizes *s, LLVMValueRef f)
{
	size_t n;
	const char *name = LLVMGetValueName2(f, &n);
	for (int k = 0; k < s->frame.n; k++)
		if (strcmp(s->frame.at[k].function, name) == 0)
			return s->frame.at[k].bytes;
	return 0;
}

int64_t sizes_stack(const struct sizes *s, LLVMValueRef f)
{
	int64_t most = 0, moved = 0;
	for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
		for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
			LLVMValueRef callee =
			    LLVMIsACallInst(i) ? LLVMIsAFunction(LLVMGetCalledValue(i)) : NULL;
			int64_t inner = callee && !LLVMIsDeclaration(callee) ? sizes_stack(s, callee) : 0;
			int64_t align = LLVMIsAAllocaInst(i) ? LLVMGetAlignment(i) : 0;
			most = inner > most ? inner : most;
			moved = align > ALIGNED && align > moved ? align : moved;
		}
	return frame_of(s, f) + moved + ADDRESS + most;
}

/* ---- sections ---- */
static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

void sizes_sections(LLVMMemoryBufferRef object, struct object_sizes *out)
{
	char *text = NULL;
	LLVMBinaryRef binary = LLVMCreateBinary(object, NULL, &text);
	if (!binary)
		BUG("codegen: the object cannot be read: %s", text);
	LLVMSectionIteratorRef s = LLVMObjectFileCopySectionIterator(binary);
	for (; !LLVMObjectFileIsSectionIteratorAtEnd(binary, s); LLVMMoveToNextSection(s)) {
		const char *named = LLVMGetSectionName(s),
		           *name = named ? named : ""; /* the first has none */
		int64_t size = (int64_t)LLVMGetSectionSize(s);
		if (begins(name, ".text") || strcmp(name, "CODE") == 0)
			out->text += size;
		else if (begins(name, ".rodata") || begins(name, ".ARM.ex") || begins(name, ".eh_frame") ||
		         begins(name, ".data.rel.ro") || strcmp(name, "DATA") == 0)
			out->rodata += size;
		else if (begins(name, ".data"))
			out->data += size;
		else if (begins(name, ".bss"))
			out->bss += size;
	}
	LLVMDisposeSectionIterator(s);
	LLVMDisposeBinary(binary);
}

/* ---- the table ---- */
void sizes_print(const struct object_sizes *s, FILE *out)
{
	fprintf(out, "text %lld, rodata %lld, data %lld, bss %lld bytes\n", (long long)s->text,
	        (long long)s->rodata, (long long)s->data, (long long)s->bss);
	fprintf(out, "%-40s %10s %16s\n", "bytes at most", "stack", "work of a row");
	for (int k = 0; k < s->function.n; k++)
		fprintf(out, "%-40s %10lld %16lld\n", s->function.at[k].name,
		        (long long)s->function.at[k].stack, (long long)s->function.at[k].work);
}
