/* syntax: how expressions group, spans, the tree of a file, messages, and the formatter: reading
 * back what it wrote gives the same tree, and formatting twice changes nothing. */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "syntax/ast.h"

static struct cx cx;

static int setup(void)
{
	cx = (struct cx){arena_new(), arena_new(), arena_new(), NULL};
	return 0;
}

static int teardown(void)
{
	arena_free(cx.perm);
	arena_free(cx.prog);
	arena_free(cx.tmp);
	return 0;
}

static void same(const char *got, const char *want)
{
	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want))
		fprintf(stderr, "\n--- got\n%s\n--- want\n%s\n", got, want);
}

static struct ast *expr(const char *text)
{
	cx.diags = diags_new(cx.prog);
	struct ast_setting *v = parse_value(&cx, source_text("<text>", text, strlen(text)));
	return v && v->narg ? v->arg[0] : NULL;
}

static const char *unparsed(const struct ast *e)
{
	struct buf b;
	buf_init(&b, cx.tmp);
	ast_expr_print(e, &b);
	return b.s;
}

/* e with every group in brackets. */
static void full(struct buf *b, const struct ast *e)
{
	static const char *const word[] = {
	    [AST_INDEX] = "index", [AST_NEG] = "neg",  [AST_RAMP] = "->",
	    [AST_PIPE] = "|>",     [AST_RANGE] = "..", [AST_TUPLE] = "tuple"};
	if (!e->nkid && e->kind != AST_CALL) {
		ast_expr_print(e, b);
		return;
	}
	buf_putc(b, '(');
	if (e->kind == AST_BIN)
		buf_putc(b, e->op);
	else
		buf_puts(b, e->name ? e->name : word[e->kind]);
	for (int k = 0; k < e->nkid; k++) {
		buf_putc(b, ' ');
		if (e->kind == AST_CALL && e->key[k])
			buf_printf(b, "%s=", e->key[k]);
		full(b, e->kid[k]);
	}
	buf_putc(b, ')');
}

static void groups(const char *text, const char *want)
{
	struct ast *e = expr(text);
	CU_ASSERT_PTR_NOT_NULL(e);
	if (!e) {
		diags_print(cx.diags, stderr);
		return;
	}
	struct buf b;
	buf_init(&b, cx.tmp);
	full(&b, e);
	same(b.s, want);
}

static void test_precedence(void)
{
	groups("a + b - c*d", "(- (+ a b) (* c d))");
	groups("a*b/c@d", "(@ (/ (* a b) c) d)");
	groups("-x^2", "(neg (^ x 2))");
	groups("(-x)^2", "(^ (neg x) 2)");
	groups("-a*b", "(* (neg a) b)");
	groups("a - -b", "(- a (neg b))");
	groups("2^-x^y", "(^ 2 (neg (^ x y)))");
	groups("a^b^c", "(^ a (^ b c))");
	groups("- v@W@h - b@v", "(- (@ (@ (neg v) W) h) (@ b v))");
	groups("0..n+1", "(.. 0 (+ n 1))");
	groups("i < d + 1", "(< i (+ d 1))");
	groups("i <= j", "(l i j)");
	groups("a == b", "(= a b)");
	groups("0.05 -> 0.001", "(-> 0.05 0.001)");
	groups("a < b -> c", "(-> (< a b) c)");
	groups("idx(\"a.gz\") / 255 |> f |> g(x, seed = 1)",
	       "(|> (|> (/ (idx \"a.gz\") 255) f) (g x seed=1))");
	groups("a -> b |> f", "(|> (-> a b) f)");
	groups("-v[i]^2", "(neg (^ (index v i) 2))");
	groups("dbn.W1[i, j].x", "(x (index (W1 dbn) i j))");
	groups("(a, b + 1)", "(tuple a (+ b 1))");
	groups("f()", "(f)");
	groups("2e-4 + x[0]", "(+ 2e-4 (index x 0))");
}

