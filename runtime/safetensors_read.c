/* Reading of safetensors files; the format is described in safetensors.c.
 *
 * Nothing in the header is believed: sizes and offsets must be whole numbers that agree with each
 * other and with the length of the file, tensors must cover the data without holes or overlaps, and
 * names must differ.  Memory is taken for what the file really holds. */
#include "safetensors.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_HEADER 100000000

static int malformed(const char *path, const char *what)
{
	return dgm_fail(DGM_EFORMAT, "%s: malformed safetensors header: %s", path, what);
}

static bool whole_number(const cJSON *j, int64_t *to)
{
	if (!cJSON_IsNumber(j) || !(j->valuedouble >= 0 && j->valuedouble <= (double)DGM_TENSOR_BYTES))
		return false;
	*to = (int64_t)j->valuedouble;
	return (double)*to == j->valuedouble;
}

struct span {
	int64_t begin, end;
};

/* t->name and dtype stay in the JSON tree. */
static int parse_tensor(const char *path, const cJSON *entry, struct dgm_tensor *t,
                        struct span *span)
{
	const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
	const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
	const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets"), *size;
	t->name = entry->string;
	if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets))
		return dgm_fail(DGM_EFORMAT, "%s: tensor '%s' lacks dtype, shape or data_offsets", path,
		                t->name);
	t->dtype = dtype->valuestring;
	if (!dgm_tensor_type_size(t->dtype))
		return dgm_fail(DGM_EFORMAT, "%s: tensor '%s' has the unknown type '%s'", path, t->name,
		                t->dtype);
	t->rank = 0;
	cJSON_ArrayForEach(size, shape)
	{
		if (t->rank == DGM_MAX_RANK)
			return dgm_fail(DGM_EFORMAT, "%s: tensor '%s' has more than %d axes", path, t->name,
			                DGM_MAX_RANK);
		if (!whole_number(size, &t->dim[t->rank++]))
			return dgm_fail(DGM_EFORMAT, "%s: tensor '%s' has a size that is no number", path,
			                t->name);
	}
	if (cJSON_GetArraySize(offsets) != 2 || !whole_number(offsets->child, &span->begin) ||
	    !whole_number(offsets->child->next, &span->end) || span->begin > span->end)
		return dgm_fail(DGM_EFORMAT, "%s: tensor '%s' has malformed data_offsets", path, t->name);
	if (span->end - span->begin != dgm_tensor_bytes(t))
		return dgm_fail(DGM_EFORMAT,
		                "%s: tensor '%s' has data_offsets of %" PRId64
		                " bytes, its shape needs %" PRId64,
		                path, t->name, span->end - span->begin, dgm_tensor_bytes(t));
	return DGM_OK;
}

