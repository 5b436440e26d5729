/* bars_and_stripes(n, m): every distinct n x m pattern whose rows are each all on or all off
 * (stripes) or whose columns are (bars): 2^n + 2^m - 2 patterns, the all-off and the all-on one
 * being both. MacKay, Information Theory, Inference and Learning Algorithms (2003), section 43.3.
 */
#include "reader.h"
#include <inttypes.h>
#include <stdlib.h>

static int read_bars(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	int64_t n = spec->arg[0], m = spec->arg[1];
	(void)path;
	if (n < 1 || m < 1)
		return dgm_fail(DGM_EDOMAIN, "bars_and_stripes(%" PRId64 ", %" PRId64 "): sizes begin at 1",
		                n, m);
	if (n > 20 || m > 20)
		return dgm_fail(DGM_ELIMIT,
		                "bars_and_stripes(%" PRId64 ", %" PRId64 "): 2^%" PRId64
		                " patterns are too many, sizes go to 20",
		                n, m, n > m ? n : m);
	int64_t stripes = (int64_t)1 << n, bars = ((int64_t)1 << m) - 2;
	uint8_t *v = malloc((size_t)((stripes + bars) * n * m));
	if (!v)
		return dgm_fail(DGM_ENOMEM, "bars_and_stripes: not enough memory");
	uint8_t *to = v;
	for (int64_t s = 0; s < stripes; s++)
		for (int64_t i = 0; i < n; i++)
			for (int64_t j = 0; j < m; j++)
				*to++ = (uint8_t)(s >> i & 1);
	for (int64_t b = 1; b <= bars; b++)
		for (int64_t i = 0; i < n; i++)
			for (int64_t j = 0; j < m; j++)
				*to++ = (uint8_t)(b >> j & 1);
	*out = (struct dgm_raw){.n = stripes + bars, .rank = 2, .dim = {n, m}, .u8 = v};
	return DGM_OK;
}

const struct dgm_reader dgm_reader_bars = {"bars_and_stripes", "n:int m:int", false, 2, read_bars};
