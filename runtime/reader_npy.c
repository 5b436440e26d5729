/* npy: NumPy arrays, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html,
 * versions 1 to 3, plain or gzip.
 *
 *     93 'NUMPY' major minor, header length (2 bytes, from version 2 on 4), header, values
 *
 * The header is a Python dictionary of descr, fortran_order and shape.  Arrays in Fortran order are
 * turned.  Axis 0 counts the examples. */
#include "reader.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER (1 << 20)

struct header {
	char descr[16];
	int fortran; /* -1: not said */
	int rank;    /* -1: not said */
	int64_t size[DGM_MAX_RANK + 1];
};

static const char *blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* 'text' or "text"; NULL: not a string, or longer than room. */
static const char *parse_string(const char *p, char *to, size_t room)
{
	char quote = *p;
	if (quote != '\'' && quote != '"')
		return NULL;
	const char *end = strchr(++p, quote);
	if (!end || (size_t)(end - p) >= room)
		return NULL;
	memcpy(to, p, (size_t)(end - p));
	to[end - p] = 0;
	return end + 1;
}

/* (3, 4L,) with at most DGM_MAX_RANK + 1 sizes. */
static const char *parse_shape(const char *p, struct header *h)
{
	if (*p != '(')
		return NULL;
	h->rank = 0;
	for (p = blanks(p + 1); *p != ')'; p = blanks(p)) {
		int64_t size = 0;
		if (!isdigit((unsigned char)*p) || h->rank > DGM_MAX_RANK)
			return NULL;
		for (; isdigit((unsigned char)*p); p++)
			if (size <= DGM_MAX_VALUES)
				size = size * 10 + (*p - '0');
		h->size[h->rank++] = size;
		p = blanks(p + (*p == 'L'));
		if (*p == ',')
			p++;
		else if (*p != ')')
			return NULL;
	}
	return p + 1;
}

static const char *parse_entry(const char *p, struct header *h)
{
	char key[32];
	p = parse_string(p, key, sizeof key);
	if (!p)
		return NULL;
	p = blanks(p);
	if (*p != ':')
		return NULL;
	p = blanks(p + 1);
	if (strcmp(key, "descr") == 0)
		return parse_string(p, h->descr, sizeof h->descr);
	if (strcmp(key, "shape") == 0)
		return parse_shape(p, h);
	if (strcmp(key, "fortran_order") != 0)
		return NULL;
	h->fortran = strncmp(p, "True", 4) == 0;
	return h->fortran ? p + 4 : strncmp(p, "False", 5) == 0 ? p + 5 : NULL;
}

/* What stopped the parser is at *p when it gives false. */
static bool parse_header(const char **p, struct header *h)
{
	*h = (struct header){.fortran = -1, .rank = -1};
	*p = blanks(*p);
	if (**p != '{')
		return false;
	for (*p = blanks(*p + 1); **p != '}'; *p = blanks(*p)) {
		const char *next = parse_entry(*p, h);
		if (!next)
			return false;
		*p = blanks(next);
		if (**p == ',')
			++*p;
		else if (**p != '}')
			return false;
	}
	return *h->descr && h->fortran >= 0 && h->rank >= 0;
}

static bool elem_of(const char *descr, struct dgm_elem *e)
{
	static const char *const known[] = {"f4", "f8", "u1", "i1", "i2", "i4",
	                                    "i8", "u2", "u4", "u8", "b1"};
	const char *type = strchr("<>|=", *descr) ? descr + 1 : descr;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(type, known[i]) == 0) {
			*e = (struct dgm_elem){
			    .kind = *type == 'b' ? 'u' : *type, .size = type[1] - '0', .big = *descr == '>'};
			return true;
		}
	return false;
}

/* Reads the header's text, NUL-terminated; the caller frees *text. */
static int read_text(struct dgm_stream *s, char **text)
{
	unsigned char b[12];
	int64_t got, k;
	int status = dgm_stream_read(s, b, 8, &got);
	if (status)
		return status;
	if (got < 6 || memcmp(b, "\x93NUMPY", 6) != 0)
		return dgm_fail(DGM_EFORMAT, "%s: not a .npy file: it does not begin with 93 'NUMPY'%s",
		                s->path, dgm_stream_guess(b, got));
	if (got == 8 && (b[6] < 1 || b[6] > 3))
		return dgm_fail(DGM_EFORMAT, "%s: .npy version %d.%d, expected 1, 2 or 3", s->path, b[6],
		                b[7]);
	int wide = got == 8 && b[6] > 1 ? 4 : 2;
	status = dgm_stream_read(s, b + 8, wide, &k);
	if (status)
		return status;
	if (got < 8 || k < wide)
		return dgm_fail(DGM_EFORMAT, "%s: truncated: a .npy file begins with %d bytes, %d found",
		                s->path, 8 + wide, (int)(got + k));
	int64_t len = b[8] | b[9] << 8;
	if (wide == 4)
		len |= (int64_t)b[10] << 16 | (int64_t)b[11] << 24;
	if (len > MAX_HEADER)
		return dgm_fail(DGM_EFORMAT, "%s: a header of %" PRId64 " bytes, at most %d are read",
		                s->path, len, MAX_HEADER);
	*text = calloc(1, (size_t)len + 1);
	if (!*text)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", s->path);
	status = dgm_stream_read(s, *text, len, &k);
	if (!status && k < len)
		status =
		    dgm_fail(DGM_EFORMAT, "%s: truncated: a header of %" PRId64 " bytes, %" PRId64 " found",
		             s->path, len, k);
	return status;
}

static int interpret(const char *path, const char *text, struct header *h, struct dgm_elem *e)
{
	const char *p = text;
	if (!parse_header(&p, h)) {
		if (strstr(text, "'descr': ["))
			return dgm_fail(DGM_EFORMAT, "%s: an array of records, expected plain numbers", path);
		return dgm_fail(
		    DGM_EFORMAT,
		    "%s: malformed .npy header near '%.20s', expected descr, fortran_order and a "
		    "shape of at most %d sizes",
		    path, p, DGM_MAX_RANK + 1);
	}
	if (!elem_of(h->descr, e))
		return dgm_fail(DGM_EFORMAT,
		                "%s: values of type '%s', expected f4, f8, u1, i1, i2, i4, i8 or bool",
		                path, h->descr);
	if (h->rank == 0)
		return dgm_fail(DGM_EFORMAT,
		                "%s: a single number, expected an array with an axis of examples", path);
	return DGM_OK;
}

int dgm_read_npy(struct dgm_stream *s, struct dgm_raw *out)
{
	struct dgm_elem e = {0};
	struct header h = {.rank = 0};
	char *text = NULL;
	int status = read_text(s, &text);
	if (!status)
		status = interpret(s->path, text, &h, &e);
	if (!status) {
		out->n = h.size[0];
		out->rank = h.rank - 1;
		memcpy(out->dim, h.size + 1, sizeof out->dim);
		status = dgm_read_values(s, e, out);
	}
	if (!status && h.fortran && h.rank > 1) {
		status = dgm_turn_fortran(s->path, out);
		if (status) {
			free(out->u8);
			free(out->f32);
		}
	}
	free(text);
	return status;
}

static int read_npy(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	struct dgm_stream s;
	(void)spec;
	int status = dgm_stream_open(&s, path);
	if (!status)
		status = dgm_read_npy(&s, out);
	dgm_stream_close(&s);
	return status;
}

const struct dgm_reader dgm_reader_npy = {"npy", "path:str", true, 0, read_npy};
