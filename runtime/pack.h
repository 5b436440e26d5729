/* The layout of a packed matrix B[k,n], and its making: shared by pack.c and the products.
 *
 * Panels of PANEL columns, one behind the other (dgm_pack_size(k, 1) floats each); a panel is its rows of
 * PANEL floats, k rounded up to PACK_ROWS, with zeros behind the last row and column, and one more row of
 * zeros behind every PACK_BLOCK rows and behind the last. */
#ifndef DGM_PACK_H
#define DGM_PACK_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PANEL = 16,
	PACK_ROWS = 16,
	PACK_BLOCK = 192 /* rows of a panel that a product with bits goes through at a time: 12 KiB */
};

static inline int64_t dgm_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
/* Floats from the start of a panel to its row k0, a multiple of PACK_BLOCK or inside its block. */
static inline int64_t dgm_pack_row(int64_t k0)
{
	return (k0 + k0 / PACK_BLOCK) * PANEL;
}
/* Rows k0..k1 of the PANEL columns from j on, with all their zeros; k0 a multiple of PACK_BLOCK; tb: b is
 * stored transposed.  Returns the end of what it wrote. */
float *dgm_pack_panel(bool tb, int64_t k0, int64_t k1, int64_t j, int64_t n, const float *b, int64_t ldb,
                      float *to);

/* B[j, 0..k) -> panel[0..k)[j] for the PANEL columns from b, `width` of them there, zeros for the rest. */
typedef void transpose_fn(const float *b, int64_t ldb, int64_t width, int64_t k, float *panel);
transpose_fn *dgm_transpose_kernel(void);

#endif
