/* npz: archives of NumPy arrays, zip files of stored or deflated .npy members:
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, with zip64.
 *
 * The directory at the end of the file is what counts; of a local header only its own length is
 * used. */
#include "reader.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIRECTORY ((int64_t)1 << 26)

struct entry { /* of the directory */
	const unsigned char *name;
	unsigned name_len, method, flags;
	uint32_t crc;
	uint64_t packed, size, at;
};
struct archive {
	const char *path;
	FILE *f;
	uint64_t size;
	unsigned char *dir;
	size_t dir_size;
	uint64_t entries;
};
struct dgm_member {
	FILE *f;
	z_stream z;
	bool deflated, ended;
	uint64_t packed, size; /* bytes still to come */
	uint32_t crc, want;
	unsigned char in[1 << 16];
};

static uint64_t little(const unsigned char *p, int size)
{
	uint64_t x = 0;
	for (int i = size - 1; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

static bool read_at(const struct archive *a, uint64_t at, void *to, size_t n)
{
	return at <= a->size && n <= a->size - at && fseeko(a->f, (off_t)at, SEEK_SET) == 0 &&
	       fread(to, 1, n, a->f) == n;
}

/* The end record: where the directory is.  It is followed by a comment of at most 65535 bytes. */
static int find_directory(struct archive *a, uint64_t *at, uint64_t *size)
{
	enum { END = 22, LOCATOR = 20, END64 = 56 };
	unsigned char *tail = malloc(END + 65535), b[END64];
	uint64_t n = a->size < END + 65535 ? a->size : END + 65535, from = 0;
	bool found = false;
	if (!tail)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", a->path);
	if (read_at(a, a->size - n, tail, (size_t)n))
		for (from = n - (n < END ? n : END) + 1; from-- > 0 && !found;)
			found = n >= END && memcmp(tail + from, "PK\5\6", 4) == 0 &&
			        little(tail + from + 20, 2) + from + END == n;
	from++;
	if (found) {
		a->entries = little(tail + from + 10, 2);
		*size = little(tail + from + 12, 4);
		*at = little(tail + from + 16, 4);
		from += a->size - n;
	}
	free(tail);
	if (!found)
		return dgm_fail(DGM_EFORMAT,
		                "%s: not a .npz file: a zip archive ends with a directory, "
		                "and there is none; it may be cut off",
		                a->path);
	if (from >= LOCATOR && read_at(a, from - LOCATOR, b, LOCATOR) && memcmp(b, "PK\6\7", 4) == 0 &&
	    read_at(a, little(b + 8, 8), b, END64) && memcmp(b, "PK\6\6", 4) == 0) {
		a->entries = little(b + 32, 8);
		*size = little(b + 40, 8);
		*at = little(b + 48, 8);
	}
	return DGM_OK;
}

static int damaged(const char *path)
{
	return dgm_fail(DGM_EFORMAT, "%s: the directory of the archive is damaged", path);
}

static int open_archive(struct archive *a, const char *path)
{
	uint64_t at = 0, size = 0;
	*a = (struct archive){.path = path, .f = fopen(path, "rb")};
	if (!a->f)
		return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	if (fseeko(a->f, 0, SEEK_END) != 0 || ftello(a->f) < 0)
		return dgm_fail(DGM_EIO, "%s: is not a regular file", path);
	a->size = (uint64_t)ftello(a->f);
	int status = find_directory(a, &at, &size);
	if (status)
		return status;
	if (size > MAX_DIRECTORY || at > a->size || size > a->size - at)
		return damaged(path);
	a->dir = malloc((size_t)size + 1);
	if (!a->dir)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
	a->dir_size = (size_t)size;
	return read_at(a, at, a->dir, a->dir_size) ? DGM_OK : damaged(path);
}

static void close_archive(struct archive *a)
{
	if (a->f)
		fclose(a->f);
	free(a->dir);
}

/* Sizes that do not fit 32 bits stand in an extra field, in this order. */
static bool wide_sizes(const unsigned char *extra, size_t len, struct entry *e)
{
	uint64_t *const size[3] = {&e->size, &e->packed, &e->at};
	while (len >= 4) {
		size_t id = (size_t)little(extra, 2), n = (size_t)little(extra + 2, 2), at = 4;
		if (n > len - 4)
			return false;
		for (int i = 0; i < 3 && id == 1; i++) {
			if (*size[i] != UINT32_MAX)
				continue;
			if (at + 8 > n + 4)
				return false;
			*size[i] = little(extra + at, 8);
			at += 8;
		}
		extra += n + 4;
		len -= n + 4;
	}
	return true;
}

/* The entry at *at, which moves behind it. */
static bool next_entry(const struct archive *a, size_t *at, struct entry *e)
{
	enum { ENTRY = 46 };
	const unsigned char *p = a->dir + *at;
	size_t room = a->dir_size - *at;
	if (room < ENTRY || memcmp(p, "PK\1\2", 4) != 0)
		return false;
	*e = (struct entry){.name = p + ENTRY,
	                    .name_len = (unsigned)little(p + 28, 2),
	                    .flags = (unsigned)little(p + 8, 2),
	                    .method = (unsigned)little(p + 10, 2),
	                    .crc = (uint32_t)little(p + 16, 4),
	                    .packed = little(p + 20, 4),
	                    .size = little(p + 24, 4),
	                    .at = little(p + 42, 4)};
	size_t extra = (size_t)little(p + 30, 2);
	size_t len = ENTRY + e->name_len + extra + (size_t)little(p + 32, 2);
	if (len > room || !wide_sizes(e->name + e->name_len, extra, e))
		return false;
	if (e->name_len > 4 && memcmp(e->name + e->name_len - 4, ".npy", 4) == 0)
		e->name_len -= 4;
	*at += len;
	return true;
}

/* The entry of an array; without a name that of the only one there is. */
static int find_entry(const struct archive *a, const char *name, struct entry *out)
{
	char list[200] = "";
	struct entry e;
	size_t at = 0, room = 0;
	for (uint64_t i = 0; i < a->entries; i++) {
		if (!next_entry(a, &at, &e))
			return damaged(a->path);
		if (name && *name ? strlen(name) == e.name_len && memcmp(name, e.name, e.name_len) == 0
		                  : a->entries == 1) {
			*out = e;
			return DGM_OK;
		}
		room = strlen(list);
		snprintf(list + room, sizeof list - room, "%s%.*s", i ? ", " : "", (int)e.name_len,
		         (const char *)e.name);
	}
	if (!name || !*name)
		return dgm_fail(DGM_EFORMAT, "%s: say which array with array = \"...\": it holds %s",
		                a->path, *list ? list : "none");
	return dgm_fail(DGM_EFORMAT, "%s: it holds no array '%s', but %s", a->path, name,
	                *list ? list : "none");
}

static int open_member(const struct archive *a, const struct entry *e, struct dgm_stream *s)
{
	enum { LOCAL = 30 };
	unsigned char b[LOCAL];
	if (e->flags & 1)
		return dgm_fail(DGM_EFORMAT, "%s: it is encrypted", s->path);
	if (e->method != 0 && e->method != 8)
		return dgm_fail(DGM_EFORMAT, "%s: packed by method %u, expected 0 (stored) or 8 (deflated)",
		                s->path, e->method);
	if (!read_at(a, e->at, b, LOCAL) || memcmp(b, "PK\3\4", 4) != 0)
		return damaged(a->path);
	uint64_t at = e->at + LOCAL + little(b + 26, 2) + little(b + 28, 2);
	if (at > a->size || e->packed > a->size - at || (e->method == 0 && e->packed != e->size))
		return damaged(a->path);
	struct dgm_member *m = calloc(1, sizeof *m);
	if (!m || fseeko(a->f, (off_t)at, SEEK_SET) != 0 ||
	    (e->method == 8 && inflateInit2(&m->z, -MAX_WBITS) != Z_OK)) {
		free(m);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", s->path);
	}
	m->f = a->f;
	m->deflated = e->method == 8;
	m->packed = e->packed;
	m->size = e->size;
	m->want = e->crc;
	s->member = m;
	return DGM_OK;
}

static void close_member(struct dgm_stream *s)
{
	if (s->member && s->member->deflated)
		inflateEnd(&s->member->z);
	free(s->member);
	s->member = NULL;
}

/* Up to n bytes; 0: no more come, rightly or not. */
static size_t read_stored(struct dgm_member *m, void *to, size_t n)
{
	size_t k = fread(to, 1, n < m->packed ? n : (size_t)m->packed, m->f);
	m->packed -= k;
	return k;
}

static size_t read_deflated(struct dgm_member *m, void *to, size_t n)
{
	m->z.next_out = to;
	m->z.avail_out = (unsigned)n;
	while (m->z.avail_out == (unsigned)n && !m->ended) {
		if (m->z.avail_in == 0) {
			m->z.next_in = m->in;
			m->z.avail_in = (unsigned)read_stored(m, m->in, sizeof m->in);
		}
		int code = inflate(&m->z, Z_NO_FLUSH);
		m->ended =
		    code != Z_OK || (m->z.avail_in == 0 && m->packed == 0 && m->z.avail_out == (unsigned)n);
	}
	return n - m->z.avail_out;
}

int dgm_member_read(struct dgm_stream *s, void *to, int64_t n, int64_t *got)
{
	struct dgm_member *m = s->member;
	for (*got = 0; *got < n && m->size;) {
		size_t want = (size_t)(n - *got);
		want = want < m->size ? want : (size_t)m->size;
		want = want < 1 << 24 ? want : 1 << 24;
		size_t k = m->deflated ? read_deflated(m, (char *)to + *got, want)
		                       : read_stored(m, (char *)to + *got, want);
		if (k == 0)
			return dgm_fail(DGM_EFORMAT, "%s: damaged zip data", s->path);
		m->crc = (uint32_t)crc32(m->crc, (const unsigned char *)to + *got, (unsigned)k);
		m->size -= k;
		*got += (int64_t)k;
	}
	if (m->size == 0 && m->crc != m->want)
		return dgm_fail(DGM_EFORMAT, "%s: damaged zip data (incorrect data check)", s->path);
	return DGM_OK;
}

static int read_npz(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	struct archive a;
	struct entry e = {.name = (const unsigned char *)""};
	struct dgm_stream s;
	char name[4400];
	int status = dgm_stream_open(&s, path);
	dgm_stream_close(&s);
	if (status)
		return status;
	status = open_archive(&a, path);
	if (!status)
		status = find_entry(&a, spec->member, &e);
	if (!status) {
		snprintf(name, sizeof name, "%s: %.*s", path, (int)(e.name_len < 256 ? e.name_len : 256),
		         (const char *)e.name);
		s = (struct dgm_stream){.path = name};
		status = open_member(&a, &e, &s);
	}
	if (!status)
		status = dgm_read_npy(&s, out);
	close_member(&s);
	close_archive(&a);
	return status;
}

const struct dgm_reader dgm_reader_npz = {"npz", "path:str array:str=", true, 0, read_npz};
