/* The byte stream under all file readers, and the reading of arrays of binary numbers.
 *
 * zlib's gzopen reads gzip and plain files alike (RFC 1952).  Integers wider than 24 bits and
 * doubles are rounded to float. */
#include "reader.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int dgm_stream_open(struct dgm_stream *s, const char *path)
{
	struct stat st;
	*s = (struct dgm_stream){.path = path};
	if (stat(path, &st) != 0)
		return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return dgm_fail(DGM_EIO, "%s: is a folder, expected a file", path);
	if (!S_ISREG(st.st_mode))
		return dgm_fail(DGM_EIO, "%s: is not a regular file", path);
	errno = 0;
	s->gz = gzopen(path, "rb");
	if (!s->gz)
		return errno ? dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno))
		             : dgm_fail(DGM_ENOMEM, "%s: not enough memory to open it", path);
	gzbuffer(s->gz, 1 << 17);
	return DGM_OK;
}

int dgm_stream_read(struct dgm_stream *s, void *to, int64_t n, int64_t *got)
{
	*got = 0;
	if (s->member)
		return dgm_member_read(s, to, n, got);
	while (*got < n) {
		int64_t want = n - *got < 1 << 24 ? n - *got : 1 << 24;
		errno = 0;
		int k = gzread(s->gz, (char *)to + *got, (unsigned)want);
		if (k > 0) {
			*got += k;
			continue;
		}
		int code = Z_OK;
		const char *text = gzerror(s->gz, &code);
		if (code == Z_ERRNO)
			return dgm_fail(DGM_EIO, "%s: %s", s->path, strerror(errno));
		if (code == Z_MEM_ERROR)
			return dgm_fail(DGM_ENOMEM, "%s: not enough memory to unpack it", s->path);
		if (k < 0) {
			size_t skip = strlen(s->path); /* zlib's text is "path: reason" */
			if (strncmp(text, s->path, skip) == 0 && strncmp(text + skip, ": ", 2) == 0)
				text += skip + 2;
			return dgm_fail(DGM_EFORMAT, "%s: damaged gzip data (%s)", s->path, text);
		}
		s->cut = code == Z_BUF_ERROR;
		return DGM_OK;
	}
	return DGM_OK;
}

void dgm_stream_close(struct dgm_stream *s)
{
	if (s->gz)
		gzclose(s->gz);
	s->gz = NULL;
}

const char *dgm_stream_guess(const unsigned char *b, int64_t n)
{
	if (n >= 6 && memcmp(b, "\x93NUMPY", 6) == 0)
		return ": it looks like a NumPy array, read it with npy(...)";
	if (n >= 4 && memcmp(b, "PK\3\4", 4) == 0)
		return ": it looks like a zip archive, a .npz file is read with npz(...)";
	if (n >= 6 && memcmp(b, "MATLAB", 6) == 0)
		return ": it looks like a MATLAB file, read it with mat(...)";
	if (n >= 4 && b[0] == 0 && b[1] == 0 && b[2] >= 8 && b[2] <= 14 && b[3] >= 1 && b[3] <= 9)
		return ": it looks like an IDX file, read it with idx(...)";
	for (int64_t i = 0; i < n; i++)
		if (!strchr("0123456789+-.,;eE \t\r\n", b[i]) || b[i] == 0)
			return "";
	return n ? ": it looks like a table of numbers, read it with csv(...)" : ": it is empty";
}

int64_t dgm_raw_values(const struct dgm_raw *r)
{
	int64_t n = r->n;
	if (n <= 0 || n > DGM_MAX_VALUES)
		return -1;
	for (int i = 0; i < r->rank; i++) {
		if (r->dim[i] <= 0 || r->dim[i] > DGM_MAX_VALUES / n)
			return -1;
		n *= r->dim[i];
	}
	return n;
}

void dgm_raw_shape(const struct dgm_raw *r, char *to, size_t room)
{
	int at = snprintf(to, room, "%" PRId64, r->n);
	for (int i = 0; i < r->rank && at > 0 && (size_t)at < room; i++)
		at += snprintf(to + at, room - (size_t)at, " x %" PRId64, r->dim[i]);
}

bool dgm_floats_reserve(struct dgm_floats *f, int64_t more)
{
	if (f->n + more <= f->room)
		return true;
	int64_t room = f->room < 1 << 16 ? 1 << 16 : f->room * 2;
	if (room < f->n + more)
		room = f->n + more;
	float *v = realloc(f->v, (size_t)room * sizeof *v);
	if (!v)
		return false;
	f->v = v;
	f->room = room;
	return true;
}

static uint64_t load(const unsigned char *p, int size, bool big)
{
	uint64_t x = 0;
	for (int i = 0; i < size; i++)
		x |= (uint64_t)p[i] << 8 * (big ? size - 1 - i : i);
	return x;
}

float dgm_elem_float(const void *p, struct dgm_elem e)
{
	uint64_t x = load(p, e.size, e.big);
	if (e.kind == 'f' && e.size == 8) {
		double d;
		memcpy(&d, &x, sizeof d);
		return (float)d;
	}
	if (e.kind == 'f') {
		uint32_t low = (uint32_t)x;
		float f;
		memcpy(&f, &low, sizeof f);
		return f;
	}
	if (e.kind == 'i' && x >> (8 * e.size - 1)) {
		if (e.size < 8)
			x |= ~(uint64_t)0 << 8 * e.size;
		return (float)(int64_t)x;
	}
	return (float)x;
}

