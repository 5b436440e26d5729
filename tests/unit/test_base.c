/* base: arenas, growable arrays, interned strings, text buffers, places in sources, and the exact
 * text of printed messages. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static struct arena *a;

static int setup(void)
{
	a = arena_new();
	return 0;
}

static int teardown(void)
{
	arena_free(a);
	return 0;
}

static void same(const char *got, const char *want)
{
	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want))
		fprintf(stderr, "\n--- got\n%s--- want\n%s", got, want);
}

static void test_arena(void)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 70000, 3, 20000000, 5};
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		unsigned char *p = arena_alloc(a, sizes[k]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_EQUAL((uintptr_t)p % 16, 0);
		size_t dirty = 0;
		for (size_t i = 0; i < sizes[k]; i++)
			dirty += p[i] != 0;
		CU_ASSERT_EQUAL(dirty, 0);
		memset(p, 0xAB, sizes[k]);
	}
	CU_ASSERT_STRING_EQUAL((char *)arena_copy(a, "abc", 4), "abc");
	CU_ASSERT_STRING_EQUAL(arena_printf(a, "%s %d", "x", 7), "x 7");
	arena_free(NULL);
}

static void test_vec(void)
{
	VEC(int) v = {0};
	for (int i = 0; i < 10000; i++)
		vec_push(a, &v, i * i);
	CU_ASSERT_EQUAL(v.n, 10000);
	int wrong = 0;
	for (int i = 0; i < v.n; i++)
		wrong += v.at[i] != i * i;
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_intern(void)
{
	const char *first = intern("W");
	char again[] = "W";
	CU_ASSERT_PTR_EQUAL(intern(again), first);
	CU_ASSERT_PTR_EQUAL(intern_n("Wh", 1), first);
	CU_ASSERT_PTR_NOT_EQUAL(intern("Wh"), first);
	CU_ASSERT_PTR_EQUAL(intern(""), intern_n("x", 0));
	const char *kept[5000];
	for (int i = 0; i < 5000; i++)
		kept[i] = intern(arena_printf(a, "name%d", i));
	int moved = 0;
	for (int i = 0; i < 5000; i++)
		moved += kept[i] != intern(arena_printf(a, "name%d", i));
	CU_ASSERT_EQUAL(moved, 0);
}

static void test_buf(void)
{
	struct buf b;
	buf_init(&b, a);
	for (int i = 0; i < 1000; i++) {
		buf_puts(&b, "ab");
		buf_putc(&b, 'c');
		buf_printf(&b, "%d", i % 10);
	}
	CU_ASSERT_EQUAL(b.n, 4000);
	CU_ASSERT_EQUAL(strlen(b.s), 4000);
	CU_ASSERT_EQUAL(memcmp(b.s + 3996, "abc9", 4), 0);
	char big[1000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	buf_printf(&b, "%s", big);
	CU_ASSERT_EQUAL(b.n, 4999);
}

static struct span span_of(const struct source *s, const char *text)
{
	const char *at = strstr(s->text, text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	uint32_t beg = (uint32_t)(at - s->text);
	return (struct span){s->id, beg, beg + (uint32_t)strlen(text)};
}

static void test_places(void)
{
	static const char text[] = "one\n\ttwo gr\xC3\xB6\xC3\x9F x\r\n\nend";
	struct source *s = source_text("p.dgm", text, sizeof text - 1);
	CU_ASSERT_PTR_EQUAL(source_get(s->id), s);
	struct place p = source_place(span_of(s, "one"));
	CU_ASSERT(p.line == 1 && p.col == 1);
	p = source_place(span_of(s, "two"));
	CU_ASSERT(p.line == 2 && p.col == 2);
	p = source_place(span_of(s, "x"));
	CU_ASSERT(p.line == 2 && p.col == 11);
	p = source_place(span_of(s, "end"));
	CU_ASSERT(p.line == 4 && p.col == 1);
	p = source_place((struct span){s->id, 4000, 4000});
	CU_ASSERT(p.line == 4 && p.col == 4);
	CU_ASSERT_PTR_NULL(source_get(0));
	p = source_place((struct span){0, 3, 4});
	CU_ASSERT(p.line == 0);

	struct span j = span_join(span_of(s, "two"), span_of(s, "one"));
	CU_ASSERT(j.beg == 0 && j.end == 8);
	j = span_join((struct span){0, 0, 0}, span_of(s, "two"));
	CU_ASSERT(j.src == s->id && j.beg == 5);
}

static void test_read(void)
{
	errno = 0;
	CU_ASSERT_PTR_NULL(source_read("/nowhere/at/all.dgm"));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_PTR_NULL(source_read("/"));
	CU_ASSERT_EQUAL(errno, EISDIR);
	char path[] = "/tmp/dgm_base_XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "wb");
	for (int i = 0; i < 100000; i++)
		fputc(i % 251, f);
	fclose(f);
	struct source *s = source_read(path);
	remove(path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->len, 100000);
	CU_ASSERT_EQUAL(s->text[100000], '\0');
	CU_ASSERT_EQUAL((unsigned char)s->text[99999], 99999 % 251);
}

/* ---- messages ------------------------------------------------------------------------------- */
static char *printed(const struct diags *d)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	diags_print(d, f);
	fclose(f);
	char *kept = arena_copy(a, text, n + 1);
	free(text);
	return kept;
}

