/* Arrays as files: NumPy's format (.npy, version 1.0: magic, length of the header, a Python literal
 * padded with blanks to a multiple of 64, the values), or a table (.csv), a line for each item of
 * the first axis. */
#include "files.h"
#include <inttypes.h>
#include <string.h>

bool dgm_array_known(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot && (strcmp(dot, ".npy") == 0 || strcmp(dot, ".csv") == 0);
}

static void write_npy(FILE *f, const struct dgm_tensor *t, int64_t n)
{
	bool bytes = strcmp(t->dtype, "U8") == 0;
	char header[512];
	int at = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (",
	                  bytes ? "|u1" : "<f4");
	for (int i = 0; i < t->rank; i++)
		at += snprintf(header + at, sizeof header - (size_t)at, "%" PRId64 ",", t->dim[i]);
	at += snprintf(header + at, sizeof header - (size_t)at, ")}");
	while ((10 + at + 1) % 64)
		header[at++] = ' ';
	header[at++] = '\n';
	const unsigned char start[] = {
	    0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(at & 255), (unsigned char)(at >> 8)};
	fwrite(start, 1, sizeof start, f);
	fwrite(header, 1, (size_t)at, f);
	fwrite(t->data, bytes ? 1 : 4, (size_t)n, f);
}

static void write_csv(FILE *f, const struct dgm_tensor *t, int64_t n)
{
	int64_t columns = t->dim[0] ? n / t->dim[0] : 1;
	for (int64_t i = 0; i < n; i++) {
		const char *end = (i + 1) % columns ? "," : "\n";
		if (strcmp(t->dtype, "U8") == 0)
			fprintf(f, "%d%s", ((const uint8_t *)t->data)[i], end);
		else
			fprintf(f, "%.9g%s", (double)((const float *)t->data)[i], end);
	}
}

int dgm_array_write(const char *path, const struct dgm_tensor *t)
{
	struct dgm_out o;
	int64_t n = 1;
	if (!dgm_array_known(path))
		return dgm_fail(DGM_EFORMAT, "%s: arrays are written as .npy or .csv", path);
	int status = dgm_out_open(&o, path);
	if (status)
		return status;
	for (int i = 0; i < t->rank; i++)
		n *= t->dim[i];
	(strcmp(strrchr(path, '.'), ".npy") == 0 ? write_npy : write_csv)(o.f, t, n);
	return dgm_out_commit(&o);
}
