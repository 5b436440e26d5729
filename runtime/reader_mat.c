/* mat: a variable of a MATLAB file, read by libmatio: numbers, logicals, sparse matrices (made
 * dense), or a cell array of matrices with the same number of columns, which are its sequences.
 * The first axis counts the examples.
 *
 * libmatio takes memory as headers say before it has seen the data, so what they promise is held
 * against the size of the file first.  A MATLAB 5 file is a header of 128 bytes, then variables: a
 * tag of type and size, and a matrix (14), or one packed by zlib (15); a matrix begins with the tag
 * and the value of its flags, whose lowest byte is the class, and with the tag and the values of
 * its sizes. https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf */
#include "reader.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <matio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SPARSE ((int64_t)1 << 30) /* values that a sparse matrix may become */
#define MAX_PACKED 1100               /* deflate packs at most 1032 bytes into one */

struct place { /* what messages name */
	const char *path, *name;
};

static void ignore(int level, char *message)
{
	(void)level;
	(void)message;
}

static int damaged(struct place at)
{
	return dgm_fail(DGM_EFORMAT, "%s: variable '%s' is damaged", at.path, at.name);
}

static int no_memory(struct place at)
{
	return dgm_fail(DGM_ENOMEM, "%s: not enough memory for variable '%s'", at.path, at.name);
}

static bool elem_of(enum matio_types type, struct dgm_elem *e)
{
	static const struct {
		enum matio_types type;
		char kind;
		int size;
	} table[] = {
	    {MAT_T_INT8, 'i', 1},   {MAT_T_UINT8, 'u', 1},  {MAT_T_INT16, 'i', 2},
	    {MAT_T_UINT16, 'u', 2}, {MAT_T_INT32, 'i', 4},  {MAT_T_UINT32, 'u', 4},
	    {MAT_T_SINGLE, 'f', 4}, {MAT_T_DOUBLE, 'f', 8}, {MAT_T_INT64, 'i', 8},
	    {MAT_T_UINT64, 'u', 8},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].type == type) {
			*e = (struct dgm_elem){.kind = table[i].kind,
			                       .size = table[i].size,
			                       .big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__};
			return true;
		}
	return false;
}

static const char *kind_of(const matvar_t *v)
{
	static const char *const name[] = {"empty",     "a cell array", "a structure",
	                                   "an object", "text",         "sparse"};
	if (v->isComplex)
		return "complex";
	if ((unsigned)v->class_type < sizeof name / sizeof *name)
		return name[v->class_type];
	return v->class_type == MAT_C_FUNCTION || v->class_type == MAT_C_OPAQUE ? "a function"
	                                                                        : "numbers";
}

static bool is_numbers(const matvar_t *v)
{
	return v->class_type >= MAT_C_DOUBLE && v->class_type <= MAT_C_UINT64 && !v->isComplex;
}

/* The sizes of an array; trailing axes of size 1 behind the second are no axes. */
static int shape_of(struct place at, const matvar_t *v, struct dgm_raw *r)
{
	if (v->rank < 2 || !v->dims)
		return damaged(at);
	int rank = v->rank;
	while (rank > 2 && v->dims[rank - 1] == 1)
		rank--;
	if (rank > DGM_MAX_RANK + 1)
		return dgm_fail(DGM_EFORMAT, "%s: variable '%s' has %d axes, at most %d are read", at.path,
		                at.name, rank, DGM_MAX_RANK + 1);
	r->n = v->dims[0] > DGM_MAX_VALUES ? -1 : (int64_t)v->dims[0];
	r->rank = rank - 1;
	for (int i = 1; i < rank; i++)
		r->dim[i - 1] = v->dims[i] > DGM_MAX_VALUES ? -1 : (int64_t)v->dims[i];
	return DGM_OK;
}

/* Before the data are read: that they can be in a file of this size. */
static int check_promise(struct place at, const matvar_t *v, int64_t file_size)
{
	double values = 1;
	for (int i = 0; i < v->rank && v->dims; i++)
		values *= (double)v->dims[i];
	if (v->class_type == MAT_C_SPARSE)
		values = 0;
	if (values > (double)file_size * MAX_PACKED)
		return dgm_fail(DGM_EFORMAT,
		                "%s: variable '%s' promises %.0f values, and the file has %" PRId64
		                " bytes",
		                at.path, at.name, values, file_size);
	return DGM_OK;
}

