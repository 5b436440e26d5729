/* image: constants of an object that are structs of this machine's C, with pointers to one another. */
#ifndef DGM_IMAGE_H
#define DGM_IMAGE_H
#include "codegen/emit.h"

struct image { /* one being made */
	struct emit *e;
	char *bytes;
	size_t size;
	VEC(struct image_pointer {
		size_t at;
		LLVMValueRef to;
	}) pointer; /* by place */
};
struct image image_new(struct emit *e, const void *from, size_t size);
void image_point(struct image *i, size_t at, LLVMValueRef to); /* the pointer at this place; in order */
LLVMValueRef image_done(struct image *i, const char *name);
LLVMValueRef image_data(struct emit *e, const void *from, size_t size, const char *name); /* from NULL: NULL */
LLVMValueRef image_text(struct emit *e, const char *s);

#endif
