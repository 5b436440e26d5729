/* entry: what entry.c and object.c share. */
#ifndef DGM_ENTRY_H
#define DGM_ENTRY_H
#include "codegen/emit.h"
#include "codegen/object.h"

enum {
#define S(name, value, what) OBJECT_##name = value,
	DGM_EMBED_STATUS_LIST(S)
#undef S
};

/* object.c: where an object has its parameters and their packed copies. */
struct object_layout;
void layout_check(struct emit *e, const struct object_layout *l, LLVMValueRef model); /* returns where it is wrong */
LLVMValueRef layout_model(struct emit *e, const struct object_layout *l, LLVMValueRef model); /* rounded up */
LLVMValueRef layout_slot(struct emit *e, const struct object_layout *l, LLVMValueRef model, int slot);
const char *entry_region(const struct emit *e, const struct entry *entry, const struct plan_function *f, int r);

/* entry.c */
LLVMTypeRef entry_size_type(struct emit *e); /* size_t */
LLVMValueRef entry_at(struct emit *e, LLVMValueRef base, LLVMValueRef offset);
LLVMValueRef entry_add(struct emit *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef entry_mul(struct emit *e, LLVMValueRef a, int64_t by);
LLVMBasicBlockRef entry_block(struct emit *e); /* a new one */
LLVMValueRef entry_round_up(struct emit *e, LLVMValueRef p);
void entry_begin(struct emit *e, const char *name, LLVMTypeRef result, LLVMTypeRef *type, int n);
void entry_return(struct emit *e, int status);
void entry_unless(struct emit *e, LLVMValueRef wrong, int status); /* goes on unless wrong, which returns */
int64_t entry_work(const struct emit *e, int64_t rows); /* bytes */
void entry_emit(struct emit *e, const struct entry *entry, const struct object_layout *layout);

/* entry_copy.c */
struct entry_loop { /* iv = 0, 1, ... n-1 */
	LLVMBasicBlockRef head, exit;
	LLVMValueRef iv, n;
};
struct entry_loop entry_loop(struct emit *e, LLVMValueRef n);
void entry_loop_end(struct emit *e, struct entry_loop *l);
struct entry_copy {
	struct emit *e;
	LLVMValueRef bad;             /* a byte in memory: |= a value is not allowed */
	LLVMValueRef user, slot, known; /* known: where has_known */
	const struct entry_arg *arg;
	bool bits, has_known;
	int64_t items, stride, known_stride; /* of a row: the user's; in the slots (bits: in bits) */
};
/* All rows from the user's array to the slot; bad |= those in the slot are not finite; back to the user's array. */
enum entry_pass { PASS_IN, PASS_FINITE, PASS_OUT };
void entry_copy(struct entry_copy *c, enum entry_pass pass, LLVMValueRef rows);
/* to[0..n) := from[0..n); bad |= they are not all finite */
void entry_load(struct emit *e, LLVMValueRef from, LLVMValueRef to, int64_t n, LLVMValueRef bad);

/* entry_train.c */
void train_emit(struct emit *e, struct cx *cx, const struct object_train *t, const char *name);

#endif