/* Dense numbers, with axis 0 running slowest. */
static int read_numbers(struct place at, const matvar_t *v, struct dgm_raw *out)
{
	struct dgm_raw r = {0};
	struct dgm_elem e;
	int status = shape_of(at, v, &r);
	int64_t n = dgm_raw_values(&r);
	if (status)
		return status;
	if (n < 0)
		return dgm_fail(DGM_EFORMAT, "%s: variable '%s' holds no data", at.path, at.name);
	if (!v->data || !elem_of(v->data_type, &e) || v->data_size != e.size ||
	    v->nbytes / (size_t)e.size < (size_t)n)
		return damaged(at);
	if (e.kind == 'u' && e.size == 1)
		r.u8 = malloc((size_t)n);
	else
		r.f32 = malloc((size_t)n * sizeof *r.f32);
	if (!r.u8 && !r.f32)
		return no_memory(at);
	if (r.u8)
		memcpy(r.u8, v->data, (size_t)n);
	for (int64_t i = 0; r.f32 && i < n; i++)
		r.f32[i] = dgm_elem_float((const char *)v->data + i * e.size, e);
	status = dgm_turn_fortran(at.path, &r);
	if (status) {
		free(r.u8);
		free(r.f32);
		return status;
	}
	*out = r;
	return DGM_OK;
}

/* Columns of (row, value) pairs: rows of column j are ir[jc[j]..jc[j+1]-1]. */
static bool is_sound(const mat_sparse_t *s, const struct dgm_raw *r)
{
	if (!s || !s->jc || s->njc < 1 || (int64_t)s->njc != r->dim[0] + 1 || s->jc[0] != 0)
		return false;
	for (uint32_t j = 0; j + 1 < s->njc; j++)
		if (s->jc[j] > s->jc[j + 1])
			return false;
	uint32_t n = s->jc[s->njc - 1];
	if (n > s->ndata || n > s->nir || (n > 0 && (!s->ir || !s->data)))
		return false;
	for (uint32_t k = 0; k < n; k++)
		if (s->ir[k] >= (uint64_t)r->n)
			return false;
	return true;
}

static int read_sparse(struct place at, const matvar_t *v, struct dgm_raw *out)
{
	const mat_sparse_t *s = v->data;
	struct dgm_raw r = {0};
	struct dgm_elem e = {0};
	int status = shape_of(at, v, &r);
	int64_t n = dgm_raw_values(&r);
	if (status)
		return status;
	if (v->isComplex)
		return dgm_fail(DGM_EFORMAT, "%s: variable '%s' is complex, expected real numbers", at.path,
		                at.name);
	if (n < 0 || n > MAX_SPARSE)
		return dgm_fail(DGM_ELIMIT,
		                "%s: sparse variable '%s' is %" PRId64 " x %" PRId64
		                ", from 1 to 2^30 values are made dense",
		                at.path, at.name, r.n, r.dim[0]);
	if (r.rank != 1 || !is_sound(s, &r) || !elem_of(v->data_type, &e))
		return damaged(at);
	bool bytes = true;
	for (uint32_t k = 0; k < s->jc[s->njc - 1]; k++) {
		float x = dgm_elem_float((const char *)s->data + (size_t)k * (size_t)e.size, e);
		bytes = bytes && x >= 0 && x <= 255 && x == floorf(x);
	}
	if (bytes)
		r.u8 = calloc((size_t)n, 1);
	else
		r.f32 = calloc((size_t)n, sizeof *r.f32);
	if (!r.u8 && !r.f32)
		return no_memory(at);
	for (uint32_t j = 0; j + 1 < s->njc; j++)
		for (uint32_t k = s->jc[j]; k < s->jc[j + 1]; k++) {
			float x = dgm_elem_float((const char *)s->data + (size_t)k * (size_t)e.size, e);
			int64_t to = (int64_t)s->ir[k] * r.dim[0] + j;
			if (bytes)
				r.u8[to] = (uint8_t)x;
			else
				r.f32[to] = x;
		}
	*out = r;
	return DGM_OK;
}

/* Puts the values of one cell behind the `at` values there are. */
static void append(struct dgm_raw *to, int64_t at, const struct dgm_raw *cell)
{
	int64_t n = dgm_raw_values(cell);
	if (to->u8)
		memcpy(to->u8 + at, cell->u8, (size_t)n);
	for (int64_t i = 0; to->f32 && i < n; i++)
		to->f32[at + i] = cell->u8 ? (float)cell->u8[i] : cell->f32[i];
}

