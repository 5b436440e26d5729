/* Packing a matrix for the products whose right side it is: panels of columns (pack.h). */
#include "dgm_rt.h"
#include "pack.h"

#include <string.h>

static int64_t round_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

int64_t dgm_pack_size(int64_t k, int64_t n)
{
	int64_t rows = round_up(k, PACK_ROWS) + (k + PACK_BLOCK - 1) / PACK_BLOCK;

	return (n + PANEL - 1) / PANEL * rows * PANEL;
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

float *dgm_pack_panel(bool tb, int64_t k0, int64_t k1, int64_t j, int64_t n, const float *b,
                      int64_t ldb, float *to)
{
	int64_t width = dgm_min(n - j, PANEL);

	for (; k0 < k1; k0 += PACK_BLOCK) {
		int64_t rows = dgm_min(k1 - k0, PACK_BLOCK), padded = round_up(rows, PACK_ROWS) + 1;

		if (tb)
			dgm_transpose_kernel()(b + j * ldb + k0, ldb, width, rows, to);
		else
			copy_rows(b + k0 * ldb + j, ldb, width, rows, to);
		memset(to + rows * PANEL, 0, (size_t)((padded - rows) * PANEL) * sizeof *to);
		to += padded * PANEL;
	}
	return to;
}

void dgm_pack(int32_t tb, int64_t k, int64_t n, const float *b, int64_t ldb, float *packed,
              int64_t chunk, int64_t nchunk)
{
	int64_t npanel = (n + PANEL - 1) / PANEL;

	for (int64_t j = npanel * chunk / nchunk; j < npanel * (chunk + 1) / nchunk; j++)
		dgm_pack_panel(tb, 0, k, j * PANEL, n, b, ldb, packed + j * dgm_pack_size(k, 1));
}