/* What one message about `marked` in `text` prints. */
static char *message(const char *text, struct span *at, const char *marked)
{
	struct source *s = source_text("m.dgm", text, strlen(text));
	struct diags *d = diags_new(a);
	diag(d, DIAG_SYNTAX_NUMBER, at ? (struct span){s->id, at->beg, at->end} : span_of(s, marked),
	     "1x");
	CU_ASSERT_EQUAL(diags_errors(d), 1);
	return printed(d);
}

static void test_message(void)
{
	same(message("a\n  b = 1x;\n", NULL, "1x"), "m.dgm:2:7: error: '1x' is not a number\n"
	                                            "   2 |   b = 1x;\n"
	                                            "     |       ^~\n");
	same(message("\t\tb\t= 1x;\r\nc", NULL, "1x"), "m.dgm:1:7: error: '1x' is not a number\n"
	                                               "   1 | \t\tb\t= 1x;\n"
	                                               "     | \t\t \t  ^~\n");
	same(message("gr\xC3\xB6\xC3\x9F 1x", NULL, "1x"), "m.dgm:1:6: error: '1x' is not a number\n"
	                                                   "   1 | gr\xC3\xB6\xC3\x9F 1x\n"
	                                                   "     |      ^~\n");
	same(message("ab \xC3\xB6\xC3\x9F", NULL, "\xC3\xB6\xC3\x9F"),
	     "m.dgm:1:4: error: '1x' is not a number\n"
	     "   1 | ab \xC3\xB6\xC3\x9F\n"
	     "     |    ^~\n");
	same(message("a (b\nc) d", NULL, "(b\nc)"), "m.dgm:1:3: error: '1x' is not a number\n"
	                                            "   1 | a (b\n"
	                                            "     |   ^~\n");
	same(message("ab", &(struct span){0, 2, 2}, NULL), "m.dgm:1:3: error: '1x' is not a number\n"
	                                                   "   1 | ab\n"
	                                                   "     |   ^\n");
	same(message("", &(struct span){0, 0, 0}, NULL), "m.dgm:1:1: error: '1x' is not a number\n"
	                                                 "   1 | \n"
	                                                 "     | ^\n");
	same(message("a\x01"
	             "b 1x",
	             NULL, "1x"),
	     "m.dgm:1:5: error: '1x' is not a number\n"
	     "   1 | a?b 1x\n"
	     "     |     ^~\n");
}