/* The cells behind one another. */
static int join(struct place at, const struct dgm_raw *cell, int64_t ncell, struct dgm_raw *out)
{
	struct dgm_raw r = {.rank = 1, .dim = {cell[0].dim[0]}, .nseq = ncell};
	bool bytes = true;
	r.start = calloc((size_t)ncell + 1, sizeof *r.start);
	if (!r.start)
		return no_memory(at);
	for (int64_t i = 0; i < ncell; i++) {
		r.n += cell[i].n;
		r.start[i + 1] = r.n;
		bytes = bytes && cell[i].u8;
	}
	int64_t n = dgm_raw_values(&r);
	if (n > 0 && bytes)
		r.u8 = malloc((size_t)n);
	else if (n > 0)
		r.f32 = malloc((size_t)n * sizeof *r.f32);
	if (!r.u8 && !r.f32) {
		free(r.start);
		return no_memory(at);
	}
	for (int64_t i = 0; i < ncell; i++)
		append(&r, r.start[i] * r.dim[0], &cell[i]);
	*out = r;
	return DGM_OK;
}

/* One cell, counted from 1 in messages as in MATLAB; empty ones give a set of no examples. */
static int read_cell(struct place at, const matvar_t *v, int64_t number, struct dgm_raw *out)
{
	char name[300];
	snprintf(name, sizeof name, "%.256s{%" PRId64 "}", at.name, number);
	struct place here = {at.path, name};
	*out = (struct dgm_raw){0};
	if (!v || v->class_type == MAT_C_EMPTY || (v->rank == 2 && v->dims && v->dims[0] == 0))
		return DGM_OK;
	if (!is_numbers(v) || v->rank != 2)
		return dgm_fail(DGM_EFORMAT, "%s: variable '%s' is %s%s, expected a matrix of numbers",
		                at.path, name, kind_of(v), v->rank > 2 ? " of more than two axes" : "");
	return read_numbers(here, v, out);
}

static int read_cells(struct place at, const matvar_t *v, struct dgm_raw *out)
{
	int64_t count = v->data ? (int64_t)(v->nbytes / sizeof(matvar_t *)) : 0, n = 0;
	struct dgm_raw *cell = calloc((size_t)count + 1, sizeof *cell);
	int status = cell ? DGM_OK : no_memory(at);
	for (int64_t i = 0; i < count && !status; i++) {
		status = read_cell(at, ((matvar_t **)v->data)[i], i + 1, &cell[n]);
		if (!status && cell[n].n > 0) {
			if (cell[n].dim[0] != cell[0].dim[0])
				status = dgm_fail(DGM_ESHAPE,
				                  "%s: variable '%s{%" PRId64 "}' has %" PRId64
				                  " columns, those before it have %" PRId64,
				                  at.path, at.name, i + 1, cell[n].dim[0], cell[0].dim[0]);
			n++;
		}
	}
	if (!status && n == 0)
		status = dgm_fail(DGM_EFORMAT, "%s: variable '%s' holds no data", at.path, at.name);
	if (!status)
		status = join(at, cell, n, out);
	for (int64_t i = 0; cell && i < n; i++) {
		free(cell[i].u8);
		free(cell[i].f32);
	}
	free(cell);
	return status;
}