static void test_reductions(void)
{
	/* the body is the first kid, the indices follow */
	groups("sum(i) a[i]*b[i] + c", "(+ (sum (* (index a i) (index b i)) i) c)");
	groups("2*sum(i, j < i) a*b", "(* 2 (sum (* a b) i (< j i)))");
	groups("-sum(i) a*b - c", "(- (neg (sum (* a b) i)) c)");
	groups("sum(i) sum(j) a^2*b", "(sum (sum (* (^ a 2) b) j) i)");
	groups("(sum(i) a[i])^2", "(^ (sum (index a i) i) 2)");
	groups("sum(x)", "(sum x)");
	groups("sum(x) - 1", "(- (sum x) 1)");
	groups("sum(x)*2", "(* (sum x) 2)");
	groups("sum(x)[i]", "(index (sum x) i)");
	groups("logit(mean(v))", "(logit (mean v))");
	groups("sum(i) (-x)*y", "(sum (* (neg x) y) i)");
	groups("max(i) 3", "(max 3 i)");
	groups("x |> mean(i)", "(|> x (mean i))");
	groups("normal(mean = 0, max = max)", "(normal mean=0 max=max)");
}

static void test_words(void)
{
	groups("f(data = 1, sample = 2)", "(f data=1 sample=2)");
	groups("energy(v) + data (x)", "(+ (energy v) (data x))");
	groups("enc.model", "(model enc)");
	CU_ASSERT_PTR_NULL(expr("data + 1"));
	CU_ASSERT_PTR_NULL(expr("a b"));
	CU_ASSERT_PTR_NULL(expr(""));
	CU_ASSERT_PTR_NULL(expr("a < b < c"));
}

static void test_values(void)
{
	CU_ASSERT_DOUBLE_EQUAL(expr("1e-3")->num, 1e-3, 0);
	CU_ASSERT_DOUBLE_EQUAL(expr("12")->num, 12, 0);
	CU_ASSERT_DOUBLE_EQUAL(expr("2.5E+1")->num, 25, 0);
	CU_ASSERT_STRING_EQUAL(expr("\"a\\\"b\\\\c\\nd\"")->name, "a\"b\\c\nd");
	CU_ASSERT_STRING_EQUAL(unparsed(expr("\"a\\\"b\\\\c\\nd\"")), "\"a\\\"b\\\\c\\nd\"");
	struct ast computed = {.kind = AST_NUM, .num = 0.1};
	CU_ASSERT_STRING_EQUAL(unparsed(&computed), "0.1");
	computed.num = 1.0 / 3;
	CU_ASSERT_DOUBLE_EQUAL(strtod(unparsed(&computed), NULL), 1.0 / 3, 0);
}

static void spans(const char *text, int kid, uint32_t beg, uint32_t end)
{
	struct ast *e = expr(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	if (kid >= 0)
		e = e->kid[kid];
	CU_ASSERT_EQUAL(e->span.beg, beg);
	CU_ASSERT_EQUAL(e->span.end, end);
}

static void test_spans(void)
{
	spans(" a + b*c ", -1, 1, 8);
	spans(" a + b*c ", 1, 5, 8);
	spans("(a + b)*c", 0, 0, 7);
	spans("sum(i) a[i]*b + c", 0, 0, 13);
	spans("f(x, k = 3)", 1, 9, 10);
	spans("v[i, j].w", 0, 0, 7);
	CU_ASSERT_EQUAL(expr("a.bc")->name_span.beg, 2);
	CU_ASSERT_EQUAL(expr("sum(i) x")->name_span.end, 3);
}

static void test_depth(void)
{
	struct buf b;
	buf_init(&b, cx.tmp);
	for (int i = 0; i < 900; i++)
		buf_puts(&b, "(a + ");
	buf_puts(&b, "a");
	for (int i = 0; i < 900; i++)
		buf_puts(&b, ")");
	struct ast *e = expr(b.s);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_EQUAL(e->depth, 900);
	static const char *const piece[] = {"(", "-", "a@", "sum(i)", "f(", "a[", "a^", "-(2*"};
	for (size_t k = 0; k < sizeof piece / sizeof *piece; k++) {
		buf_init(&b, cx.tmp);
		for (int i = 0; i < 100000; i++)
			buf_puts(&b, piece[k]);
		buf_puts(&b, "a");
		CU_ASSERT_PTR_NULL(expr(b.s));
		CU_ASSERT(diags_errors(cx.diags) > 0);
	}
}

/* ---- random expressions -------------------------------------------------------------------------
 */
static uint64_t state = 88172645463325252u;
static int pick(int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)n);
}

