/* What the tests of data sets share: files in a temporary folder, and data sets of them. */
#ifndef DGM_TEST_DATA_FILES_H
#define DGM_TEST_DATA_FILES_H
#include "data.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/dgm-data-XXXXXX";

static inline const char *in_folder(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static inline void put(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(in_folder(name), "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, n, f), n);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

static inline struct dgm_data_spec spec_of(const char *reader, const char *path)
{
	return (struct dgm_data_spec){.name = "d", .reader = reader, .path = path, .base_dir = folder};
}

static inline void add(struct dgm_data_spec *s, struct dgm_step step)
{
	s->step[s->nstep++] = step;
}

static inline struct dgm_data *load(const struct dgm_data_spec *s)
{
	struct dgm_data *d;
	int status = dgm_data_load(s, &d);
	if (status)
		fprintf(stderr, "%s\n", dgm_error());
	CU_ASSERT_EQUAL_FATAL(status, DGM_OK);
	return d;
}

/* Loading gives `status` and a text that holds `part`. */
static inline void refused(const struct dgm_data_spec *s, int status, const char *part)
{
	struct dgm_data *d = NULL;
	int got = dgm_data_load(s, &d);
	CU_ASSERT_EQUAL(got, status);
	CU_ASSERT_PTR_NULL(d);
	if (got == DGM_OK || !strstr(dgm_error(), part)) {
		fprintf(stderr, "expected '%s', got '%s'\n", part, got ? dgm_error() : "success");
		CU_FAIL("text of the error");
	}
	dgm_data_free(d);
}

#define BYTES(...) \
	((const unsigned char[]){__VA_ARGS__}), sizeof((const unsigned char[]){__VA_ARGS__})
#define TEXT(s) s, sizeof(s) - 1

static inline float value(const struct dgm_data *d, int64_t i)
{
	return d->u8 ? (float)d->u8[i] * d->scale : d->f32[i];
}

static inline int remove_folder(void)
{
	char command[64];
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command) != 0;
}

#endif
