/* size: what object.c asks size.c. */
#ifndef DGM_SIZE_H
#define DGM_SIZE_H
#include "codegen/emit.h"
#include "codegen/object.h"

struct frame_size {
	const char *function;
	int64_t bytes;
};
struct sizes { /* frames, told while code is made */
	struct arena *a;
	VEC(struct frame_size) frame;
};
void sizes_begin(struct sizes *s, struct emit *e); /* before machine code is made */
/* The stack of a call of f at most, when it has been made. */
int64_t sizes_stack(const struct sizes *s, LLVMValueRef f);
void sizes_sections(LLVMMemoryBufferRef object, struct object_sizes *out); /* adds up */

#endif