/* An expression with every group in parentheses. */
static void grow(struct buf *b, int depth)
{
	static const char *const op[] = {"+", "-",  "*",  "/",  "@",  "^",  "<",
	                                 ">", "<=", ">=", "==", "!=", "..", "->"};
	static const char *const leaf[] = {"x", "W", "3", "0.5", "\"s\""};
	int what = depth > 0 ? pick(9) : 0;
	if (what == 0) {
		buf_puts(b, leaf[pick(5)]);
	} else if (what <= 3) {
		buf_puts(b, "(");
		grow(b, depth - 1);
		buf_printf(b, " %s ", op[pick(14)]);
		grow(b, depth - 1);
		buf_puts(b, ")");
	} else if (what == 4) {
		buf_puts(b, "(-");
		grow(b, depth - 1);
		buf_puts(b, ")");
	} else if (what == 5) {
		buf_puts(b, pick(2) ? "(sum(i, j < 3) (" : "(max(i) (");
		grow(b, depth - 1);
		buf_puts(b, "))");
	} else if (what == 6) {
		grow(b, depth - 1);
		buf_puts(b, pick(2) ? "[i, " : "[");
		grow(b, depth - 1);
		buf_puts(b, "]");
	} else if (what == 7) {
		buf_puts(b, pick(2) ? "sum(" : "f(k = ");
		grow(b, depth - 1);
		buf_puts(b, ")");
	} else {
		buf_puts(b, "(");
		grow(b, depth - 1);
		buf_puts(b, pick(2) ? " |> g(1))" : ".y)");
	}
}

static void test_unparse(void)
{
	for (int round = 0; round < 4000; round++) {
		struct buf text, before, after;
		buf_init(&text, cx.tmp);
		buf_init(&before, cx.tmp);
		buf_init(&after, cx.tmp);
		grow(&text, 1 + pick(6));
		struct ast *e = expr(text.s);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		const char *shorter = unparsed(e);
		struct ast *back = expr(shorter);
		if (!back)
			fprintf(stderr, "%s\n%s\n", text.s, shorter);
		CU_ASSERT_PTR_NOT_NULL_FATAL(back);
		full(&before, e);
		full(&after, back);
		if (strcmp(before.s, after.s))
			fprintf(stderr, "%s\n%s\n", text.s, shorter);
		CU_ASSERT_STRING_EQUAL_FATAL(after.s, before.s);
		CU_ASSERT_STRING_EQUAL(unparsed(back), shorter);
	}
}

/* ---- files ------------------------------------------------------------------------------------
 */
static struct ast_file *file(const char *text)
{
	cx.diags = diags_new(cx.prog);
	return parse(&cx, source_text("f.dgm", text, strlen(text)));
}

static void test_file(void)
{
	struct ast_file *f = file("model m(D = 4) {\n  visible v : binary[D];\n"
	                          "  param W : real[D,D] ~ normal(0, 1);\n"
	                          "  let g[d,j] = W[d,j];\n  const s : real = 2;\n  energy = -v@v;\n}\n"
	                          "data x = idx(\"a\"); const k = 5;\n"
	                          "train m { v = x; batch 100; sample; data = 3;\n"
	                          "  monitor every k : a(x), b, scale = 2; }\n");
	CU_ASSERT_EQUAL(diags_errors(cx.diags), 0);
	CU_ASSERT_EQUAL_FATAL(f->nitem, 4);
	const struct ast_model *m = f->item[0].model;
	CU_ASSERT_STRING_EQUAL(m->name, "m");
	CU_ASSERT_EQUAL(m->nsize, 1);
	CU_ASSERT_EQUAL_FATAL(m->ndecl, 5);
	CU_ASSERT(m->decl[0].kind == DECL_VISIBLE && m->decl[0].has_type && !m->decl[0].rel);
	CU_ASSERT(m->decl[1].kind == DECL_PARAM && m->decl[1].rel == '~' && m->decl[1].type.ndim == 2);
	CU_ASSERT(m->decl[2].kind == DECL_LET && m->decl[2].nindex == 2 && !m->decl[2].has_type);
	CU_ASSERT_STRING_EQUAL(m->decl[2].index[1], "j");
	CU_ASSERT(m->decl[3].kind == DECL_CONST && m->decl[3].has_type);
	CU_ASSERT(m->decl[4].kind == DECL_ENERGY && !m->decl[4].name);
	CU_ASSERT(f->item[1].kind == ITEM_DATA && f->item[2].kind == ITEM_CONST);
	const struct ast_block *b = f->item[3].block;
	CU_ASSERT_EQUAL_FATAL(b->nsetting, 5);
	CU_ASSERT(b->setting[0].binds && b->setting[0].narg == 1);
	CU_ASSERT(!b->setting[1].binds && b->setting[1].narg == 1);
	CU_ASSERT(b->setting[2].narg == 0 && !strcmp(b->setting[2].name, "sample"));
	CU_ASSERT(b->setting[3].binds);
	CU_ASSERT(b->setting[4].every && b->setting[4].narg == 3);
	CU_ASSERT_STRING_EQUAL(b->setting[4].key[2], "scale");
	CU_ASSERT_PTR_NULL(b->setting[4].key[1]);
	CU_ASSERT_EQUAL(b->span.end, source_get(f->src)->len - 1);
	file("");
	CU_ASSERT_EQUAL(diags_errors(cx.diags), 0);
}

