/* Products with matrices of bits: A holds 0/1 values, 64 to a word, so that A B is a sum of rows of
 * B, and A^T B of two matrices of bits is a count of common ones.
 *
 * Packed B (dgm_bits_pack): panels of PANEL columns; a panel is its rows of PANEL floats, k rounded
 * up to TABLE_BLOCK with zeros behind the last row and column, and one more row of zeros behind
 * every LIST_BLOCK rows and behind the last. A^T is made from 64x64 blocks of bits by the six
 * exchange steps of Warren, Hacker's Delight 7-3. k is cut into slabs at fixed places, so that the
 * buffers on the stack are small and a row of C is summed in the same order whichever rows are
 * asked for. */
#include "dgm_rt.h"
#include "bits.h"

#include <string.h>

enum {
	TMM_K = 1024,  /* slab of k in dgm_bits_tmm */
	COUNT_K = 512, /* slab of k in dgm_bits_count */
	COUNT_N = 512, /* columns of C at a time there */
	COLUMNS = 256  /* columns of A that are transposed at a time */
};

static int64_t round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

static int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Floats in a panel. */
static int64_t panel_size(int64_t k)
{
	return (round_up(k, TABLE_BLOCK) + (k + LIST_BLOCK - 1) / LIST_BLOCK) * PANEL;
}

int64_t dgm_bits_pack_size(int64_t k, int64_t n)
{
	return (n + PANEL - 1) / PANEL * panel_size(k);
}

/* to[i] = row i of `width` floats, zeros behind, for k rows. */
static void copy_rows(const float *b, int64_t ldb, int64_t width, int64_t k, float *to)
{
	for (int64_t i = 0; i < k; i++, to += PANEL, b += ldb)
		if (width == PANEL)
			memcpy(to, b, PANEL * sizeof *to);
		else
			for (int64_t j = 0; j < PANEL; j++)
				to[j] = j < width ? b[j] : 0;
}

void dgm_bits_pack(int32_t tb, int64_t k, int64_t n, const float *b, int64_t ldb, float *packed,
                   int64_t chunk, int64_t nchunk)
{
	bits_transpose_fn *transpose = dgm_bits_transpose_kernel();
	int64_t npanel = (n + PANEL - 1) / PANEL;

	for (int64_t j = npanel * chunk / nchunk; j < npanel * (chunk + 1) / nchunk; j++) {
		float *to = packed + j * panel_size(k);

		for (int64_t k0 = 0; k0 < k; k0 += LIST_BLOCK) {
			int64_t rows = min(k - k0, LIST_BLOCK), width = min(n - j * PANEL, PANEL);
			int64_t padded = round_up(rows, TABLE_BLOCK) + 1;

			if (tb)
				transpose(b + j * PANEL * ldb + k0, ldb, width, rows, to);
			else
				copy_rows(b + k0 * ldb + j * PANEL, ldb, width, rows, to);
			memset(to + rows * PANEL, 0, (size_t)((padded - rows) * PANEL) * sizeof *to);
			to += padded * PANEL;
		}
	}
}

/* C = beta * C, for a sum over nothing. */
static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++)
			c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;
}

void dgm_bits_mm(int64_t m, int64_t n, int64_t k, float alpha, const uint64_t *a, int64_t lda,
                 const float *packed, float beta, float *c, int64_t ldc)
{
	if (k <= 0)
		scale(m, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k; k0 += MAX_K)
		dgm_bits_product_kernel()(&(struct bits_product){
		    .m = m,
		    .n = n,
		    .k = min(k - k0, MAX_K),
		    .alpha = alpha,
		    .beta = k0 ? 1 : beta,
		    .a = a + k0 / 64,
		    .lda = lda,
		    .b = packed + (k0 + k0 / LIST_BLOCK) * PANEL,
		    .panel_stride = panel_size(k),
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
		scale(m1 - m0, n, beta, c, ldc);
	for (int64_t c0 = m0; c0 < m1; c0 += COLUMNS)
		for (int64_t k0 = 0; k0 < k; k0 += TMM_K) {
			int64_t slab = min(k - k0, TMM_K), words = (slab + 63) / 64;
			int64_t c1 = min(m1, c0 + COLUMNS);

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
		scale(m1 - m0, n, beta, c, ldc);
	for (int64_t k0 = 0; k0 < k; k0 += COUNT_K)
		for (int64_t j0 = 0; j0 < n; j0 += COUNT_N) {
			int64_t slab = min(k - k0, COUNT_K), words = (slab + 63) / 64,
			        j1 = min(n, j0 + COUNT_N);
			int64_t words32 = (slab + 31) / 32;

			spread_columns(b, ldb, k, k0, words, j0, j1, columns);
			for (int64_t c0 = m0; c0 < m1; c0 += COLUMNS) {
				int64_t c1 = min(m1, c0 + COLUMNS);
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
