/* The LaTeX that dgm writes as presentation MathML.
 *
 *     list   := item*                      up to '}' or \right
 *     item   := atom [_ group] [^ group]   in either order
 *     atom   := '{' list '}' | \left c list \right c | \frac group group | \name | word | number |
 * sign
 *
 * A sum or another operator with limits has its subscript below it.  A command that is not known is
 * shown by its name. */
#include "report/report.h"
#include "files.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct symbol {
	const char *name, *tag, *text;
	bool limits; /* its subscript stands below it */
} symbols[] = {
    {"sum", "mo", "\u2211", true},      {"prod", "mo", "\u220f", true},
    {"max", "mo", "max", true},         {"min", "mo", "min", true},
    {"mid", "mo", "\u2223", false},     {"le", "mo", "\u2264", false},
    {"ge", "mo", "\u2265", false},      {"ne", "mo", "\u2260", false},
    {"partial", "mo", "\u2202", false}, {"sigma", "mi", "\u03c3", false},
    {"mu", "mi", "\u03bc", false},      {"ldots", "mi", "\u2026", false},
    {"exp", "mi", "exp", false},        {"log", "mi", "log", false},
    {"tanh", "mi", "tanh", false},      {",", "mspace", NULL, false},
    {";", "mspace", NULL, false},
};
enum { NSYMBOL = sizeof symbols / sizeof *symbols };

struct reader {
	const char *p;
	FILE *f;
};

static void list(struct reader *r, bool fenced);

static void tagged(FILE *f, const char *tag, const char *text, size_t n)
{
	char part[128];
	snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : sizeof part - 1), text);
	fprintf(f, "<%s>", tag);
	dgm_put_text(f, part);
	fprintf(f, "</%s>", tag);
}

static bool at_word(const struct reader *r, const char *word)
{
	size_t n = strlen(word);
	return strncmp(r->p, word, n) == 0 && !isalpha((unsigned char)r->p[n]);
}

/* {...}, or the next character, as one row. */
static void group(struct reader *r)
{
	fputs("<mrow>", r->f);
	if (*r->p == '{') {
		r->p++;
		list(r, false);
		r->p += *r->p == '}';
	} else if (*r->p) {
		tagged(r->f, isdigit((unsigned char)*r->p) ? "mn" : "mi", r->p, 1);
		r->p++;
	}
	fputs("</mrow>", r->f);
}

/* \mathit{a\_b}: its text, without the backslashes */
static void name(struct reader *r, const char *tag)
{
	char text[128];
	size_t n = 0;
	if (*r->p == '{')
		r->p++;
	for (; *r->p && *r->p != '}'; r->p++)
		if (*r->p != '\\' && n + 1 < sizeof text)
			text[n++] = *r->p;
	r->p += *r->p == '}';
	tagged(r->f, tag, text, n);
}

/* Behind \left or \right: a sign, or a command such as \lbrace by its name. */
static void fence(struct reader *r)
{
	size_t n = *r->p == '\\';
	while (n && isalpha((unsigned char)r->p[n]))
		n++;
	n += n < 2 && r->p[n] != 0;
	tagged(r->f, "mo", r->p, n);
	r->p += n;
}

static void fenced(struct reader *r)
{
	r->p += strlen("\\left");
	fputs("<mrow>", r->f);
	fence(r);
	list(r, true);
	if (at_word(r, "\\right")) {
		r->p += strlen("\\right");
		fence(r);
	}
	fputs("</mrow>", r->f);
}

