/* bind: arguments against a signature such as
 *     "k:intramp=1 rate:ramp[0,)=0.01 statistics:word=means"      "what:call... +"
 * A parameter is name:kind, name:kind=default, or, last, name:kind... for all further arguments.  A
 * kind of number may have a range behind it, an interval with either end left out: [0,1) (0,) (,).
 * Words without a colon are flags for the one who reads the signature, not parameters. */
#include "sema/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct range {
	double lo, hi;     /* infinite: no bound */
	bool above, below; /* lo, hi themselves are outside */
};
struct formal {
	const char *name, *kind, *standard; /* standard: NULL, required */
	struct range range;
	bool rest;
};
struct formals {
	struct formal *at;
	int n, cap;
};

/* The interval at *p, passed over; at least 1 for whole numbers where none is written. */
static struct range read_range(const char **p, const char *kind)
{
	struct range r = {-INFINITY, INFINITY, false, false};
	char *end;
	if (**p != '[' && **p != '(') {
		if (!strncmp(kind, "int", 3))
			r.lo = 1;
		return r;
	}
	r.above = *(*p)++ == '(';
	if (**p != ',') {
		r.lo = strtod(*p, &end);
		*p = end;
	}
	++*p;
	if (**p != ')' && **p != ']') {
		r.hi = strtod(*p, &end);
		*p = end;
	}
	r.below = *(*p)++ == ')';
	return r;
}

static void read_signature(struct arena *a, const char *signature, struct formals *out)
{
	for (const char *p = signature; *p;) {
		size_t n = strcspn(p, " ");
		const char *colon = memchr(p, ':', n), *end = p + n;
		if (colon) {
			struct formal f = {.name = intern_n(p, (size_t)(colon - p))};
			const char *at = colon + 1 + strcspn(colon + 1, "[(.= ");
			f.kind = intern_n(colon + 1, (size_t)(at - colon - 1));
			f.range = read_range(&at, f.kind);
			f.rest = *at == '.';
			if (*at == '=')
				f.standard = intern_n(at + 1, (size_t)(end - at - 1));
			vec_push(a, out, f);
		}
		p = end + strspn(end, " ");
	}
}

