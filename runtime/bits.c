/* Products with matrices of bits: A holds 0/1 values, 64 to a word, so that A B is a sum of rows of
 * B, and A^T B of two matrices of bits is a count of common ones.
 *
 * A^T is made from 64x64 blocks of bits by the six exchange steps of Warren, Hacker's Delight 7-3.
 * k is cut into slabs at fixed places, so that the buffers on the stack are small and a row of C is
 * summed in the same order whichever rows are asked for. */
#include "dgm_rt.h"
#include "bits.h"
#include "dense.h"
#include "pack.h"

#include <string.h>

enum {
	TMM_K = 1024,  /* slab of k in dgm_bits_tmm */
	COUNT_K = 512, /* slab of k in dgm_bits_count */
	COUNT_N = 512, /* columns of C at a time there */
	COLUMNS = 256  /* columns of A that are transposed at a time */
};

void dgm_bits_mm(int64_t m, int64_t n, int64_t k, float alpha, const uint64_t *a, int64_t lda,
                 const float *packed, float beta, float *c, int64_t ldc)
{
	if (k <= 0)
		dgm_scale(m, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k; k0 += MAX_K)
		dgm_bits_product_kernel()(&(struct bits_product){
		    .m = m,
		    .n = n,
		    .k = dgm_min(k - k0, MAX_K),
		    .alpha = alpha,
		    .beta = k0 ? 1 : beta,
		    .a = a + k0 / 64,
		    .lda = lda,
		    .b = packed + dgm_pack_row(k0),
		    .panel_stride = dgm_pack_size(k, 1),
		    .padded = true,
		    .c = c,
		    .ldc = ldc,
		});
}

/* Bit j of x[i] <-> bit i of x[j]. */
static void transpose64(uint64_t x[64])
{
	uint64_t mask = 0x00000000ffffffff;

	for (int half = 32; half; half /= 2, mask ^= mask << half)
		for (int i = 0; i < 64; i = ((i | half) + 1) & ~half) {
			uint64_t t = ((x[i] >> half) ^ x[i | half]) & mask;

			x[i] ^= t << half;
			x[i | half] ^= t;
		}
}

/* Columns 64*word .. 64*word+63 of rows r0..r0+63 of A, of which there are k, as 64 words. */
static void block_transposed(const uint64_t *a, int64_t lda, int64_t k, int64_t r0, int64_t word,
                             uint64_t x[64])
{
	for (int64_t i = 0; i < 64; i++)
		x[i] = r0 + i < k ? a[(r0 + i) * lda + word] : 0;
	transpose64(x);
}

/* Columns c0.. of A[k, ...] from row r0 on, 64*words rows, as rows of `words` words: the columns of
 * the 64-bit words that hold columns c0..c1, so out has room for c1-c0+126 rows.  Returns column
 * c0's. */
static const uint64_t *transpose_columns(const uint64_t *a, int64_t lda, int64_t k, int64_t r0,
                                         int64_t words, int64_t c0, int64_t c1, uint64_t *out)
{
	for (int64_t word = c0 / 64; word * 64 < c1; word++)
		for (int64_t w = 0; w < words; w++) {
			uint64_t x[64];

			block_transposed(a, lda, k, r0 + 64 * w, word, x);
			for (int64_t i = 0; i < 64; i++)
				out[((word - c0 / 64) * 64 + i) * words + w] = x[i];
		}
	return out + c0 % 64 * words;
}

void dgm_bits_tmm(int64_t m0, int64_t m1, int64_t n, int64_t k, float alpha, const uint64_t *a,
                  int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	uint64_t rows[(COLUMNS + 128) * (TMM_K / 64)];

	if (k <= 0)
		dgm_scale(m1 - m0, n, beta, c, ldc);
	for (int64_t c0 = m0; c0 < m1; c0 += COLUMNS)
		for (int64_t k0 = 0; k0 < k; k0 += TMM_K) {
			int64_t slab = dgm_min(k - k0, TMM_K), words = (slab + 63) / 64;
			int64_t c1 = dgm_min(m1, c0 + COLUMNS);

			dgm_bits_product_kernel()(&(struct bits_product){
			    .m = c1 - c0,
			    .n = n,
			    .k = slab,
			    .alpha = alpha,
			    .beta = k0 ? 1 : beta,
			    .a = transpose_columns(a, lda, k, k0, words, c0, c1, rows),
			    .lda = words,
			    .b = b + k0 * ldb,
			    .ldb = ldb,
			    .c = c + (c0 - m0) * ldc,
			    .ldc = ldc,
			});
		}
}

/* A slab of B, columns j0..j1, as words of 32 bits: word w of column j in out[w*COUNT_N + j-j0]. */
static void spread_columns(const uint64_t *b, int64_t ldb, int64_t k, int64_t r0, int64_t words,
                           int64_t j0, int64_t j1, uint32_t *out)
{
	for (int64_t word = j0 / 64; word * 64 < j1; word++)
		for (int64_t w = 0; w < words; w++) {
			uint32_t *to = out + 2 * w * COUNT_N + word * 64 - j0;
			uint64_t x[64];

			block_transposed(b, ldb, k, r0 + 64 * w, word, x);
			for (int64_t i = 0; i < 64; i++) {
				to[i] = (uint32_t)x[i];
				to[COUNT_N + i] = (uint32_t)(x[i] >> 32);
			}
		}
}

void dgm_bits_count(int64_t m0, int64_t m1, int64_t n, int64_t k, float alpha, const uint64_t *a,
                    int64_t lda, const uint64_t *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	uint64_t rows[(COLUMNS + 128) * (COUNT_K / 64)];
	uint32_t items[(COLUMNS + 128) * (COUNT_K / 32)], columns[COUNT_K / 32 * COUNT_N];

	if (k <= 0)
		dgm_scale(m1 - m0, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k; k0 += COUNT_K)
		for (int64_t j0 = 0; j0 < n; j0 += COUNT_N) {
			int64_t slab = dgm_min(k - k0, COUNT_K), words = (slab + 63) / 64,
			        j1 = dgm_min(n, j0 + COUNT_N);
			int64_t words32 = (slab + 31) / 32;

			spread_columns(b, ldb, k, k0, words, j0, j1, columns);
			for (int64_t c0 = m0; c0 < m1; c0 += COLUMNS) {
				int64_t c1 = dgm_min(m1, c0 + COLUMNS);
				const uint64_t *at = transpose_columns(a, lda, k, k0, words, c0, c1, rows);

				for (int64_t i = 0; i < c1 - c0; i++)
					for (int64_t w = 0; w < words32; w++)
						items[i * words32 + w] = (uint32_t)(at[i * words + w / 2] >> w % 2 * 32);
				dgm_bits_count_kernel()(&(struct bits_count){
				    .m = c1 - c0,
				    .n = j1 - j0,
				    .words = words32,
				    .alpha = alpha,
				    .beta = k0 ? 1 : beta,
				    .a = items,
				    .b = columns,
				    .bstride = COUNT_N,
				    .c = c + (c0 - m0) * ldc + j0,
				    .ldc = ldc,
				});
			}
		}
}
