/* diag: collects the messages of a compilation and prints each with the line it is about, the span
 * underlined.  A note belongs to the message before it and goes where that one goes: after
 * MAX_ERRORS errors everything is only counted, and one line at the end says so. */
#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ERRORS = 20, WINDOW = 160 /* columns of an overlong line that are shown */ };

static const struct {
	enum severity severity;
	const char *text;
} table[] = {
#define DIAG(id, severity, text) {severity, text},
#include "base/diag.def"
#undef DIAG
};

struct message {
	enum diag_id id;
	struct span at;
	const char *text;
};

struct diags {
	struct arena *a;
	VEC(struct message) list;
	int errors;
	int settled;   /* messages that are not printed again */
	bool dropping; /* the message before was left out: its notes are too */
};

struct diags *diags_new(struct arena *a)
{
	struct diags *d = NEW(a, struct diags);
	d->a = a;
	return d;
}

int diags_errors(const struct diags *d)
{
	return d->errors;
}

static bool said_before(const struct diags *d, const struct message *m)
{
	for (int i = 0; i < d->list.n; i++) {
		const struct message *o = &d->list.at[i];
		if (o->id == m->id && o->at.src == m->at.src && o->at.beg == m->at.beg &&
		    o->at.end == m->at.end && !strcmp(o->text, m->text))
			return true;
	}
	return false;
}

static void add(struct diags *d, struct message m)
{
	enum severity severity = table[m.id].severity;
	if (severity != SEV_NOTE)
		d->dropping = d->errors >= MAX_ERRORS;
	if (severity == SEV_ERROR && d->dropping)
		d->errors++;
	if (d->dropping)
		return;
	if (severity != SEV_NOTE && said_before(d, &m)) {
		d->dropping = true;
		return;
	}
	if (severity == SEV_ERROR)
		d->errors++;
	vec_push(d->a, &d->list, m);
}

void diag(struct diags *d, enum diag_id id, struct span at, ...)
{
	va_list ap, again;
	va_start(ap, at);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, table[id].text, again);
	va_end(again);
	char *text = arena_alloc(d->a, n < 0 ? 1 : (size_t)n + 1);
	if (n >= 0)
		vsnprintf(text, (size_t)n + 1, table[id].text, ap);
	va_end(ap);
	add(d, (struct message){id, at, text});
}

void diags_add(struct diags *to, const struct diags *from, bool notes)
{
	for (int i = 0; i < from->list.n; i++) {
		struct message m = from->list.at[i];
		m.id = notes ? DIAG_NOTE : m.id;
		add(to, m);
	}
}

static bool continues(char c) /* a byte inside a UTF-8 character */
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

/* The quoted line and the marks under it.  Marks: '^' under the first character, '~' under the rest
 * of the span up to the line's end; tabs before it are copied so that both lines align. */
static void quote(const struct source *src, struct span at, int line, FILE *out)
{
	size_t beg = at.beg < src->len ? at.beg : src->len;
	size_t end = at.end < src->len ? at.end : src->len;
	size_t from = beg, to = beg;
	while (from > 0 && src->text[from - 1] != '\n')
		from--;
	while (to < src->len && src->text[to] != '\n')
		to++;
	if (to > from && src->text[to - 1] == '\r')
		to--;
	if (end > to)
		end = to;
	const char *before = "", *after = "";
	if (to - from > WINDOW + 40) {
		if (beg - from > WINDOW / 2) {
			from = beg - WINDOW / 4;
			while (continues(src->text[from]))
				from++;
			before = "...";
		}
		if (to - from > WINDOW) {
			to = from + WINDOW;
			while (continues(src->text[to]))
				to++;
			after = "...";
		}
		if (end > to)
			end = to;
	}
	fprintf(out, "%4d | %s", line, before);
	for (size_t i = from; i < to; i++) {
		unsigned char c = (unsigned char)src->text[i];
		fputc((c < 32 && c != '\t') || c == 127 ? '?' : c, out);
	}
	int width = snprintf(NULL, 0, "%4d", line);
	fprintf(out, "%s\n%*s | %*s", after, width, "", (int)strlen(before), "");
	for (size_t i = from; i < beg; i++)
		if (!continues(src->text[i]))
			fputc(src->text[i] == '\t' ? '\t' : ' ', out);
	fputc('^', out);
	for (size_t i = beg + 1; i < end; i++)
		if (!continues(src->text[i]))
			fputc('~', out);
	fputc('\n', out);
}

static void message_print(const struct message *m, FILE *out)
{
	static const char *const word[] = {
	    [SEV_ERROR] = "error", [SEV_WARNING] = "warning", [SEV_NOTE] = "note"};
	const char *severity = word[table[m->id].severity];
	const struct source *src = source_get(m->at.src);
	if (!src) {
		fprintf(out, "%s: %s\n", severity, m->text);
		return;
	}
	struct place p = source_place(m->at);
	fprintf(out, "%s:%d:%d: %s: %s\n", src->path, p.line, p.col, severity, m->text);
	quote(src, m->at, p.line, out);
}

void diags_print(const struct diags *d, FILE *out)
{
	for (int i = d->settled; i < d->list.n; i++)
		message_print(&d->list.at[i], out);
	if (d->errors > MAX_ERRORS)
		fprintf(out, "%d more error%s not shown\n", d->errors - MAX_ERRORS,
		        d->errors - MAX_ERRORS == 1 ? " is" : "s are");
}

static const struct message *first_error(const struct diags *d)
{
	for (int i = d->settled; i < d->list.n; i++)
		if (table[d->list.at[i].id].severity == SEV_ERROR)
			return &d->list.at[i];
	return NULL;
}

const char *diags_error(const struct diags *d)
{
	const struct message *m = first_error(d);
	return m ? m->text : NULL;
}

const char *diags_error_placed(const struct diags *d)
{
	const struct message *m = first_error(d);
	if (!m || !m->at.src)
		return m ? m->text : NULL;
	const char *text = source_get(m->at.src)->text + m->at.beg;
	size_t line = strcspn(text, "\n"), len = m->at.end - m->at.beg;
	return arena_printf(d->a, "%s (line %d: %.*s)", m->text, source_place(m->at).line,
	                    (int)(line < len ? line : len), text);
}

void diags_print_all(const struct diags *d, FILE *out)
{
	for (int i = 0; i < d->list.n; i++)
		message_print(&d->list.at[i], out);
}

void diags_settle(struct diags *d)
{
	d->settled = d->list.n;
}

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
{
	fflush(stdout);
	fprintf(stderr, "dgm: internal error at %s:%d: ", file, line);
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
