/* safetensors, https://github.com/huggingface/safetensors#format:
 *
 *     8 bytes     N, little-endian
 *     N bytes     JSON, from its '{' on: {"name": {"dtype": "F32", "shape": [..], "data_offsets":
 *                 [begin, end]}, ..., "__metadata__": {"key": "value", ...}}, blanks behind it
 *     the rest    values, row-major, little-endian; offsets count from here, cover it without holes
 *                 and do not overlap
 *
 * Written files keep every tensor aligned to its values: N is a multiple of 8 and wider types come
 * first. */
#include "safetensors.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int size;
} types[] = {{"U64", 8},  {"I64", 8}, {"F64", 8}, {"F32", 4}, {"U32", 4},  {"I32", 4}, {"F16", 2},
             {"BF16", 2}, {"U16", 2}, {"I16", 2}, {"U8", 1},  {"BOOL", 1}, {"I8", 1}};

int dgm_tensor_type_size(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].size;
	return 0;
}

int64_t dgm_tensor_bytes(const struct dgm_tensor *t)
{
	int64_t n = dgm_tensor_type_size(t->dtype);
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] < 0 || (n && t->dim[i] > DGM_TENSOR_BYTES / n))
			return -1;
		n *= t->dim[i];
	}
	return n;
}

/* Every step is a bijection of h and of the word, so that no change of one word goes unseen. */
static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9E3779B97F4A7C15u;
	return h ^ h >> 32;
}

static uint64_t digest_bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t word;
	h = mix(h, n);
	for (; n >= sizeof word; n -= sizeof word, b += sizeof word) {
		memcpy(&word, b, sizeof word);
		h = mix(h, word);
	}
	word = 0;
	if (n)
		memcpy(&word, b, n);
	return n ? mix(h, word) : h;
}

uint64_t dgm_digest_meta(const char *const *meta)
{
	uint64_t h = 0xCBF29CE484222325u;
	for (; meta && meta[0]; meta += 2)
		if (strcmp(meta[0], DGM_DIGEST) != 0)
			for (int i = 0; i < 2; i++)
				h = digest_bytes(h, meta[i], strlen(meta[i]));
	return h;
}

uint64_t dgm_digest_tensor(uint64_t h, const struct dgm_tensor *t)
{
	h = digest_bytes(h, t->name, strlen(t->name));
	h = digest_bytes(h, t->dtype, strlen(t->dtype));
	h = digest_bytes(h, t->dim, (size_t)t->rank * sizeof *t->dim);
	return digest_bytes(h, t->data, (size_t)dgm_tensor_bytes(t));
}

static bool add_tensor(cJSON *root, const struct dgm_tensor *t, int64_t begin, int64_t end)
{
	cJSON *entry = cJSON_AddObjectToObject(root, t->name);
	cJSON *shape = entry && cJSON_AddStringToObject(entry, "dtype", t->dtype)
	                   ? cJSON_AddArrayToObject(entry, "shape")
	                   : NULL;
	cJSON *span = shape ? cJSON_AddArrayToObject(entry, "data_offsets") : NULL;
	bool fine = span != NULL;
	for (int i = 0; fine && i < t->rank; i++)
		fine = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->dim[i]));
	return fine && cJSON_AddItemToArray(span, cJSON_CreateNumber((double)begin)) &&
	       cJSON_AddItemToArray(span, cJSON_CreateNumber((double)end));
}

/* The header's text, or NULL: no memory.  order: tensors in the order of their data. */
static char *header_text(const struct dgm_tensor *const *order, int n, const char *const *meta)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *m = root ? cJSON_AddObjectToObject(root, "__metadata__") : NULL;
	uint64_t h = dgm_digest_meta(meta);
	char digest[32];
	bool fine = m != NULL;
	int64_t at = 0;
	for (; fine && meta && meta[0]; meta += 2)
		fine = cJSON_AddStringToObject(m, meta[0], meta[1]) != NULL;
	for (int i = 0; i < n; i++)
		h = dgm_digest_tensor(h, order[i]);
	snprintf(digest, sizeof digest, "%016" PRIx64, h);
	fine = fine && cJSON_AddStringToObject(m, DGM_DIGEST, digest) != NULL;
	for (int i = 0; fine && i < n; i++) {
		int64_t size = dgm_tensor_bytes(order[i]);
		fine = add_tensor(root, order[i], at, at + size);
		at += size;
	}
	char *text = fine ? cJSON_PrintUnformatted(root) : NULL;
	cJSON_Delete(root);
	return text;
}

static int check_tensors(const char *path, const struct dgm_tensor *t, int n)
{
	int64_t all = 0;
	for (int i = 0; i < n; i++) {
		int64_t bytes = dgm_tensor_type_size(t[i].dtype) ? dgm_tensor_bytes(&t[i]) : -1;
		if (bytes < 0 || bytes > DGM_TENSOR_BYTES - all)
			return dgm_fail(DGM_EFORMAT, "%s: tensor '%s': type %s, or its size, cannot be written",
			                path, t[i].name, t[i].dtype);
		all += bytes;
		for (int k = 0; k < i; k++)
			if (strcmp(t[i].name, t[k].name) == 0)
				return dgm_fail(DGM_EFORMAT, "%s: two tensors are called '%s'", path, t[i].name);
	}
	return DGM_OK;
}

int dgm_safetensors_write(const char *path, const struct dgm_tensor *t, int n,
                          const char *const *meta)
{
	struct dgm_out o;
	int status = check_tensors(path, t, n), k = 0;
	if (status)
		return status;
	const struct dgm_tensor **order = malloc(((size_t)n + 1) * sizeof *order);
	if (order)
		for (int size = 8; size; size /= 2)
			for (int i = 0; i < n; i++)
				if (dgm_tensor_type_size(t[i].dtype) == size)
					order[k++] = &t[i];
	char *text = order ? header_text(order, n, meta) : NULL;
	if (!text) {
		free(order);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory to write it", path);
	}
	status = dgm_out_open(&o, path);
	if (!status) {
		size_t len = strlen(text);
		uint64_t padded = (len + 7) / 8 * 8;
		fwrite(&padded, sizeof padded, 1, o.f);
		fprintf(o.f, "%s%*s", text, (int)(padded - len), "");
		for (int i = 0; i < n && !ferror(o.f); i++)
			if (dgm_tensor_bytes(order[i]) > 0)
				fwrite(order[i]->data, 1, (size_t)dgm_tensor_bytes(order[i]), o.f);
		status = dgm_out_commit(&o);
	}
	free(text);
	free(order);
	return status;
}
