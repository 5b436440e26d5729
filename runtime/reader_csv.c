/* csv: tables of numbers, one example a line, plain or gzip.
 *
 * Cells are separated by ';', ',', a tab or blanks: the first of these that the first line holds
 * outside quotes.  The first line is a header when none of its cells is a number.  Cells may be
 * quoted. Empty lines and lines that begin with '#' are passed over.  A cell that is not a finite
 * number is an error, unless it stands for a missing value and those are allowed; and so is a line
 * with another number of cells. */
#include "reader.h"
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char detect_separator(const char *line)
{
	bool quoted = false, seen[256] = {false};
	for (; *line; line++) {
		quoted ^= *line == '"';
		if (!quoted)
			seen[(unsigned char)*line] = true;
	}
	return seen[';'] ? ';' : seen[','] ? ',' : seen['\t'] ? '\t' : ' ';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts the cell at *p out of its line: without blanks around it and its quotes, NUL-terminated.  *p
 * moves behind its separator, or becomes NULL behind the last cell. */
static char *next_cell(char **p, char sep)
{
	char *cell = *p, *end;
	while (is_blank(*cell) && (sep == ' ' || *cell != sep))
		cell++;
	bool quoted = *cell == '"';
	*p = cell;
	if (quoted) {
		char *close = strchr(cell + 1, '"');
		*p = close ? close + 1 : cell + strlen(cell);
	}
	char *behind = *p;
	while (**p && **p != sep && !(sep == ' ' && is_blank(**p)))
		++*p;
	end = *p;
	while (end > behind && is_blank(end[-1]))
		end--;
	if (quoted && end == behind && end[-1] == '"' && end - cell > 1) {
		cell++; /* else the quotes stay, and it is no number */
		end--;
	}
	char *after = *p;
	if (sep == ' ')
		while (is_blank(*after))
			after++;
	*p = !*after ? NULL : sep == ' ' ? after : after + 1;
	*end = 0;
	return cell;
}

static bool parse_number(const char *cell, double *value)
{
	char *end;
	if (!*cell || cell[strspn(cell, "0123456789+-.eE")])
		return false;
	*value = strtod(cell, &end);
	return end > cell && !*end;
}

static bool is_word(const char *cell, const char *const *word)
{
	char low[8] = "";
	for (size_t i = 0; i < sizeof low - 1 && cell[i]; i++)
		low[i] = (char)tolower((unsigned char)cell[i]);
	while (*word && strcmp(low, *word) != 0)
		word++;
	return *word != NULL;
}

/* What stands for no value in common files. */
static bool is_missing(const char *cell)
{
	static const char *const word[] = {"", "?", "na", "n/a", "nan", "-nan", "null", "none", NULL};
	return is_word(cell, word);
}

static bool is_infinite(const char *cell)
{
	static const char *const word[] = {"inf", "-inf", "+inf", NULL};
	return is_word(cell, word);
}

static bool is_header(const char *line, char sep, bool *no_memory)
{
	double value;
	bool words = false, numbers = false;
	char *copy = strdup(line), *p = copy;
	*no_memory = !copy;
	while (p) {
		char *cell = next_cell(&p, sep);
		numbers = numbers || parse_number(cell, &value);
		words = words || !(is_missing(cell) || is_infinite(cell));
	}
	free(copy);
	return words && !numbers;
}

static int parse_line(const struct dgm_lines *l, char *line, char sep, bool gaps, int64_t *columns,
                      struct dgm_floats *f)
{
	int64_t count = 0;
	for (char *p = line; p; count++) {
		char *cell = next_cell(&p, sep);
		double value = NAN;
		bool missing = is_missing(cell), gap = gaps && missing;
		if (missing && !gap)
			return dgm_fail(DGM_EDOMAIN,
			                "%s: line %" PRId64 ", column %" PRId64 ": the value is missing ('%s')",
			                l->s->path, l->number, count + 1, cell);
		if (is_infinite(cell))
			return dgm_fail(DGM_EDOMAIN,
			                "%s: line %" PRId64 ", column %" PRId64
			                ": the value is infinite ('%s')",
			                l->s->path, l->number, count + 1, cell);
		if (!gap && !parse_number(cell, &value))
			return dgm_fail(DGM_EFORMAT,
			                "%s: line %" PRId64 ", column %" PRId64 ": '%.40s' is not a number",
			                l->s->path, l->number, count + 1, cell);
		if (!gap && !isfinite((float)value))
			return dgm_fail(DGM_EDOMAIN,
			                "%s: line %" PRId64 ", column %" PRId64 ": '%.40s' is out of range",
			                l->s->path, l->number, count + 1, cell);
		if (!dgm_floats_reserve(f, 1))
			return dgm_fail(DGM_ENOMEM, "%s: not enough memory", l->s->path);
		f->v[f->n++] = (float)value;
	}
	if (*columns == 0)
		*columns = count;
	if (count != *columns)
		return dgm_fail(DGM_EFORMAT,
		                "%s: line %" PRId64 " has %" PRId64
		                " columns, the lines before it have %" PRId64,
		                l->s->path, l->number, count, *columns);
	return DGM_OK;
}

static int read_lines(struct dgm_lines *l, bool gaps, struct dgm_raw *out, struct dgm_floats *f)
{
	bool first = true, no_memory = false;
	int64_t columns = 0, rows = 0;
	char sep = ',';
	for (;;) {
		char *line;
		int status = dgm_lines_next(l, &line);
		if (status)
			return status;
		if (!line)
			break;
		if (l->number == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0)
			line += 3;
		if (!line[strspn(line, " \t")] || *line == '#')
			continue;
		if (first) {
			sep = detect_separator(line);
			first = false;
			if (is_header(line, sep, &no_memory))
				continue;
			if (no_memory)
				return dgm_fail(DGM_ENOMEM, "%s: not enough memory", l->s->path);
		}
		status = parse_line(l, line, sep, gaps, &columns, f);
		if (status)
			return status;
		rows++;
	}
	if (rows == 0)
		return dgm_fail(DGM_EFORMAT, "%s: %s", l->s->path,
		                first ? "it is empty" : "there is a header and no line of numbers");
	*out = (struct dgm_raw){.n = rows, .rank = 1, .dim = {columns}, .f32 = f->v};
	return DGM_OK;
}

static int read_csv(const char *path, const struct dgm_data_spec *spec, struct dgm_raw *out)
{
	struct dgm_stream s;
	struct dgm_floats f = {0};
	struct dgm_lines l;
	int status = dgm_stream_open(&s, path);
	if (!status)
		status = dgm_lines_open(&l, &s);
	if (!status) {
		status = read_lines(&l, spec->gaps, out, &f);
		dgm_lines_close(&l);
	}
	if (status)
		free(f.v);
	dgm_stream_close(&s);
	return status;
}

const struct dgm_reader dgm_reader_csv = {"csv", "path:str", true, 0, read_csv};
