/* The product of the rows of A that have many zeros, for one level of CPU: included by dense_body.h.
 *
 * What is not zero is listed row by row, and a row of C adds up the rows of B that its list names, in the
 * order of k: the same sums as the dense kernel's, to the bit, for what that adds of a zero is nothing.
 * SPARSE_PANELS panels of B, SPARSE_BLOCK rows of them, stay in the first cache while the rows of A go by. */

struct CLONE(lists) {
	int64_t n[SPARSE_ROWS];                           /* entries of each row */
	uint16_t start[SPARSE_ROWS][DENSE_BLOCKS + 1];    /* ... before each SPARSE_BLOCK of k */
	float value[SPARSE_ROWS][DENSE_DEPTH + 16];
	uint16_t at[SPARSE_ROWS][DENSE_DEPTH + 16];       /* its row of B in the block, in floats */
};

/* Appends the nonzero ones of 16 values, which stand for rows l.. of B. */
static inline KERNEL void CLONE(list16)(struct CLONE(lists) * to, int64_t row, const float *x, int64_t l)
{
	int64_t n = to->n[row], first = l % SPARSE_BLOCK;
	float *value = to->value[row] + n;
	uint16_t *at = to->at[row] + n;

#if LEVEL == 2
	const __m512i step = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i place = _mm512_slli_epi32(_mm512_add_epi32(step, _mm512_set1_epi32((int)first)), 4);
	__m512 v = _mm512_loadu_ps(x);
	__mmask16 some = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);

	_mm512_storeu_ps(value, _mm512_maskz_compress_ps(some, v));
	_mm256_storeu_si256((void *)at,
	                    _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(some, place)));
	n += __builtin_popcount(some);
#else
	for (int64_t i = 0; i < 16; i++) {
		*value = x[i];
		*at = (uint16_t)((first + i) * PANEL);
		value += x[i] != 0;
		at += x[i] != 0;
	}
	n = value - to->value[row];
#endif
	to->n[row] = n;
}

/* tile[r] = elements l..l+16 of row i+r, zeros behind the last. */
static inline KERNEL void CLONE(fetch)(const struct dense_product *p, int64_t i, int64_t l, float *tile)
{
	int64_t rows = p->m - i < 16 ? p->m - i : 16, some = p->k - l < 16 ? p->k - l : 16;
	const float *a = p->a + i * p->arow + l * p->acol;

	if (p->arow == 1) {
		dgm_transpose_kernel()(a, p->acol, some, rows, tile);
		return;
	}
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < 16; c++)
			tile[r * 16 + c] = c < some ? a[r * p->arow + c * p->acol] : 0;
}

/* Lists rows i0..i0+rows of A. */
static KERNEL void CLONE(list)(const struct dense_product *p, int64_t i0, int64_t rows,
                               struct CLONE(lists) * to)
{
	float tile[16 * 16] __attribute__((aligned(64)));

	memset(to->n, 0, sizeof to->n);
	for (int64_t l = 0; l < p->k; l += 16)
		for (int64_t i = 0; i < rows; i += 16) {
			bool there = p->acol == 1 && l + 16 <= p->k;
			const float *x = there ? p->a + (i0 + i) * p->arow + l : tile;
			int64_t step = there ? p->arow : 16;

			if (!there)
				CLONE(fetch)(p, i0 + i, l, tile);
			for (int64_t r = i; r < rows && r < i + 16; r++, x += step) {
				if (l % SPARSE_BLOCK == 0)
					to->start[r][l / SPARSE_BLOCK] = (uint16_t)to->n[r];
				CLONE(list16)(to, r, x, l);
			}
		}
	for (int64_t i = 0; i < rows; i++)
		to->start[i][(p->k + SPARSE_BLOCK - 1) / SPARSE_BLOCK] = (uint16_t)to->n[i];
}

/* to = from + the sum of value[e] * row at[e] of `panels` panels of B. */
static inline KERNEL __attribute__((always_inline)) void CLONE(add_listed)(
    const float *from, float *to, const float *b, int64_t stride, int panels, const float *value,
    const uint16_t *at, int64_t n)
{
	f32x16 sum[SPARSE_PANELS];

	for (int t = 0; t < panels; t++)
		sum[t] = CLONE(load)(from + t * PANEL);
	for (int64_t e = 0; e < n; e++) {
		const float *row = b + at[e];
		float v = value[e];

		for (int t = 0; t < panels; t++)
			sum[t] += v * CLONE(load)(row + t * stride);
	}
	for (int t = 0; t < panels; t++)
		CLONE(store)(to + t * PANEL, sum[t]);
}

/* Columns j.. of the rows of C from i0 on whose rows of A are listed. */
static inline KERNEL void CLONE(sparse_columns)(const struct dense_product *p, int64_t i0, int64_t rows,
                                                int64_t j, const struct CLONE(lists) * lists)
{
	static const float zeros[SPARSE_COLUMNS];
	float sum[SPARSE_ROWS][SPARSE_COLUMNS] __attribute__((aligned(64)));
	float *c = p->c + i0 * p->ldc + j;
	bool onto = CLONE(onto)(p), whole = j + SPARSE_COLUMNS <= p->n;
	bool plain = whole && (onto || (p->alpha == 1 && p->beta == 0));
	int64_t blocks = (p->k + SPARSE_BLOCK - 1) / SPARSE_BLOCK, stride = p->panel_stride;

	if (onto && !whole)
		CLONE(begin)(sum[0], SPARSE_COLUMNS, rows, c, p->ldc, p->n - j);
	for (int64_t block = 0; block < blocks; block++) {
		const float *b = p->b + j / PANEL * stride + dgm_pack_row(block * SPARSE_BLOCK);

		for (int64_t i = 0; i < rows; i++) {
			int64_t e = lists->start[i][block], n = lists->start[i][block + 1] - e;
			const float *value = lists->value[i] + e;
			const uint16_t *at = lists->at[i] + e;
			float *ci = c + i * p->ldc, *to = plain && block == blocks - 1 ? ci : sum[i];
			const float *from = block || (onto && !whole) ? sum[i] : onto ? ci : zeros;

			if (j + 3 * PANEL < p->n)
				CLONE(add_listed)(from, to, b, stride, 4, value, at, n);
			else if (j + 2 * PANEL < p->n)
				CLONE(add_listed)(from, to, b, stride, 3, value, at, n);
			else if (j + PANEL < p->n)
				CLONE(add_listed)(from, to, b, stride, 2, value, at, n);
			else
				CLONE(add_listed)(from, to, b, stride, 1, value, at, n);
		}
	}
	if (!plain)
		CLONE(finish)(p, sum[0], SPARSE_COLUMNS, rows, c, p->n - j);
}

static KERNEL void CLONE(sparse)(const struct dense_product *p)
{
	struct CLONE(lists) lists;
	int64_t parts = (p->m + SPARSE_ROWS - 1) / SPARSE_ROWS;

	for (int64_t part = 0; part < parts; part++) {
		int64_t i0 = p->m * part / parts, rows = p->m * (part + 1) / parts - i0;

		CLONE(list)(p, i0, rows, &lists);
		for (int64_t j = 0; j < p->n; j += SPARSE_COLUMNS)
			CLONE(sparse_columns)(p, i0, rows, j, &lists);
	}
}
