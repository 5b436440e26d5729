/* metrics.jsonl: one JSON object (RFC 8259) a line, each on its way to the file before the next is
 * made.
 *
 * A run that was killed may have left half a line, or lines from after its last checkpoint: opening
 * rewrites the file, atomically, without lines that are no JSON object and without those whose
 * "update" is above `keep`. */
#include "files.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dgm_metrics {
	FILE *f;
	char *path;
};

static bool line_stays(const char *line, size_t len, int64_t keep)
{
	if (len == 0 || line[len - 1] != '\n')
		return false;
	cJSON *j = cJSON_ParseWithLength(line, len);
	const cJSON *update = cJSON_GetObjectItemCaseSensitive(j, "update");
	bool stays =
	    cJSON_IsObject(j) && !(cJSON_IsNumber(update) && update->valuedouble > (double)keep);
	cJSON_Delete(j);
	return stays;
}

static int cut_back(const char *path, int64_t keep)
{
	struct dgm_out o;
	FILE *old = fopen(path, "rb");
	if (!old && errno == ENOENT)
		return DGM_OK;
	if (!old)
		return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	int status = dgm_out_open(&o, path);
	if (!status) {
		char *line = NULL;
		size_t room = 0;
		ssize_t len;
		while ((len = getline(&line, &room, old)) > 0)
			if (line_stays(line, (size_t)len, keep))
				fwrite(line, 1, (size_t)len, o.f);
		free(line);
		if (ferror(old) || !feof(old)) {
			dgm_out_abort(&o);
			status = dgm_fail(DGM_EIO, "%s: cannot be read", path);
		} else {
			status = dgm_out_commit(&o);
		}
	}
	fclose(old);
	return status;
}

int dgm_metrics_open(struct dgm_metrics **m, const char *path, int64_t keep)
{
	*m = NULL;
	int status = keep < 0 ? DGM_OK : cut_back(path, keep);
	if (status)
		return status;
	struct dgm_metrics *new = calloc(1, sizeof *new);
	if (new)
		new->path = strdup(path);
	if (!new || !new->path) {
		free(new);
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory", path);
	}
	new->f = fopen(path, keep < 0 ? "wb" : "ab");
	if (!new->f) {
		status = dgm_fail(DGM_EIO, "%s: cannot be written: %s", path, strerror(errno));
		free(new->path);
		free(new);
		return status;
	}
	*m = new;
	return DGM_OK;
}

/* Bytes of the UTF-8 character at s (RFC 3629), 0: not one. */
static int utf8_length(const unsigned char *s)
{
	int n = *s < 0x80 ? 1 : *s < 0xC2 ? 0 : *s < 0xE0 ? 2 : *s < 0xF0 ? 3 : *s < 0xF5 ? 4 : 0;
	for (int i = 1; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((*s == 0xE0 && s[1] < 0xA0) || (*s == 0xED && s[1] > 0x9F) || (*s == 0xF0 && s[1] < 0x90) ||
	    (*s == 0xF4 && s[1] > 0x8F))
		return 0;
	return n;
}

void dgm_json_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	fputc('"', f);
	while (*s) {
		int n = utf8_length(s);
		if (n == 0)
			fputs("\\ufffd", f);
		else if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s < ' ')
			fprintf(f, "\\u%04x", *s);
		else
			fwrite(s, 1, (size_t)n, f);
		s += n ? n : 1;
	}
	fputc('"', f);
}

/* The shortest text that reads back as v. */
static void put_double(FILE *f, double v)
{
	char text[40];
	if (!isfinite(v)) {
		dgm_json_string(f, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	fputs(text, f);
}

int dgm_metrics_line(struct dgm_metrics *m, ...)
{
	char *line = NULL, separator = '{';
	size_t len = 0;
	FILE *f = open_memstream(&line, &len);
	if (!f)
		return dgm_fail(DGM_ENOMEM, "%s: not enough memory for a line", m->path);
	va_list ap;
	va_start(ap, m);
	for (const char *key; (key = va_arg(ap, const char *)) != NULL; separator = ',') {
		int kind = va_arg(ap, int);
		fputc(separator, f);
		dgm_json_string(f, key);
		fputc(':', f);
		if (kind == 'd')
			put_double(f, va_arg(ap, double));
		else if (kind == 'i')
			fprintf(f, "%" PRId64, va_arg(ap, int64_t));
		else
			dgm_json_string(f, va_arg(ap, const char *));
	}
	va_end(ap);
	fputs(separator == '{' ? "{}\n" : "}\n", f);
	bool fine = !ferror(f);
	fine = fclose(f) == 0 && fine;
	int status = DGM_OK;
	if (!fine)
		status = dgm_fail(DGM_ENOMEM, "%s: not enough memory for a line", m->path);
	else if (fwrite(line, 1, len, m->f) != len || fflush(m->f) != 0)
		status = dgm_fail(DGM_EIO, "%s: cannot be written: %s", m->path, strerror(errno));
	free(line);
	return status;
}

int dgm_metrics_close(struct dgm_metrics *m)
{
	if (!m)
		return DGM_OK;
	int status = DGM_OK;
	bool fine =
	    fflush(m->f) == 0 && (fsync(fileno(m->f)) == 0 || errno == EINVAL || errno == ENOTSUP);
	fine = fclose(m->f) == 0 && fine;
	if (!fine)
		status = dgm_fail(DGM_EIO, "%s: cannot be written: %s", m->path, strerror(errno));
	free(m->path);
	free(m);
	return status;
}