/* Messages of `text`, each as "line:col: text", notes left out. */
static const char *messages(const char *text)
{
	file(text);
	char *all = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&all, &n);
	diags_print(cx.diags, out);
	fclose(out);
	struct buf b;
	buf_init(&b, cx.tmp);
	buf_puts(&b, "");
	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
		char *at = strstr(line, ": error: ");
		if (at && !strncmp(line, "f.dgm:", 6))
			buf_printf(&b, "%.*s %s\n", (int)(at - line - 6), line + 6, at + 9);
	}
	free(all);
	return b.s;
}

static void test_messages(void)
{
	same(messages("model m {\n  visible v : binary[2]\n  hidden h : real;\n  energy = v\n}\n"),
	     "2:24 unexpected 'hidden', expected ';', 'in', '=' or '~'\n"
	     "4:13 unexpected '}', expected ';' or an operator\n");
	same(messages("data x = 5\ndata y = (6;\ndata z = ;\n"),
	     "1:11 unexpected 'data', expected ';' or an operator\n"
	     "2:12 unexpected ';', expected ')', ',' or an operator\n"
	     "3:10 unexpected ';', expected an expression\n");
	same(messages("data x ="), "1:9 unexpected end of the file, expected an expression\n");
	same(messages("model m {\n  visible v : real;\n\ndata x = 3 4;\n"),
	     "2:20 '}' is missing before 'data'\n"
	     "4:12 unexpected '4', expected ';' or an operator\n");
	same(messages("model m {"), "1:10 '}' is missing before the end of the file\n");
	same(messages("train m\n  batch 3;\n  k 1 2;\n}\ndata x;"),
	     "2:3 unexpected 'batch', expected '{'\n"
	     "3:7 unexpected '2', expected ';', ',' or an operator\n"
	     "5:7 unexpected ';', expected '='\n");
	same(messages("nett f(x) { x |> g }\nimport 3;\nmodel m { hiden h : real; }"),
	     "1:1 unexpected 'nett', expected 'model', 'net', 'layer', 'dist', 'fn', 'import', 'data', "
	     "'const', 'train', 'evaluate' or 'sample'\n"
	     "2:8 unexpected '3', expected a string\n"
	     "3:17 unexpected 'h', expected '~' or an operator\n");
	same(messages("train m {\n  optimizer sgd(rate 1);\n  every 2;\n}\n"),
	     "2:22 unexpected '1', expected ')', ',', 'given', '=' or an operator\n"
	     "3:3 unexpected 'every', expected '}' or the name of a setting\n");
	same(messages("data x = y |> 3;"), "1:15 unexpected '3', expected a name or 'sum(...)'\n");
	same(messages("data x = sum(i = 3, i + 1, j) x;"),
	     "1:18 'sum' runs over indices: a name, or a comparison such as i < j\n"
	     "1:21 'sum' runs over indices: a name, or a comparison such as i < j\n");
}

static void test_bad_text(void)
{
	same(messages("data x = 1.2.3 + .5 + 12ab + 1e999;"), "1:10 '1.2.3' is not a number\n"
	                                                      "1:18 '.5' is not a number\n"
	                                                      "1:23 '12ab' is not a number\n"
	                                                      "1:30 the number 1e999 is too large\n");
	same(messages("data x = f(\"a);\ndata y = \"b\\q\";\n"),
	     "1:12 the string is not closed before the end of the line\n"
	     "2:12 '\\q' is not an escape: a string knows \\\", \\\\ and \\n\n");
	same(messages("data gr\xC3\xB6\xC3\x9F = a \xE2\x88\x92 b $ + c \xFF\xFE;\n"),
	     "1:6 'gr\xC3\xB6\xC3\x9F' is not a name: names are made of A-Z, a-z, 0-9 and '_'\n"
	     "1:15 the character '\xE2\x88\x92' (U+2212) is not part of the language\n"
	     "1:19 the character '$' is not part of the language\n"
	     "1:25 the byte 0xFF is not text in UTF-8\n");
	same(messages("\xEF\xBB\xBF"
	              "data x = \"gr\xC3\xB6\xC3\x9F\"; # \xC3\xB6\r\n"),
	     "");
	same(messages("data x = \"a\x01\";"), "1:12 a string cannot hold the control character 0x01\n");
}