bool sema_signature_has(const char *signature, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = signature; *p;) {
		size_t n = strcspn(p, " ");
		if (n == len && !strncmp(p, word, n))
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

static const char *range_text(struct arena *a, const struct range *r)
{
	struct buf b;
	buf_init(&b, a);
	buf_puts(&b, "");
	if (isfinite(r->lo))
		buf_printf(&b, r->above ? " above %g" : " of at least %g", r->lo);
	if (isfinite(r->hi))
		buf_printf(&b, "%s %s %g", isfinite(r->lo) ? " and" : "", r->below ? "below" : "at most",
		           r->hi);
	return b.s;
}

static const char *kind_text(struct arena *a, const struct formal *f)
{
	static const struct {
		const char *kind, *text, *behind;
	} row[] = {
	    {"num", "a number", ""},
	    {"int", "a whole number", ""},
	    {"ramp", "a number", ", or a ramp a -> b of such"},
	    {"intramp", "a whole number", ", or a ramp a -> b of such"},
	    {"name", "a name", ""},
	    {"data", "the name of a data set", ""},
	    {"word", "a word", ""},
	    {"str", "a string in double quotes", ""},
	    {"call", "a call such as f(x)", ""},
	    {"sum", "a call such as f(x), or a sum of such with coefficients", ""},
	    {"subject", "a variable, or variables given others, as in y given v", ""},
	    {"any", "a value", ""},
	};
	for (size_t k = 0; k < sizeof row / sizeof *row; k++)
		if (!strcmp(row[k].kind, f->kind))
			return arena_printf(a, "%s%s%s", row[k].text, range_text(a, &f->range), row[k].behind);
	BUG("kind '%s' in a signature", f->kind);
}

static struct call *word_call(struct arena *a, const char *name, struct span at)
{
	struct call *c = NEW(a, struct call);
	c->name = name;
	c->span = c->name_span = at;
	return c;
}

enum { LARGEST = 9000000000000000 }; /* up to here every whole number is a double */

static bool within(const struct formal *f, double x)
{
	const struct range *r = &f->range;
	bool whole = !strncmp(f->kind, "int", 3);
	if (whole && (x != floor(x) || fabs(x) > LARGEST))
		return false;
	return (r->above ? x > r->lo : x >= r->lo) && (r->below ? x < r->hi : x <= r->hi);
}

static bool as_call(struct arena *a, struct value *v)
{
	if (v->kind == VAL_NAME) {
		v->kind = VAL_CALL;
		v->call = word_call(a, v->name, v->span);
	}
	return v->kind == VAL_CALL;
}

static bool as_sum(struct arena *a, struct value *v)
{
	if (v->kind != VAL_SUM && as_call(a, v)) {
		struct value *one = arena_copy(a, v, sizeof *v);
		one->num = 1;
		*v = (struct value){.kind = VAL_SUM, .term = one, .nterm = 1, .span = v->span};
	}
	for (int k = 0; v->kind == VAL_SUM && k < v->nterm; k++)
		as_call(a, &v->term[k]);
	return v->kind == VAL_SUM;
}

static bool all_names(const struct call *c)
{
	for (int k = 0; k < c->narg; k++)
		if (c->arg[k].kind != VAL_NAME || c->key[k])
			return false;
	return true;
}

static bool fits(struct arena *a, const struct formal *f, struct value *v)
{
	const char *kind = f->kind;
	if (!strcmp(kind, "num") || !strcmp(kind, "int"))
		return v->kind == VAL_NUM && within(f, v->num);
	if (!strcmp(kind, "ramp") || !strcmp(kind, "intramp"))
		return (v->kind == VAL_CALL && !strcmp(kind, "ramp")) ||
		       ((v->kind == VAL_NUM || (v->kind == VAL_RAMP && within(f, v->to))) &&
		        within(f, v->num));
	if (!strcmp(kind, "name") || !strcmp(kind, "data") || !strcmp(kind, "word"))
		return v->kind == VAL_NAME;
	if (!strcmp(kind, "str"))
		return v->kind == VAL_STR;
	if (!strcmp(kind, "call"))
		return as_call(a, v);
	if (!strcmp(kind, "sum"))
		return as_sum(a, v);
	if (!strcmp(kind, "subject"))
		return v->kind == VAL_NAME ||
		       (v->kind == VAL_GIVEN && all_names(v->call) && all_names(v->given));
	if (!strcmp(kind, "any"))
		return true;
	BUG("kind '%s' in a signature", kind);
}

static struct value standard_value(struct arena *a, const struct formal *f, struct span at)
{
	struct value v = {.span = at};
	char *end;
	double x = strtod(f->standard, &end);
	if (!strcmp(f->kind, "str") || !strcmp(f->kind, "word") || !strcmp(f->kind, "name") ||
	    !strcmp(f->kind, "data") || end == f->standard) {
		v.kind = strcmp(f->kind, "str") ? VAL_NAME : VAL_STR;
		v.name = f->standard;
	} else {
		v.kind = VAL_NUM;
		v.num = x;
		if (end[0] == '-' && end[1] == '>') {
			v.kind = VAL_RAMP;
			v.to = strtod(end + 2, NULL);
		}
	}
	if (!strcmp(f->kind, "call"))
		fits(a, f, &v);
	return v;
}

static void note(struct cx *cx, struct span at, const char *text)
{
	diag(cx->diags, DIAG_NOTE, at, text);
}

static void note_signature(struct cx *cx, const char *what, const struct formals *f,
                           const char *key, struct span at)
{
	const char **words = NEW_ARRAY(cx->tmp, const char *, f->n);
	struct buf list;
	buf_init(&list, cx->tmp);
	for (int k = 0; k < f->n; k++) {
		words[k] = f->at[k].name;
		buf_printf(&list, "%s%s", k ? ", " : "", words[k]);
	}
	const char *near = key ? nearest_word(key, words, f->n) : NULL;
	if (near)
		note(cx, at, arena_printf(cx->tmp, "did you mean '%s'?", near));
	else if (f->n)
		note(cx, at, arena_printf(cx->tmp, "the arguments of '%s' are %s", what, list.s));
}

/* The formal that the k-th argument binds to; -1: an error was given. */
static int formal_of(struct cx *cx, const char *what, const struct formals *f,
                     const struct value *arg, const char *key, const bool *filled)
{
	int at = 0;
	if (!key) {
		while (at < f->n && filled[at] && !f->at[at].rest)
			at++;
		if (at < f->n)
			return at;
		diag(cx->diags, DIAG_SEMA_ARG_MANY, arg->span, what, f->n, f->n == 1 ? "" : "s");
		note_signature(cx, what, f, NULL, arg->span);
		return -1;
	}
	while (at < f->n && strcmp(f->at[at].name, key))
		at++;
	if (at == f->n) {
		diag(cx->diags, DIAG_SEMA_KEY, arg->span, what, key);
		note_signature(cx, what, f, key, arg->span);
		return -1;
	}
	if (filled[at] && !f->at[at].rest) {
		diag(cx->diags, DIAG_SEMA_ARG_TWICE, arg->span, what, key);
		return -1;
	}
	return at;
}

bool sema_bind(struct cx *cx, const char *what, struct span at, struct value *arg,
               const char *const *key, int narg, const char *signature, struct value *out,
               int *nrest)
{
	struct formals f = {0};
	bool ok = true;
	int rest = 0;
	read_signature(cx->prog, signature, &f);
	bool *filled = NEW_ARRAY(cx->tmp, bool, f.n);
	for (int k = 0; k < narg; k++) {
		int to = formal_of(cx, what, &f, &arg[k], key ? key[k] : NULL, filled);
		if (to < 0) {
			ok = false;
			continue;
		}
		filled[to] = fits(cx->prog, &f.at[to], &arg[k]);
		if (!filled[to]) {
			diag(cx->diags, DIAG_SEMA_ARG_KIND, arg[k].span, f.at[to].name, what,
			     kind_text(cx->tmp, &f.at[to]));
			if (fabs(arg[k].num) > LARGEST && !strncmp(f.at[to].kind, "int", 3))
				note(cx, arg[k].span, "whole numbers go up to 9e15");
			if (f.n > 1 && !(key && key[k]))
				note_signature(cx, what, &f, NULL, arg[k].span);
			ok = false;
			continue;
		}
		if (out)
			out[f.at[to].rest ? to + rest : to] = arg[k];
		rest += f.at[to].rest;
	}
	for (int k = 0; k < f.n && ok; k++) {
		if (filled[k] || f.at[k].rest)
			continue;
		if (f.at[k].standard && out)
			out[k] = standard_value(cx->prog, &f.at[k], at);
		if (f.at[k].standard)
			continue;
		diag(cx->diags, DIAG_SEMA_ARG_MISSING, at, what, f.at[k].name,
		     kind_text(cx->tmp, &f.at[k]));
		return false;
	}
	if (nrest)
		*nrest = rest;
	return ok;
}

bool call_bind(struct cx *cx, const struct call *c, const char *signature, struct value *out,
               int *nrest)
{
	struct value *arg = arena_copy(cx->prog, c->arg, sizeof *c->arg * (size_t)c->narg);
	return sema_bind(cx, c->name, c->span, arg, c->key, c->narg, signature, out, nrest);
}
