/* Progress on standard error.  On a terminal one line is redrawn, ten times a second at most and
 * never wider than the terminal; elsewhere a plain line is written when 10 % more is done or 30 s
 * passed. */
#include "files.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { QUIET, PLAIN, TERMINAL };

double dgm_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "1:23", "2:03:04" */
static void clock_text(double seconds, char *to, size_t room)
{
	long long s = seconds < 1e9 ? llround(fmax(seconds, 0)) : 999999999;
	if (s < 3600)
		snprintf(to, room, "%lld:%02lld", s / 60, s % 60);
	else
		snprintf(to, room, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

static int terminal_width(void)
{
	struct winsize w;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

void dgm_progress_begin(struct dgm_progress *p, const char *what, double total, bool quiet)
{
	double now = dgm_now();
	*p = (struct dgm_progress){.what = what,
	                           .total = total,
	                           .start = now,
	                           .last = now,
	                           .mode = quiet                   ? QUIET
	                                   : isatty(STDERR_FILENO) ? TERMINAL
	                                                           : PLAIN};
}

static void draw(struct dgm_progress *p, double part, const char *note)
{
	char line[512], eta[32] = "";
	double spent = p->last - p->start;
	if (part >= 1)
		clock_text(spent, eta, sizeof eta);
	else if (part > 0)
		clock_text(spent / part * (1 - part), eta, sizeof eta);
	snprintf(line, sizeof line, "%.100s: %3d %%%s%.300s%s%s", p->what, (int)(part * 100 + 1e-9),
	         *note ? ", " : "", note, *eta ? (part >= 1 ? ", took " : ", ETA ") : "", eta);
	if (p->mode == PLAIN)
		fprintf(stderr, "%s\n", line);
	else
		fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, line);
	fflush(stderr);
}

void dgm_progress_at(struct dgm_progress *p, double done, const char *fmt, ...)
{
	if (p->mode == QUIET)
		return;
	double now = dgm_now(), part = p->total > 0 ? fmin(fmax(done / p->total, 0), 1) : 0;
	int tenths = (int)(part * 10 + 1e-9);
	bool due = p->mode == PLAIN
	               ? tenths > p->shown || now - p->last >= 30
	               : p->shown == 0 || now - p->last >= 0.1 || (part >= 1 && p->shown < 10);
	if (!due)
		return;
	char note[400] = "";
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(note, sizeof note, fmt, ap);
	va_end(ap);
	p->last = now;
	p->shown = p->mode == PLAIN ? tenths : part >= 1 ? 10 : 1;
	draw(p, part, note);
}

void dgm_progress_end(struct dgm_progress *p)
{
	if (p->mode == TERMINAL && p->shown)
		fputc('\n', stderr);
	p->mode = QUIET;
}