/* ---- the formatter ----------------------------------------------------------------------------
 */
static const char *formatted(const char *text)
{
	struct ast_file *f = file(text);
	CU_ASSERT_EQUAL(diags_errors(cx.diags), 0);
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);
	ast_format(f, source_get(f->src), to);
	fclose(to);
	char *kept = arena_copy(cx.tmp, out, n + 1);
	free(out);
	return kept;
}

/* What groups from the left is one level, and nothing recurses along it. */
static void test_long(void)
{
	enum { MANY = 100000 };
	static const char *const piece[] = {" + b", " - 2*b", "*b", "/b"};
	for (size_t k = 0; k < sizeof piece / sizeof *piece; k++) {
		struct buf b, file_text;
		buf_init(&b, cx.tmp);
		buf_puts(&b, "-a");
		for (int i = 0; i < MANY; i++)
			buf_puts(&b, piece[k]);
		struct ast *e = expr(b.s);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		CU_ASSERT(e->depth <= 2);
		CU_ASSERT_STRING_EQUAL(unparsed(e), b.s);
		buf_init(&file_text, cx.tmp);
		buf_printf(&file_text, "model m {\n  energy = %s;\n}\n", b.s);
		const char *once = formatted(file_text.s);
		CU_ASSERT_STRING_EQUAL(formatted(once), once);
		FILE *null = fopen("/dev/null", "w");
		ast_print(file(once), null);
		fclose(null);
	}
	CU_ASSERT_EQUAL(expr("a + b - c + d")->depth, 1);
	CU_ASSERT_EQUAL(expr("a + b*c*d - e")->depth, 2);
	CU_ASSERT_EQUAL(expr("a - (b - (c - d))")->depth, 3);
}

static void formats(const char *text, const char *want)
{
	same(formatted(text), want);
	same(formatted(want), want);
}

static void test_format(void)
{
	formats(
	    "# top\n\n\n\nmodel   m(D=2){ # sizes\n\n visible v:binary[D ,3];visible w : real; # w\n"
	    "\n\n # own\n   energy = ((-(v))*w) +(sum( i )(v[i+1 ,j]*w))  ;\n # last\n}\n# end",
	    "# top\n\nmodel m(D = 2) {  # sizes\n  visible v : binary[D,3];\n"
	    "  visible w : real;  # w\n\n  # own\n  energy = -v*w + sum(i) v[i+1, j]*w;\n"
	    "  # last\n}\n# end\n");
	formats("train m { }", "train m {\n}\n");
	formats("train m{v=x;centered;monitor every 5:a(x),b;image \"a\",scale=2;}",
	        "train m {\n  v = x;\n  centered;\n  monitor every 5 : a(x), b;\n"
	        "  image \"a\", scale = 2;\n}\n");
	formats("data x = (a + # why\r\n  b);  # so\r\n", "data x = (a + # why\n  b);  # so\n");
	formats("model m { energy = - sum(i, j) visible_units[i]*weights[i,j]*hidden_units[j] -"
	        " visible_bias@visible_units - hidden_bias@hidden_units; }",
	        "model m {\n  energy = -sum(i, j) visible_units[i]*weights[i,j]*hidden_units[j] -"
	        " visible_bias@visible_units\n      - hidden_bias@hidden_units;\n}\n");
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("syntax", setup, teardown);
	CU_add_test(suite, "precedence", test_precedence);
	CU_add_test(suite, "reductions", test_reductions);
	CU_add_test(suite, "keywords as names", test_words);
	CU_add_test(suite, "numbers and strings", test_values);
	CU_add_test(suite, "spans", test_spans);
	CU_add_test(suite, "depth", test_depth);
	CU_add_test(suite, "long lines of operators", test_long);
	CU_add_test(suite, "unparsing random expressions", test_unparse);
	CU_add_test(suite, "the tree of a file", test_file);
	CU_add_test(suite, "messages of the grammar", test_messages);
	CU_add_test(suite, "messages of the lexer", test_bad_text);
	CU_add_test(suite, "the formatter", test_format);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
