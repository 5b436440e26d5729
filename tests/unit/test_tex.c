/* LaTeX as MathML: known formulas, and whatever else stands there, which must come out well-formed.
 */
#include "report/report.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

/* What is between <semantics> and the annotation. */
static const char *mathml(const char *tex)
{
	static char part[1 << 14];
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	tex_mathml(f, tex);
	fclose(f);
	const char *from = strstr(text, "<semantics>"), *to = strstr(text, "<annotation");
	CU_ASSERT_FATAL(from && to);
	from += strlen("<semantics>");
	snprintf(part, sizeof part, "%.*s", (int)(to - from), from);
	free(text);
	return part;
}

static void gives(const char *tex, const char *want)
{
	const char *got = mathml(tex);
	char whole[4096];
	snprintf(whole, sizeof whole, "<mrow>%s</mrow>", want);
	if (strcmp(got, whole) != 0)
		fprintf(stderr, "%s: %s, expected %s\n", tex, got, whole);
	CU_ASSERT_STRING_EQUAL(got, whole);
}

static void test_formulas(void)
{
	gives("x", "<mi>x</mi>");
	gives("W_{i,j}", "<msub><mi>W</mi><mrow><mi>i</mi><mo>,</mo><mi>j</mi></mrow></msub>");
	gives("\\mathit{a\\_b}^{2}", "<msup><mi>a_b</mi><mrow><mn>2</mn></mrow></msup>");
	gives("\\sum_{i} x", "<munder><mo>\u2211</mo><mrow><mi>i</mi></mrow></munder><mi>x</mi>");
	gives("\\frac{1}{2.5e-3}",
	      "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2.5e-3</mn></mrow></mfrac>");
	gives("-\\sigma\\left(x < y\\right)", "<mo>\u2212</mo><mi>\u03c3</mi><mrow><mo>(</mo><mi>x</"
	                                      "mi><mo>&lt;</mo><mi>y</mi><mo>)</mo></mrow>");
	gives("p(x \\mid \\mathrm{rest})",
	      "<mi>p</mi><mo stretchy=\"false\">(</mo><mi>x</mi><mo>\u2223</mo><mi>rest</mi><mo "
	      "stretchy=\"false\">)</mo>");
	gives("log p", "<mi>log</mi><mspace width=\"0.2em\"/><mi>p</mi>");
	gives("\\unknown{x}", "<mtext>unknown</mtext><mrow><mi>x</mi></mrow>");
	gives("x_{i}^{2}", "<msub><mi>x</mi><mrow><mi>i</mi></mrow></msub><msup><mrow></"
	                   "mrow><mrow><mn>2</mn></mrow></msup>");
}

/* Every tag that opens closes, in order. */
static bool balanced(const char *s)
{
	char stack[512][16];
	int n = 0;
	for (; (s = strchr(s, '<')) != NULL; s++) {
		size_t len = strcspn(s + 1, ">"), word = strcspn(s + 1, " >");
		if (s[len] == '/')
			continue;
		if (s[1] == '/') {
			if (n == 0 || strncmp(stack[--n], s + 2, len - 1) != 0 || stack[n][len - 1] != 0)
				return false;
			continue;
		}
		if (n == 512 || word > 15)
			return false;
		snprintf(stack[n++], sizeof stack[0], "%.*s", (int)word, s + 1);
	}
	return n == 0;
}

static void test_anything(void)
{
	static const char *const part[] = {
	    "\\left(", "\\right)", "\\frac", "{",   "}", "_", "^", "\\sum",  "\\mathit{a", "x",
	    "12",      ".5e",      "\\",     "\\,", "<", "&", " ", "\\left", "\u03c3"};
	unsigned r = 1;
	for (int t = 0; t < 3000; t++) {
		char tex[256] = "";
		for (int k = 0; k < t % 14; k++) {
			r = r * 1103515245 + 12345;
			strcat(tex, part[(r >> 16) % (sizeof part / sizeof *part)]);
		}
		bool fine = balanced(mathml(tex));
		if (!fine)
			fprintf(stderr, "not well-formed: %s: %s\n", tex, mathml(tex));
		CU_ASSERT(fine);
	}
	CU_ASSERT(!balanced("<a><b></a></b>") && !balanced("<a>") && balanced("<a><b/></a>"));
}

int main(void)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite s = CU_add_suite("tex", NULL, NULL);
	CU_add_test(s, "formulas", test_formulas);
	CU_add_test(s, "anything", test_anything);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures() + CU_get_number_of_failure_records();
	CU_cleanup_registry();
	return failed != 0;
}
