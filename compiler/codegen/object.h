/* object: a model as functions of plain C, in an object file with its header.
 *
 * One module: the regions of every function's plan, and for each function an entry point that checks its
 * arguments, lays the slots out in the caller's workspace, copies inputs in, runs the regions with one
 * chunk, and copies outputs out.  The parameters, and packed copies of them, are in a block of the caller's
 * that `load` fills; or they are constants of the object. */
#ifndef DGM_OBJECT_H
#define DGM_OBJECT_H
#include "codegen/codegen.h"
#include "updates.h"

enum entry_way { ENTRY_IN, ENTRY_OUT, ENTRY_INOUT, ENTRY_KNOWN };
struct entry_arg {
	const char *name, *what;
	const struct sym *sym, *known; /* known: 1 where the value is one; ENTRY_KNOWN */
	enum entry_way way;
	bool optional;  /* may be NULL: an output among several */
	double lo, hi;  /* the values are in [lo, hi] */
	bool two;       /* lo or hi alone */
	bool whole;     /* whole numbers */
	const char *domain; /* for the reader */
};
struct entry_call {
	const char *function;
	int64_t times;
};
struct entry_phase { /* calls, all of them `count` times */
	const char *count; /* NULL: once */
	int64_t least;
	bool adapt;
	VEC(struct entry_call) call;
};
struct entry {
	const char *symbol, *name, *what; /* symbol: OBJECT_NAME */
	const char *refused; /* why the model does not offer it; NULL: it does */
	const struct plan *plan;
	VEC(struct entry_arg) arg;
	VEC(struct entry_phase) phase;
	bool random;
	const char *check;       /* the function that is run first; NULL: none */
	const struct sym *wrong; /* one a row, set by it: 0 where inputs are right */
};
struct entry_param {
	const char *name;    /* in C */
	const char *in_file;
	const struct sym *sym;
	const float *values; /* constants of the object, kept as sym says; NULL: given to `load` */
};
struct object_train { /* the updates of a training */
	const char *refused; /* why there are none; NULL: there are */
	const struct plan *plan;
	const struct dgm_updates *updates;
	const struct entry_arg *input;
	const struct entry_param *param, *mean; /* mean: statistics of the data */
	int ninput, nparam, nmean;
};
struct object {
	const char *name; /* prefix of its symbols */
	const char *from; /* the file, for the header */
	const char *version;
	const char *loss; /* what weights of few bits cost, for the header; NULL: they are floats */
	bool freestanding;
	bool scalar; /* without vectors: a sum has one order on all machines */
	VEC(struct entry_param) param;
	VEC(struct entry) entry;
	const struct object_train *train; /* NULL: not asked for */
};
typedef VEC(struct object) object_list;
bool object_takes_params(const struct object *o); /* does `load` take them? */

struct object_sizes { /* in bytes */
	int64_t text, rodata, data, bss;
	VEC(struct function_size {
		const char *name;
		int64_t stack; /* at most */
		int64_t work;  /* the workspace of one row; of `load`: the model's block */
	}) function;
};
struct object_text { /* an object file in memory */
	const char *data;
	size_t size;
	struct object_sizes sizes;
};
void sizes_print(const struct object_sizes *s, FILE *out);
/* target: one of codegen_targets; NULL: this machine. */
struct object_text object_build(struct cx *cx, const object_list *list, const char *target);
const char *const *codegen_targets(int *n);
bool codegen_target_bare(const char *target); /* is there no runtime for it? */
void header_print(const object_list *list, FILE *out);
/* An object linked into this process. */
struct object_jit *object_jit(struct cx *cx, const struct object_text *text);
void *object_symbol(struct object_jit *j, const char *name);
void object_jit_free(struct object_jit *j);

#endif
