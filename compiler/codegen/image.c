/* A struct in memory as a constant of an object: its bytes, but pointers as addresses of other
 * constants and functions.  Of objects for machines whose structs lie as this one's. */
#include "codegen/image.h"

#include <string.h>

struct image image_new(struct emit *e, const void *from, size_t size)
{
	return (struct image){.e = e, .bytes = arena_copy(e->a, from, size), .size = size};
}

void image_point(struct image *i, size_t at, LLVMValueRef to)
{
	int n = i->pointer.n;
	if (at % sizeof(void *) || (n && i->pointer.at[n - 1].at >= at))
		BUG("codegen: a pointer at %zu of an image is not in order", at);
	vec_push(i->e->a, &i->pointer, ((struct image_pointer){at, to}));
}

static LLVMValueRef constant(struct emit *e, LLVMValueRef value, const char *name)
{
	LLVMValueRef g = LLVMAddGlobal(e->module, LLVMTypeOf(value), name);
	LLVMSetInitializer(g, value);
	LLVMSetGlobalConstant(g, true);
	LLVMSetLinkage(g, LLVMInternalLinkage);
	LLVMSetAlignment(g, sizeof(void *));
	return g;
}

LLVMValueRef image_done(struct image *i, const char *name)
{
	struct emit *e = i->e;
	LLVMValueRef *part = NEW_ARRAY(e->a, LLVMValueRef, 2 * i->pointer.n + 1);
	unsigned n = 0;
	size_t done = 0;
	for (int k = 0; k <= i->pointer.n; k++) {
		size_t end = k < i->pointer.n ? i->pointer.at[k].at : i->size;
		if (end > done)
			part[n++] = LLVMConstStringInContext2(e->llvm, i->bytes + done, end - done, true);
		done = end + sizeof(void *);
		if (k < i->pointer.n)
			part[n++] = i->pointer.at[k].to ? i->pointer.at[k].to : LLVMConstNull(e->ptr);
	}
	return constant(e, LLVMConstStructInContext(e->llvm, part, n, true), name);
}

LLVMValueRef image_data(struct emit *e, const void *from, size_t size, const char *name)
{
	return from ? constant(e, LLVMConstStringInContext2(e->llvm, from, size, true), name) : NULL;
}

LLVMValueRef image_text(struct emit *e, const char *s)
{
	return image_data(e, s, strlen(s) + 1, "text");
}