static void test_long_line(void)
{
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	memcpy(text + 600, " 1y ", 4);
	struct buf want;
	buf_init(&want, a);
	buf_puts(&want, "m.dgm:1:602: error: '1x' is not a number\n   1 | ...");
	for (int i = 0; i < 160; i++)
		buf_putc(&want, text[601 - 40 + i]);
	buf_printf(&want, "...\n     |    %40s^~\n", "");
	same(message(text, NULL, "1y"), want.s);
}

static void test_notes(void)
{
	struct source *s = source_text("n.dgm", "a b c", 5);
	struct diags *d = diags_new(a);
	diag(d, DIAG_SYNTAX_NUMBER, span_of(s, "b"), "b");
	diag(d, DIAG_NOTE, span_of(s, "a"), "see a");
	diag(d, DIAG_SYNTAX_NUMBER, span_of(s, "b"), "b"); /* said before: once is enough */
	diag(d, DIAG_NOTE, span_of(s, "a"), "see a");
	diag(d, DIAG_SYNTAX_NUMBER, (struct span){0}, "nowhere");
	CU_ASSERT_EQUAL(diags_errors(d), 2);
	same(printed(d), "n.dgm:1:3: error: 'b' is not a number\n"
	                 "   1 | a b c\n"
	                 "     |   ^\n"
	                 "n.dgm:1:1: note: see a\n"
	                 "   1 | a b c\n"
	                 "     | ^\n"
	                 "error: 'nowhere' is not a number\n");
	diags_settle(d);
	diag(d, DIAG_SYNTAX_NUMBER, span_of(s, "b"), "b");
	diag(d, DIAG_NOTE, span_of(s, "a"), "see a");
	same(printed(d), "");
	diag(d, DIAG_SYNTAX_NUMBER, (struct span){0}, "new");
	same(printed(d), "error: 'new' is not a number\n");
}

static void test_limit(void)
{
	struct diags *d = diags_new(a);
	for (int i = 0; i < 23; i++) {
		diag(d, DIAG_SYNTAX_NUMBER, (struct span){0}, arena_printf(a, "%d", i));
		diag(d, DIAG_NOTE, (struct span){0}, "note");
	}
	CU_ASSERT_EQUAL(diags_errors(d), 23);
	char *text = printed(d);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "error: '19' is not a number\nnote: note\n3 more errors"));
	CU_ASSERT_PTR_NULL(strstr(text, "'20'"));
}

static void test_nearest(void)
{
	static const char *const words[] = {"visible", "hidden", "param", "W", "logsumexp", NULL};
	CU_ASSERT_STRING_EQUAL(nearest_word("hiden", words, 6), "hidden");
	CU_ASSERT_STRING_EQUAL(nearest_word("visibel", words, 6), "visible");
	CU_ASSERT_STRING_EQUAL(nearest_word("PARAM", words, 6), "param");
	CU_ASSERT_STRING_EQUAL(nearest_word("w", words, 6), "W");
	CU_ASSERT_PTR_NULL(nearest_word("q", words, 6));
	CU_ASSERT_PTR_NULL(nearest_word("epochs", words, 6));
	CU_ASSERT_PTR_NULL(nearest_word("", words, 6));
	CU_ASSERT_PTR_NULL(nearest_word("x", NULL, 0));
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("base", setup, teardown);
	CU_add_test(suite, "arena", test_arena);
	CU_add_test(suite, "growable arrays", test_vec);
	CU_add_test(suite, "interned strings", test_intern);
	CU_add_test(suite, "text buffers", test_buf);
	CU_add_test(suite, "places and spans", test_places);
	CU_add_test(suite, "reading files", test_read);
	CU_add_test(suite, "a message and its quoted line", test_message);
	CU_add_test(suite, "an overlong line", test_long_line);
	CU_add_test(suite, "notes, repeats, no place", test_notes);
	CU_add_test(suite, "at most 20 errors", test_limit);
	CU_add_test(suite, "the nearest word", test_nearest);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