static int by_begin(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The spans, sorted in passing, cover 0..bytes and no two names are the same. */
static int check_cover(const char *path, struct span *span, const char **name, int n, int64_t bytes)
{
	int64_t at = 0;
	qsort(span, (size_t)n, sizeof *span, by_begin);
	for (int i = 0; i < n; i++) {
		if (span[i].begin != at)
			return dgm_fail(DGM_EFORMAT, "%s: the data of its tensors %s at byte %" PRId64, path,
			                span[i].begin < at ? "overlap" : "leave a hole", at);
		at = span[i].end;
	}
	if (at != bytes)
		return dgm_fail(DGM_EFORMAT,
		                "%s: %s: its header promises %" PRId64 " bytes of data, %" PRId64 " found",
		                path, at > bytes ? "truncated" : "too long", at, bytes);
	qsort(name, (size_t)n, sizeof *name, by_name);
	for (int i = 1; i < n; i++)
		if (strcmp(name[i - 1], name[i]) == 0)
			return dgm_fail(DGM_EFORMAT, "%s: two tensors are called '%s'", path, name[i]);
	return DGM_OK;
}

static size_t pad64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

static char *put_string(char **at, const char *s)
{
	size_t len = strlen(s) + 1;
	char *to = memcpy(*at, s, len);
	*at += len;
	return to;
}

struct parsed {
	cJSON *root;
	const cJSON *meta; /* may be NULL */
	struct dgm_tensor *t;
	struct span *span, *sorted;
	const char **name;
	int n, nmeta;
};

static void parsed_free(struct parsed *p)
{
	cJSON_Delete(p->root);
	free(p->t);
	free(p->span);
	free(p->sorted);
	free((void *)p->name);
}

static int parse_header(const char *path, const char *text, int64_t len, int64_t bytes,
                        struct parsed *p)
{
	const char *end = NULL;
	const cJSON *entry;
	if (len == 0 || *text != '{')
		return malformed(path, "it does not begin with '{'");
	p->root = cJSON_ParseWithLengthOpts(text, (size_t)len, &end, false);
	if (!p->root)
		return malformed(path, "it is not JSON");
	for (; end < text + len; end++)
		if (*end != ' ')
			return malformed(path, "something follows its last '}'");
	int count = cJSON_GetArraySize(p->root);
	size_t room = (size_t)count + 1;
	p->t = calloc(room, sizeof *p->t);
	p->span = calloc(room, sizeof *p->span);
	p->sorted = calloc(room, sizeof *p->sorted);
	p->name = calloc(room, sizeof *p->name);
	if (!p->t || !p->span || !p->sorted || !p->name)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory to read it", path);
	cJSON_ArrayForEach(entry, p->root)
	{
		if (strcmp(entry->string, "__metadata__") == 0) {
			const cJSON *pair;
			if (p->meta || !cJSON_IsObject(entry))
				return malformed(path, "__metadata__ is not one object");
			p->meta = entry;
			cJSON_ArrayForEach(pair, entry)
			{
				if (!cJSON_IsString(pair))
					return malformed(path, "a value in __metadata__ is not a string");
				p->nmeta++;
			}
			continue;
		}
		int status = parse_tensor(path, entry, &p->t[p->n], &p->span[p->n]);
		if (status)
			return status;
		p->sorted[p->n] = p->span[p->n];
		p->name[p->n] = entry->string;
		p->n++;
	}
	return check_cover(path, p->sorted, p->name, p->n, bytes);
}

/* One block: the tensors, the pairs of metadata, all strings, then each tensor's data at a multiple
 * of 64 bytes. */
static int build_block(const char *path, FILE *f, int64_t data_at, const struct parsed *p,
                       struct dgm_tensor **t, char ***meta, void **block)
{
	const cJSON *pair;
	size_t head = (size_t)p->n * sizeof **t + ((size_t)p->nmeta * 2 + 1) * sizeof(char *), size;
	for (int i = 0; i < p->n; i++)
		head += strlen(p->t[i].name) + strlen(p->t[i].dtype) + 2;
	if (p->meta)
		cJSON_ArrayForEach(pair, p->meta) head +=
		    strlen(pair->string) + strlen(pair->valuestring) + 2;
	size = head = pad64(head);
	for (int i = 0; i < p->n; i++)
		size += pad64((size_t)(p->span[i].end - p->span[i].begin)) + 64;
	char *b = aligned_alloc(64, size + 64);
	if (!b)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for %zu bytes", path, size);
	*t = (struct dgm_tensor *)(void *)b;
	*meta = (char **)(void *)(b + (size_t)p->n * sizeof **t);
	char *text = (char *)(*meta + p->nmeta * 2 + 1), *data = b + head, **m = *meta;
	if (p->meta)
		cJSON_ArrayForEach(pair, p->meta)
		{
			*m++ = put_string(&text, pair->string);
			*m++ = put_string(&text, pair->valuestring);
		}
	*m = NULL;
	for (int i = 0; i < p->n; i++) {
		size_t bytes = (size_t)(p->span[i].end - p->span[i].begin);
		(*t)[i] = p->t[i];
		(*t)[i].name = put_string(&text, p->t[i].name);
		(*t)[i].dtype = put_string(&text, p->t[i].dtype);
		(*t)[i].data = data;
		errno = 0;
		if (fseek(f, (long)(data_at + p->span[i].begin), SEEK_SET) != 0 ||
		    fread(data, 1, bytes, f) != bytes) {
			free(b);
			return dgm_fail(DGM_EIO, "%s: %s", path, errno ? strerror(errno) : "it became shorter");
		}
		data += pad64(bytes) + 64;
	}
	*block = b;
	return DGM_OK;
}

/* Does the file hold what was written?  The tensors are in the order of their data, as the writer
 * leaves them; another program that wrote the file anew did not keep our metadata. */
static int check_digest(const char *path, const struct dgm_tensor *t, int n, char *const *meta)
{
	const char *want = NULL;
	uint64_t h = dgm_digest_meta((const char *const *)meta);
	char got[32];
	for (char *const *m = meta; *m; m += 2)
		if (strcmp(m[0], DGM_DIGEST) == 0)
			want = m[1];
	for (int i = 0; want && i < n; i++)
		h = dgm_digest_tensor(h, &t[i]);
	snprintf(got, sizeof got, "%016" PRIx64, h);
	if (want && strcmp(want, got) != 0)
		return dgm_fail(DGM_EFORMAT,
		                "%s: the file is damaged: its contents have the digest %s, they were "
		                "written with %.40s",
		                path, got, want);
	return DGM_OK;
}

static int read_open(const char *path, FILE *f, struct dgm_tensor **t, int *n, char ***meta,
                     void **block)
{
	struct stat st;
	uint64_t len = 0;
	struct parsed p = {0};
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
		return dgm_fail(DGM_EIO, "%s: is not a regular file", path);
	if (st.st_size < 8 || fread(&len, sizeof len, 1, f) != 1)
		return dgm_fail(DGM_EFORMAT,
		                "%s: truncated: a safetensors file begins with 8 bytes, %" PRId64 " found",
		                path, (int64_t)st.st_size);
	if (len > MAX_HEADER)
		return dgm_fail(DGM_EFORMAT,
		                "%s: not a safetensors file: it promises a header of %" PRIu64
		                " bytes, at most %d are allowed",
		                path, len, MAX_HEADER);
	if ((int64_t)len > (int64_t)st.st_size - 8)
		return dgm_fail(DGM_EFORMAT,
		                "%s: truncated: it promises a header of %" PRIu64 " bytes, %" PRId64
		                " found",
		                path, len, (int64_t)st.st_size - 8);
	char *text = malloc((size_t)len + 1);
	if (!text)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory to read it", path);
	int status = DGM_OK;
	if (fread(text, 1, (size_t)len, f) != len)
		status = dgm_fail(DGM_EIO, "%s: cannot be read: %s", path, strerror(errno));
	text[len] = 0;
	if (!status)
		status = parse_header(path, text, (int64_t)len, (int64_t)st.st_size - 8 - (int64_t)len, &p);
	if (!status)
		status = build_block(path, f, 8 + (int64_t)len, &p, t, meta, block);
	if (!status && (status = check_digest(path, *t, p.n, *meta)) != DGM_OK) {
		free(*block);
		*block = NULL;
	}
	*n = status ? 0 : p.n;
	parsed_free(&p);
	free(text);
	return status;
}

int dgm_safetensors_read(const char *path, struct dgm_tensor **t, int *n, char ***meta,
                         void **block)
{
	*t = NULL;
	*n = 0;
	*meta = NULL;
	*block = NULL;
	FILE *f = fopen(path, "rb");
	if (!f)
		return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	int status = read_open(path, f, t, n, meta, block);
	fclose(f);
	return status;
}