/* A command; true: its subscript stands below it. */
static bool command(struct reader *r)
{
	static const char *const named[] = {"mathit", "mathrm", "mathcal", "operatorname"};
	const char *s = r->p + 1;
	size_t n = isalpha((unsigned char)*s) ? 0 : *s != 0;
	while (isalpha((unsigned char)s[n]))
		n++;
	if (at_word(r, "\\left")) {
		fenced(r);
		return false;
	}
	r->p = s + n;
	if (n == 4 && strncmp(s, "frac", n) == 0) {
		fputs("<mfrac>", r->f);
		group(r);
		group(r);
		fputs("</mfrac>", r->f);
		return false;
	}
	for (int i = 0; i < 4; i++)
		if (strlen(named[i]) == n && strncmp(s, named[i], n) == 0) {
			name(r, "mi");
			return i == 3;
		}
	for (int i = 0; i < NSYMBOL; i++) {
		const struct symbol *y = &symbols[i];
		if (strlen(y->name) != n || strncmp(s, y->name, n) != 0)
			continue;
		if (y->text)
			tagged(r->f, y->tag, y->text, strlen(y->text));
		else
			fputs("<mspace width=\"0.2em\"/>", r->f);
		return y->limits;
	}
	tagged(r->f, "mtext", s, n);
	return false;
}

static size_t number_length(const char *s)
{
	size_t n = 0;
	while (isdigit((unsigned char)s[n]) || (s[n] == '.' && isdigit((unsigned char)s[n + 1])))
		n++;
	if (n && s[n] == 'e' &&
	    (isdigit((unsigned char)s[n + 1]) ||
	     (strchr("+-", s[n + 1]) && isdigit((unsigned char)s[n + 2]))))
		for (n += 2; isdigit((unsigned char)s[n]);)
			n++;
	return n;
}

/* An atom; true: a subscript stands below it. */
static bool atom(struct reader *r)
{
	size_t n = number_length(r->p);
	if (*r->p == '\\')
		return command(r);
	if (*r->p == '{') {
		group(r);
		return false;
	}
	const char *tag = n ? "mn" : "mi";
	if (!n)
		while (isalnum((unsigned char)r->p[n]))
			n++;
	if (n) {
		tagged(r->f, tag, r->p, n);
		r->p += n;
	} else if (*r->p == '-') {
		fputs("<mo>\u2212</mo>", r->f);
		r->p++;
	} else if (strchr("()[]|", *r->p)) { /* these do not grow, as \left and \right do */
		fprintf(r->f, "<mo stretchy=\"false\">%c</mo>", *r->p++);
	} else {
		tagged(r->f, "mo", r->p, 1);
		r->p++;
	}
	return false;
}

/* An atom with what hangs on it. The atom is written apart first: only behind it
 * stands what its tag has to be. */
static void item(struct reader *r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = r->f;
	r->f = open_memstream(&text, &size);
	if (!r->f) {
		r->f = out;
		atom(r);
		return;
	}
	bool limits = atom(r);
	fclose(r->f);
	r->f = out;
	const bool sub = *r->p == '_', sup = *r->p == '^';
	const char *tag = sub ? (limits ? "munder" : "msub") : "msup";
	if (sub || sup)
		fprintf(out, "<%s>", tag);
	fputs(text, out);
	free(text);
	if (!sub && !sup)
		return;
	r->p++;
	group(r);
	fprintf(out, "</%s>", tag);
}

/* Items up to the end of the group; a power of what has a subscript already is of an empty base. */
static void list(struct reader *r, bool inside)
{
	while (*r->p && *r->p != '}' && !(inside && at_word(r, "\\right"))) {
		if (*r->p == ' ') { /* between words, as in log p */
			if (isalnum((unsigned char)r->p[-1]) && isalnum((unsigned char)r->p[1]))
				fputs("<mspace width=\"0.2em\"/>", r->f);
			r->p++;
		} else if (*r->p == '_' || *r->p == '^') {
			bool up = *r->p++ == '^';
			fputs(up ? "<msup><mrow></mrow>" : "<msub><mrow></mrow>", r->f);
			group(r);
			fputs(up ? "</msup>" : "</msub>", r->f);
		} else
			item(r);
	}
}

void tex_mathml(FILE *f, const char *tex)
{
	struct reader r = {tex + strspn(tex, " "), f};
	fputs("<math display=\"block\"><semantics><mrow>", f);
	list(&r, false);
	for (; *r.p; r.p++) /* a brace too many */
		tagged(f, "mo", r.p, 1);
	fputs("</mrow><annotation encoding=\"application/x-tex\">", f);
	dgm_put_text(f, tex);
	fputs("</annotation></semantics></math>\n", f);
}
