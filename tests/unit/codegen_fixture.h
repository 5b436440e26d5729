/* Plans made by hand, compiled, run in several numbers of chunks and compared with the reference
 * evaluator of expr element by element. */
#ifndef CODEGEN_FIXTURE_H
#define CODEGEN_FIXTURE_H
#include "codegen/codegen.h"
#include "dgm_rt.h"

#include <CUnit/Basic.h>

struct fx {
	struct cx cx;
	struct arena *a;
	struct plan *plan;
	struct region *region; /* the one that is being built, of function "f" */
	struct jit *jit;
	struct dgm_store *store;
	const struct idx *n; /* the batch index of population 0 */
	int64_t rows;
	struct dgm_call call;
};
struct fx *fx_new(int64_t rows);
void fx_free(struct fx *f);
/* A slot; bits: kept as bits. dims end with 0. */
const struct sym *fx_sym(struct fx *f, const char *name, bool batched, bool bits,
                         const int64_t *dim, int rank);
const struct sym *fx_scalar(struct fx *f, const char *name);
#define DIMS(...) \
	(const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define NODIMS (const int64_t[]){0}, 0
const struct idx *fx_idx(struct fx *f, const char *name, int64_t size);
/* dst[at] = rhs as a kernel of its own, or one more store of the last kernel (at NULL). */
void fx_store(struct fx *f, const struct sym *dst, const struct idx *const *at, bool accumulate,
              struct node *rhs);
/* The last kernel is done in turn, its last `inner` axes a step. */
void fx_turn(struct fx *f, int inner);
#define AT(...) \
	(const struct idx *const[]) \
	{ \
		__VA_ARGS__ \
	}
void fx_compile(struct fx *f);
void fx_fill(struct fx *f, uint64_t seed); /* all slots: numbers in [-2, 2), bits */
void fx_run(struct fx *f, int64_t nchunk);
double fx_get(const struct fx *f, const struct sym *s, int64_t row, int64_t element);
void fx_set(const struct fx *f, const struct sym *s, int64_t row, int64_t element, double x);
/* Compiles, runs with 1, 2, 3 and 7 chunks (equal bits) and compares all stores with ex_eval;
 * errors up to tol * (1 + |expected|).  Also that bits behind an item are zero. */
void fx_check(struct fx *f, double tol);
#endif