static uint32_t word(const unsigned char *p, bool big)
{
	return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
	           : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

enum { MAT_MATRIX = 14, MAT_PACKED = 15, MAT_BEGIN = 160 };

/* The first bytes of what n packed bytes hold. */
static size_t unpack(unsigned char *from, size_t n, unsigned char *to)
{
	z_stream z = {.next_in = from, .avail_in = (unsigned)n, .next_out = to, .avail_out = MAT_BEGIN};
	if (inflateInit(&z) != Z_OK)
		return 0;
	inflate(&z, Z_SYNC_FLUSH);
	inflateEnd(&z);
	return MAT_BEGIN - z.avail_out;
}

/* b: the n first bytes of a variable, its tag included.  Each element of a cell array or a
 * structure takes at least the 8 bytes of a tag. */
static bool has_room(const unsigned char *b, size_t n, bool big)
{
	double elements = 1;
	if (n < 32 || word(b, big) != MAT_MATRIX)
		return true;
	uint32_t class = word(b + 16, big) & 0xFF, sizes = word(b + 28, big);
	for (size_t at = 32; at + 4 <= n && at < 32 + (size_t)sizes; at += 4)
		elements *= word(b + at, big);
	return class < MAT_C_CELL || class > MAT_C_OBJECT || elements <= word(b + 4, big) / 8.0;
}

/* That no cell array or structure of a MATLAB 5 file promises more elements than it has bytes. */
static int check_elements(const char *path, const unsigned char *first, int64_t file_size)
{
	unsigned char b[2 * MAT_BEGIN], begin[MAT_BEGIN];
	bool big = first[126] == 'M', sound = true;
	if (first[big ? 124 : 125] != 1) /* the version */
		return DGM_OK;
	FILE *f = fopen(path, "rb");
	for (int64_t at = 128; f && sound && at < file_size - 8;) {
		size_t n = fseeko(f, (off_t)at, SEEK_SET) == 0 ? fread(b, 1, sizeof b, f) : 0;
		if (n < 8)
			break;
		uint32_t type = word(b, big), size = word(b + 4, big);
		if (type == MAT_PACKED) {
			n = unpack(b + 8, n - 8, begin);
			sound = has_room(begin, n, big) &&
			        (n < 8 || word(begin + 4, big) / (double)MAX_PACKED <= size);
		} else {
			sound = has_room(b, n < MAT_BEGIN ? n : MAT_BEGIN, big);
		}
		sound = sound && size <= file_size - at - 8;
		at += 8 + (int64_t)size;
	}
	if (f)
		fclose(f);
	return sound ? DGM_OK
	             : dgm_fail(DGM_EFORMAT,
	                        "%s: it is cut off, or damaged: a variable promises more than is there",
	                        path);
}

/* The name of the variable to read: the one asked for, or the only one. */
static int choose(mat_t *mat, const char *path, const char *wanted, char *to, size_t room)
{
	size_t n = 0;
	char *const *names = Mat_GetDir(mat, &n);
	char list[200] = "";
	for (size_t i = 0; names && i < n; i++) {
		size_t at = strlen(list);
		if (!names[i])
			continue;
		if (wanted && *wanted ? strcmp(names[i], wanted) == 0 : n == 1) {
			snprintf(to, room, "%s", names[i]);
			return DGM_OK;
		}
		snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
	}
	if (!*list)
		return dgm_fail(DGM_EFORMAT, "%s: it holds no variables, or is damaged", path);
	if (wanted && *wanted)
		return dgm_fail(DGM_EFORMAT, "%s: it holds no variable '%s', but %s", path, wanted, list);
	return dgm_fail(DGM_EFORMAT, "%s: say which variable with variable = \"...\": it holds %s",
	                path, list);
}

static int read_variable(mat_t *mat, struct place at, int64_t file_size, struct dgm_raw *out)
{
	matvar_t *v = Mat_VarReadInfo(mat, at.name);
	int status = v ? check_promise(at, v, file_size) : damaged(at);
	if (!status && v->class_type == MAT_C_CELL)
		for (size_t i = 0; v->data && i < v->nbytes / sizeof(matvar_t *) && !status; i++)
			if (((matvar_t **)v->data)[i])
				status = check_promise(at, ((matvar_t **)v->data)[i], file_size);
	if (!status && !is_numbers(v) && v->class_type != MAT_C_SPARSE && v->class_type != MAT_C_CELL)
		status = dgm_fail(DGM_EFORMAT,
		                  "%s: variable '%s' is %s, expected numbers, or a cell array of matrices",
		                  at.path, at.name, kind_of(v));
	if (!status && Mat_VarReadDataAll(mat, v) != 0)
		status = damaged(at);
	if (!status)
		status = v->class_type == MAT_C_CELL     ? read_cells(at, v, out)
		         : v->class_type == MAT_C_SPARSE ? read_sparse(at, v, out)
		                                         : read_numbers(at, v, out);
	Mat_VarFree(v);
	return status;
}

static int read_mat(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	struct dgm_stream s;
	struct stat st;
	char name[300];
	unsigned char first[128];
	int64_t got = 0;
	int status = dgm_stream_open(&s, path);
	if (!status)
		status = dgm_stream_read(&s, first, sizeof first, &got);
	dgm_stream_close(&s);
	if (!status && stat(path, &st) != 0)
		status = dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	if (status)
		return status;
	if (got == (int64_t)sizeof first)
		status = check_elements(path, first, st.st_size);
	if (status)
		return status;
	Mat_LogInitFunc("dgm", ignore);
	mat_t *mat = got == (int64_t)sizeof first ? Mat_Open(path, MAT_ACC_RDONLY) : NULL;
	if (!mat)
		return dgm_fail(DGM_EFORMAT, "%s: not a MATLAB file%s", path,
		                got >= 6 && memcmp(first, "MATLAB", 6) == 0 ? ", or a damaged one"
		                                                            : dgm_stream_guess(first, got));
	status = choose(mat, path, spec->member, name, sizeof name);
	if (!status)
		status = read_variable(mat, (struct place){path, name}, st.st_size, out);
	Mat_Close(mat);
	return status;
}

const struct dgm_reader dgm_reader_mat = {"mat", "path:str variable:str=", true, 0, read_mat};