/* Reads n bytes into a block that doubles, at most to n. */
static int read_bytes(struct dgm_stream *s, int64_t n, uint8_t **to, int64_t *got)
{
	int64_t room = 0;
	*got = 0;
	while (*got < n) {
		if (*got == room) {
			room = room ? room * 2 : 1 << 24;
			if (room > n)
				room = n;
			uint8_t *p = realloc(*to, (size_t)room);
			if (!p)
				return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " bytes of data",
				                s->path, n);
			*to = p;
		}
		int64_t k = 0;
		int status = dgm_stream_read(s, *to + *got, room - *got, &k);
		*got += k;
		if (status || *got < room)
			return status;
	}
	return DGM_OK;
}

static int read_floats(struct dgm_stream *s, struct dgm_elem e, int64_t n, float **to, int64_t *got)
{
	unsigned char buf[1 << 15];
	struct dgm_floats f = {0};
	int status = DGM_OK;
	*got = 0;
	while (f.n < n) {
		int64_t want = (int64_t)sizeof buf / e.size, k = 0;
		if (want > n - f.n)
			want = n - f.n;
		status = dgm_stream_read(s, buf, want * e.size, &k);
		*got += k;
		if (status || k < want * e.size)
			break;
		if (!dgm_floats_reserve(&f, want)) {
			status =
			    dgm_fail(DGM_ENOMEM, "%s: not enough memory for %" PRId64 " values", s->path, n);
			break;
		}
		for (int64_t i = 0; i < want; i++)
			f.v[f.n + i] = dgm_elem_float(buf + i * e.size, e);
		f.n += want;
	}
	*to = f.v;
	return status;
}

/* Expects the end of the stream, which is also where a gzip checksum is checked. */
static int expect_end(struct dgm_stream *s, const char *promise, int64_t bytes)
{
	char rest[4096];
	int64_t more = 0, k = 0;
	do {
		int status = dgm_stream_read(s, rest, sizeof rest, &k);
		if (status)
			return status;
		more += k;
	} while (k == (int64_t)sizeof rest && more < 1 << 28);
	if (more)
		return dgm_fail(DGM_EFORMAT,
		                "%s: too long: header promises %s bytes (%" PRId64 "), %s%" PRId64
		                " more follow",
		                s->path, promise, bytes, k ? "" : "at least ", more);
	if (s->cut)
		return dgm_fail(DGM_EFORMAT, "%s: truncated: the end of the gzip stream is missing",
		                s->path);
	return DGM_OK;
}

int dgm_read_values(struct dgm_stream *s, struct dgm_elem e, struct dgm_raw *out)
{
	char promise[320];
	dgm_raw_shape(out, promise, sizeof promise - 8);
	int64_t n = dgm_raw_values(out), got = 0, bytes;
	if (n < 0) {
		for (int i = -1; i < out->rank; i++)
			if ((i < 0 ? out->n : out->dim[i]) <= 0)
				return dgm_fail(DGM_EFORMAT, "%s: header promises %s values: it holds no data",
				                s->path, promise);
		return dgm_fail(DGM_ELIMIT, "%s: header promises %s values, at most 2^40 are read", s->path,
		                promise);
	}
	bytes = n * e.size;
	if (e.size > 1) {
		size_t at = strlen(promise);
		snprintf(promise + at, sizeof promise - at, " x %d", e.size);
	}
	int status = e.kind == 'u' && e.size == 1 ? read_bytes(s, n, &out->u8, &got)
	                                          : read_floats(s, e, n, &out->f32, &got);
	if (!status && got < bytes)
		status = dgm_fail(
		    DGM_EFORMAT, "%s: truncated: header promises %s bytes (%" PRId64 "), %" PRId64 " found",
		    s->path, promise, bytes, got);
	if (!status)
		status = expect_end(s, promise, bytes);
	if (status) {
		free(out->u8);
		free(out->f32);
		out->u8 = NULL;
		out->f32 = NULL;
	}
	return status;
}

/* The array stands with axis 0 running fastest; v gets it with axis 0 running slowest. */
static void turn(const struct dgm_raw *r, int64_t values, const void *from, void *to, size_t size)
{
	int64_t axis[DGM_MAX_RANK + 1], at[DGM_MAX_RANK + 1] = {0}, step[DGM_MAX_RANK + 1], source = 0;
	int rank = r->rank + 1;
	for (int i = 0; i < rank; i++) {
		axis[i] = i ? r->dim[i - 1] : r->n;
		step[i] = i ? step[i - 1] * axis[i - 1] : 1;
	}
	for (int64_t k = 0; k < values; k++) {
		memcpy((char *)to + (size_t)k * size, (const char *)from + (size_t)source * size, size);
		for (int i = rank - 1; i >= 0; i--) {
			source += step[i];
			if (++at[i] < axis[i])
				break;
			source -= step[i] * axis[i];
			at[i] = 0;
		}
	}
}

int dgm_turn_fortran(const char *path, struct dgm_raw *r)
{
	int64_t values = dgm_raw_values(r);
	size_t size = r->u8 ? 1 : sizeof(float);
	void *to = malloc((size_t)values * size);
	if (!to)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory to turn an array in Fortran order",
		                path);
	turn(r, values, r->u8 ? (void *)r->u8 : (void *)r->f32, to, size);
	free(r->u8);
	free(r->f32);
	if (r->u8)
		r->u8 = to;
	else
		r->f32 = to;
	return DGM_OK;
}
