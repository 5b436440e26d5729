/* reader: what the readers of data files share: a byte stream over plain and gzip files, arrays of
 * numbers that grow while they are read, and the sentences about files that break their promise. */
#ifndef DGM_READER_H
#define DGM_READER_H
#include "data.h"
#include <zlib.h>

#define DGM_MAX_VALUES \
	((int64_t)1 << 40) /* more values than this in one file are refused unread \
	                    */

struct dgm_member; /* a member of a zip archive: reader_npz.c */
struct dgm_stream {
	gzFile gz; /* one of the two */
	struct dgm_member *member;
	const char *path;
	bool cut; /* the end that was reached is not the end of the gzip stream */
};
/* DGM_EIO: missing, a folder, not a file, unreadable. */
int dgm_stream_open(struct dgm_stream *s, const char *path);
/* Reads n bytes, fewer only at the end of the file; DGM_EFORMAT for damaged gzip data. */
int dgm_stream_read(struct dgm_stream *s, void *to, int64_t n, int64_t *got);
void dgm_stream_close(struct dgm_stream *s);
/* The same of a member: fewer than n bytes at its end; there its checksum is compared. */
int dgm_member_read(struct dgm_stream *s, void *to, int64_t n, int64_t *got);
/* ": it looks like ..., read it with ..." for the first bytes of a file of another format, or "".
 */
const char *dgm_stream_guess(const unsigned char *first, int64_t n);

struct dgm_elem { /* one number in a binary file */
	char kind;    /* 'u' unsigned, 'i' signed, 'f' floating */
	int size;     /* bytes */
	bool big;     /* big-endian */
};
/* Reads the values promised by out->n, rank and dim to the very end of the stream: bytes into
 * out->u8, all else, rounded to float, into out->f32.  Memory is taken as the bytes arrive, so a
 * header that lies costs nothing.  On failure nothing is left in out. */
int dgm_read_values(struct dgm_stream *s, struct dgm_elem e, struct dgm_raw *out);

float dgm_elem_float(const void *p, struct dgm_elem e);
/* Reads a .npy array; on failure nothing is left in out. */
int dgm_read_npy(struct dgm_stream *s, struct dgm_raw *out);
/* Turns values that stand with axis 0 running fastest so that it runs slowest. */
int dgm_turn_fortran(const char *path, struct dgm_raw *r);

/* Values in a raw set, or -1: a size of zero or below, or more than DGM_MAX_VALUES. */
int64_t dgm_raw_values(const struct dgm_raw *r);
/* Writes "60000 x 28 x 28". */
void dgm_raw_shape(const struct dgm_raw *r, char *to, size_t room);

struct dgm_floats { /* a growing array */
	float *v;
	int64_t n, room;
};
/* Room for `more` behind the n there are; false: no memory. */
bool dgm_floats_reserve(struct dgm_floats *f, int64_t more);

struct dgm_lines { /* the lines of a stream, without their ends */
	struct dgm_stream *s;
	char *buf;
	int64_t room, at, end;
	int64_t number; /* of the line, from 1 */
	bool last;      /* the stream is read to its end */
};
int dgm_lines_open(struct dgm_lines *l, struct dgm_stream *s); /* on failure there is nothing to close */
/* The next line, NUL-terminated, or *line = NULL at the end. */
int dgm_lines_next(struct dgm_lines *l, char **line);
void dgm_lines_close(struct dgm_lines *l);

extern const struct dgm_reader dgm_reader_idx, dgm_reader_npy, dgm_reader_npz, dgm_reader_mat, dgm_reader_csv,
    dgm_reader_libsvm, dgm_reader_libsvm_labels, dgm_reader_bars;
#endif
