/* dgm_rt: what a compiled model is, seen from C, and how its functions are called.
 *
 * A compiled model is a struct dgm_module: a table of buffers ("slots": parameters, gradients,
 * states, temporaries) and a table of functions.  A function is a list of regions that run one
 * after the other with a barrier between them; a region is cut into chunks that may run in any
 * order on any thread.  What a chunk writes depends on its rows alone, never on how many threads or
 * chunks there are, so the same seed gives the same bits at any number of threads.
 *
 * Memory layout.  An unbatched slot is dense, row-major, float.  A batched slot holds one item a
 * row of its population (the examples of a batch, the chains of a sampler): item n starts at
 * n * item_stride, inside an item the axes are dense, row-major.  A DGM_BITS slot holds 0/1 values
 * packed 64 to a word, unit u of an item in bit u%64 of word u/64; the bits behind the last unit are
 * always zero.  Every buffer is 64-byte aligned and has 64 readable bytes behind its end. */
#ifndef DGM_RT_H
#define DGM_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGM_MAX_RANK 8
#define DGM_MAX_POP 8
#define DGM_MAX_SCALAR 16

enum dgm_status { /* negative: what went wrong; the text is in dgm_error() */
	DGM_OK = 0,
	DGM_EIO = -1,        /* a file is missing, unreadable, unwritable, the disk is full */
	DGM_EFORMAT = -2,    /* a file is malformed */
	DGM_ESHAPE = -3,     /* sizes do not agree */
	DGM_EDOMAIN = -4,    /* values outside a domain (grey values for binary units, NaN) */
	DGM_ENONFINITE = -5, /* a loss, gradient or parameter became NaN or infinite */
	DGM_ENOMEM = -6,
	DGM_ELIMIT = -7      /* asked for more than the method can do (enumeration too large, ...) */
};
/* The text of the last error on this thread, one or two lines, without a newline at the end. */
const char *dgm_error(void);
/* Sets that text and returns status (for use in return statements). */
int dgm_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the compiled module --------------------------------------------------------------------- */
enum dgm_space {
	DGM_PARAM, /* learned; saved */
	DGM_GRAD,  /* d loss / d param `param`, same shape */
	DGM_STATE, /* input or state that the caller or a driver fills and reads */
	DGM_TEMP,  /* between two kernels, of one call or of it and the calls that it comes before */
	DGM_PACK   /* a second layout of a parameter, refreshed by function "prepare" */
};
enum dgm_repr { DGM_F32, DGM_BITS };

struct dgm_slot {
	const char *name;
	enum dgm_space space;
	enum dgm_repr repr;
	int pop;                   /* population, -1: unbatched */
	int rank;
	int64_t dim[DGM_MAX_RANK];
	int param;                 /* DGM_GRAD: slot of its parameter; else -1 */
	int64_t floats;            /* DGM_PACK: size of the buffer in floats; else 0 */
};

struct dgm_call {
	void *const *slot;                  /* one pointer a slot */
	int64_t pop[DGM_MAX_POP];           /* rows in each population now */
	int64_t row0[DGM_MAX_POP];          /* number of the first row, for the random numbers */
	float scalar[DGM_MAX_SCALAR];       /* beta, ... : by number, names in the module */
	uint64_t seed;
	uint32_t stage, step;
};
/* Does chunk `chunk` of `nchunk` of a region. */
typedef void dgm_region_fn(const struct dgm_call *call, int64_t chunk, int64_t nchunk);
struct dgm_region {
	dgm_region_fn *run; /* with any number of chunks */
};
struct dgm_function {
	const char *name;
	int nregion;
	const struct dgm_region *region;
};
struct dgm_module {
	const char *model;
	int nslot;
	const struct dgm_slot *slot;
	int nfunction;
	const struct dgm_function *function;
	int npop;
	const char *const *pop_name;
	int nscalar;
	const char *const *scalar_name;
	const int64_t *pop_most; /* rows of each at most, 0: any; NULL: any */
};
int dgm_slot_find(const struct dgm_module *m, const char *name);                          /* -1: none */
const struct dgm_function *dgm_function_find(const struct dgm_module *m, const char *name); /* NULL: none */
int64_t dgm_slot_items(const struct dgm_slot *s);   /* elements in one item (1 for rank 0) */
int64_t dgm_item_stride(const struct dgm_slot *s);  /* floats (F32: rounded up to 16; rank 0: 1) or
                                                       64-bit words (BITS: rounded up to 8) from item to item */

/* ---- buffers: one block for parameters, one for gradients, one for the rest -------------------- */
struct dgm_store {
	const struct dgm_module *mod;
	void **slot;
	int64_t pop_capacity[DGM_MAX_POP];
	float *params, *grads; /* all parameters (gradients) one behind the other, 16-float aligned,
	                          same offsets in both; padding is and stays zero */
	int64_t nparam;        /* floats in each */
	void *block;           /* owned */
};
/* Allocates every slot, zeroed.  NULL and dgm_error() when memory is short, or a capacity beyond pop_most. */
struct dgm_store *dgm_store_new(const struct dgm_module *m, const int64_t *pop_capacity);
void dgm_store_free(struct dgm_store *s);
/* Where each slot lies in a block for populations of such a capacity: slot[i] (NULL: not asked for), and
 * how many floats the parameters are; returns the bytes of the block, -1: too many.  A block's first use
 * finds it zeroed, at a multiple of 64. */
int64_t dgm_store_place(const struct dgm_module *m, const int64_t *capacity, void *block, void **slot, int64_t *nparam);
/* A store of s->pop_capacity on the caller's block and table of slots. */
void dgm_store_on(struct dgm_store *s, const struct dgm_module *m, void *block, void **slot);
/* A call on a store with all populations at capacity, step 0. */
struct dgm_call dgm_call_on(const struct dgm_store *s, uint64_t seed);

/* ---- threads ---------------------------------------------------------------------------------- */
/* One pool a process.  n = 0: as many as the CPUs this process may use.  Threads spin briefly, then
 * sleep.  BLAS is set to one thread: the pool is the only source of parallelism. */
void dgm_threads(int n);
int dgm_thread_count(void);
/* Runs all regions of a function; does not advance call->step. */
void dgm_run(const struct dgm_function *f, const struct dgm_call *call);
/* Any other chunked work on the pool. */
void dgm_parallel(void (*work)(void *arg, int64_t chunk, int64_t nchunk), void *arg, int64_t nchunk);

/* ---- the BLAS this CPU deserves ------------------------------------------------------------------
 * OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE in the environment may force slow kernels, and OpenBLAS reads
 * them in its constructor: call first in main(); re-executes the program without them when they are
 * set (DGM_KEEP_OPENBLAS=1 keeps them). */
void dgm_blas_select(char **argv);
const char *dgm_blas_name(void);

/* ---- random numbers -------------------------------------------------------------------------------
 * Philox4x32-10 (Salmon et al. 2011, Random123).  Unit u of chain c at step s of stream t:
 *     counter = { (u/64)*16 + u%16, c, s, t }, key = { seed low, seed high }, word (u%64)/16.
 * t = stage*4096 + the draw's number in the program.
 * Uniform: ((word >> 9) + 0.5) * 2^-23, in (0, 1): 24 bits and the half would round to 1.0f.
 * Normal: Box-Muller on the words of units 2k, 2k+1 (see rng.c).  Exactly dst[0..n) is written. */

/* What generated code may call, with its prototypes: rt.def. */
#define RT(ret, name, params) ret name params;
#include "rt.def"
#undef RT

#ifdef __cplusplus
}
#endif
#endif
