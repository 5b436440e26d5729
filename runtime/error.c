/* The text of the last error, one a thread: a runtime function that fails writes it with dgm_fail
 * and returns the status; whoever reports the failure reads it with dgm_error.  A text longer than
 * the buffer is cut. */
#include "dgm_rt.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char text[1024];

const char *dgm_error(void)
{
	return text;
}

int dgm_fail(int status, const char *fmt, ...)
{
	char line[sizeof text]; /* an argument may be dgm_error() itself */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	snprintf(text, sizeof text, "%s", line);
	return status;
}
