/* idx: the format of the MNIST files, http://yann.lecun.com/exdb/mnist/, plain or gzip.
 *
 *     0 0 type rank   size[0] ... size[rank-1]   values, row-major
 *
 * Sizes are 32-bit, all numbers big-endian.  Axis 0 counts the examples. */
#include "reader.h"
#include <stdlib.h>

static bool elem_of(unsigned type, struct dgm_elem *e)
{
	static const struct {
		unsigned type;
		struct dgm_elem e;
	} table[] = {
	    {0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
	    {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].type == type) {
			*e = table[i].e;
			return true;
		}
	return false;
}

static int read_header(struct dgm_stream *s, struct dgm_elem *e, struct dgm_raw *out)
{
	unsigned char b[4 * (DGM_MAX_RANK + 1)];
	int64_t got;
	int status = dgm_stream_read(s, b, 4, &got);
	if (status)
		return status;
	if (got < 4)
		return dgm_fail(DGM_EFORMAT, "%s: truncated: an IDX file has 4 bytes of magic, %d found",
		                s->path, (int)got);
	if (b[0] || b[1])
		return dgm_fail(
		    DGM_EFORMAT,
		    "%s: not an IDX file: begins with %02x %02x %02x %02x, expected 00 00, type, "
		    "rank%s",
		    s->path, b[0], b[1], b[2], b[3], dgm_stream_guess(b, got));
	if (!elem_of(b[2], e))
		return dgm_fail(
		    DGM_EFORMAT,
		    "%s: IDX type %02x, expected 08 (u8), 09 (i8), 0b (i16), 0c (i32), 0d (f32) or "
		    "0e (f64)",
		    s->path, b[2]);
	int rank = b[3];
	if (rank < 1 || rank > DGM_MAX_RANK + 1)
		return dgm_fail(DGM_EFORMAT, "%s: IDX rank %d, expected 1 to %d", s->path, rank,
		                DGM_MAX_RANK + 1);
	status = dgm_stream_read(s, b, 4 * rank, &got);
	if (status)
		return status;
	if (got < 4 * rank)
		return dgm_fail(DGM_EFORMAT, "%s: truncated: rank %d needs %d bytes of sizes, %d found",
		                s->path, rank, 4 * rank, (int)got);
	for (int i = 0; i < rank; i++) {
		const unsigned char *p = b + 4 * i;
		int64_t size = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
		if (i == 0)
			out->n = size;
		else
			out->dim[i - 1] = size;
	}
	out->rank = rank - 1;
	return DGM_OK;
}

static int read_idx(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	struct dgm_stream s;
	struct dgm_elem e = {0};
	(void)spec;
	int status = dgm_stream_open(&s, path);
	if (!status)
		status = read_header(&s, &e, out);
	if (!status)
		status = dgm_read_values(&s, e, out);
	dgm_stream_close(&s);
	return status;
}

const struct dgm_reader dgm_reader_idx = {"idx", "path:str", true, 0, read_idx};
