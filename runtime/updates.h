/* updates: a training as functions of a program that embeds it, update by update.  Parameters and batches are
 * the caller's; moments, chains and buffers are in a block of the caller's. */
#ifndef DGM_UPDATES_H
#define DGM_UPDATES_H
#include "train.h"

/* Status of embedded functions: (NAME, value, what it means). */
#define DGM_EMBED_STATUS_LIST(S)                                                                   \
	S(OK, 0, "done")                                                                               \
	S(NULL, -1, "a pointer is NULL that may not be")                                               \
	S(ROWS, -2, "rows or a count is 0 or too large")                                               \
	S(WORK, -3, "the workspace is too small")                                                      \
	S(MODEL, -4, "the model's block is too small, or was not loaded")                              \
	S(VALUE, -5, "an input or a parameter is not a number, infinite or outside its domain")        \
	S(RESULT, -6, "a result is not finite")                                                        \
	S(FILE, -7, "a file has no parameters of this model: dgm_error() says why")                    \
	S(BLOCK, -8, "an input's blocks have other ones, or another sum, than its domain asks for")

struct dgm_updates_input { /* values of a slot: in [lo, hi] */
	int slot;
	float lo, hi;
	bool two, whole; /* lo or hi alone; whole numbers */
	int64_t block[DGM_MAX_RANK]; /* extents of its blocks; 0: it has none */
	bool empty;                  /* at most one 1 in a block, else one */
	int total;                   /* the input with the sums of the blocks, -1: their units are 0 and 1 */
};
/* What begin and run (rt.def) are told of a training; the same in all objects. */
struct dgm_updates {
	struct dgm_train train; /* its functions, sizes and schedules: no store, data, monitors or folder */
	const char *optimizer[DGM_MAX_DESCENT]; /* stand for train.descent[].optimizer */
	const struct dgm_module *module;
	int64_t capacity[DGM_MAX_POP]; /* of the populations but the batch's */
	const struct dgm_updates_input *input;
	int ninput;
	const int *mean; /* slots of statistics of the data, given to begin */
	int nmean;
	bool first_values; /* a training draws them before it begins */
};

#endif
