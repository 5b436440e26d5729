/* plan: a program as kernels over buffers.
 *
 * Every function becomes regions (run one after the other, a barrier between), every region a list of
 * kernels that a chunk does one after the other on its own rows.  A kernel is
 *   a LOOP  nest over the elements of one index space with one or more stores (elementwise tails are
 *           fused: bias, activation, draw and comparison are one loop), reductions inside it as inner
 *           loops; or
 *   a MATMUL  C[m, n] = alpha * sum(k) A[m, k]*B[k, n] (+ C), one of the runtime's products, or one
 *           for each row of a batch; or
 *   STEPS     along an index d with running sums over i < d kept a row, for what is summed over their
 *             elements j: z[n, d] = sum(j) V[d, j]*f(sum(i | i < d) W[j, i]*x[n, i]), or along d; or
 *   a SCAN    of the same with sums over the rows, t[d, j] = sum(n) y[n, d]*f(sum(i | i < d) ...).
 *
 * Partition.  Every kernel has rows: the outermost index of what it writes (the batch index when dst
 * is batched, else its first axis; of a MATMUL: m, or the rows of C where it is one product a row; of a SCAN: j; a rank-0 unbatched dst has one row).  Chunk c of nc does rows
 * rows*c/nc .. rows*(c+1)/nc of each of its kernels.  Two kernels share a region only if each reads,
 * of what the region writes, nothing but the same rows of the same population.
 *
 * The first axis of a batched temporary may be the rows of a population too, of the size that the
 * population has at most: loops and products over it go as far as it has rows now.  */
#ifndef DGM_PLAN_H
#define DGM_PLAN_H
#include "expr/program.h"

enum repr { REPR_F32, REPR_BITS };

struct slot { /* number = position; becomes struct dgm_slot */
	const struct sym *sym;
	enum space space; /* never SPACE_SCALAR */
	enum repr repr;
	int pop;
	int param;        /* SPACE_GRAD: slot of its parameter, else -1 */
	bool pack;        /* a packed copy for products (DGM_PACK): of pack_of, which is ... */
	int pack_of;
	bool pack_transposed;          /* ... read as B[k,n] (false: param rows are k; true: columns are k) */
	int64_t pack_k, pack_n, floats; /* floats: filled by codegen, dgm_pack_size(pack_k, pack_n) */
};

enum kernel_kind { KERNEL_LOOP, KERNEL_MATMUL, KERNEL_STEPS, KERNEL_SCAN, KERNEL_PACK };

struct store {
	const struct sym *dst;
	bool accumulate;
	struct node *rhs; /* over the kernel's indices; contractions that became MATMULs are accesses to temps */
	const struct idx *at[MAX_RANK]; /* STEPS, SCAN, LOOP in turn: the axes of dst */
	bool before;                    /* STEPS: once a row, before the first step */
	struct node *when;              /* STEPS: done where this is not 0; NULL: always */
};
/* SCAN: a running sum along d, which stands in right sides as the access sym[d, j]. */
struct carry {
	const struct sym *sym; /* no slot */
	struct node *term;     /* what d adds */
	bool down;             /* adds up from the last d on */
	bool own;              /* sym[d, j] has the term of d in it */
	bool nested;           /* the term reads what is kept of others */
	struct node *when;     /* the term is 0 where this is; NULL: not known */
};
/* SCAN: a function of running sums, sym[d, j] = rhs, that depends on d through them alone. */
struct kept {
	const struct sym *sym; /* no slot */
	struct node *rhs;
};

enum matmul { /* which routine of runtime/rt.def */
	MM_SGEMM,      /* both float */
	MM_PACKED,     /* both float, B a packed parameter: dgm_mm */
	MM_BITS,       /* A of bits, m rows; B a packed parameter: dgm_bits_mm */
	MM_BITS_T,     /* A of bits read transposed (k rows), B float: dgm_bits_tmm */
	MM_BITS_COUNT  /* both of bits, A read transposed: dgm_bits_count */
};
/* An extent: the rows of a population, or a constant. */
struct extent {
	int pop; /* -1: constant */
	int64_t size;
};
/* The elements [i, j] with row*i + column*j + constant >= 0; all three 0: the whole matrix. */
struct cut {
	int64_t row, column, constant;
};
struct matmul_op {
	enum matmul how;
	struct extent m, n, k;
	int a, b, c;          /* slots (b: the packed slot for MM_PACKED, MM_BITS) */
	bool ta, tb;          /* operand as stored is transposed: A[k,m], B[n,k] */
	/* leading dimension in elements; -1: the item stride of a batched slot */
	int64_t lda, ldb, ldc;
	struct node *alpha;   /* an expression of constants and call scalars only; NULL: 1 */
	bool accumulate;
	/* MM_SGEMM, one product: outside of it B[k, n] counts as 0, C[m, n] becomes 0 (accumulate: whole) */
	struct cut b_cut, c_cut;
	/* NULL: one product.  Else one for each row of this population, of the rows of batched operands;
	 * sum: c is not batched, and gets their sum. */
	const struct idx *row;
	bool sum;
};
struct kernel {
	enum kernel_kind kind;
	/* LOOP: the index space: batch (or NULL), then the axes; all stores have it */
	const struct idx *batch;
	const struct idx *at[MAX_RANK];
	int rank;
	struct store *store;
	int nstore;
	/* LOOP: in turn.  The elements of a row are gone through in steps, in row-major order, the last
	 * `inner` axes one step; in a step one store after the other is done for all elements of its own axes behind
	 * those that are gone through, from what was stored before; the last store has the kernel's axes.  No store reads of its dst another element of its step. */
	bool sequential;
	int inner;
	struct matmul_op mm; /* MATMUL */
	/* STEPS: rows of `batch`; in the order of `scan` the stores, one after the other.
	 * SCAN: dst[at] = sum of rhs over `batch` and, where it is none of dst's axes, `scan`, for the elements
	 * of `lane`, its last axis.  All carries that are not nested go one way, all others one way, which is
	 * then the kernel's. */
	const struct idx *scan, *lane;
	const struct idx *outer[MAX_RANK]; /* STEPS, SCAN: further axes of a row, each of which is a row here */
	int nouter;
	bool down;
	struct carry *carry;
	struct kept *kept;
	int ncarry, nkept;
	int pack_slot;       /* KERNEL_PACK: the slot with pack set */
};
/* The axes of what a store of a LOOP writes. */
static inline const struct idx *const *store_axes(const struct kernel *k, const struct store *s)
{
	return k->sequential ? s->at : k->at;
}
struct region {
	VEC(struct kernel *) kernel;
};
struct plan_function {
	const char *name;
	VEC(struct region *) region;
};
struct plan {
	struct arena *a;
	const char *model;
	VEC(struct slot) slot;
	VEC(struct plan_function *) function;
	VEC(const char *) pop;
	VEC(int64_t) most; /* rows of each at most; 0: not known */
	VEC(const struct sym *) scalar; /* number = position */
};
/* requires: a program whose statements are in normal form; ensures: the invariants above. */
bool plan_is_cut(struct cut c); /* is it less than the whole? */
struct plan *plan_build(struct cx *cx, struct program *p);
int plan_slot(const struct plan *p, const struct sym *s); /* -1: none */
void plan_print(const struct plan *p, FILE *out); /* dgm emit --stage=plan */

#endif
