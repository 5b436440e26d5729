/* The front end on any bytes: they parse or get messages, and what parses is checked; nothing
 * crashes. With libFuzzer this is the target (tests/fuzz/libfuzzer.sh builds it). */
#include "base/base.h"
#include "sema/sema.h"
#include "syntax/ast.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *sink;
	struct cx cx = {.perm = arena_new(), .prog = arena_new(), .tmp = arena_new()};
	if (!sink)
		sink = fopen("/dev/null", "w");
	cx.diags = diags_new(cx.prog);
	char *text = arena_alloc(cx.perm, size + 1);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)data[i];
	text[size] = 0;
	const struct source *src = source_text("fuzz.dgm", text, size);
	struct ast_file *f = parse(&cx, src);
	sema_check(&cx, f, NULL, 0);
	if (diags_errors(cx.diags) == 0)
		ast_format(f, src, sink);
	diags_print(cx.diags, sink);
	arena_free(cx.tmp);
	arena_free(cx.prog);
	arena_free(cx.perm);
	return 0;
}
