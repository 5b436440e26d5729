/* Curves as an SVG file that stands alone: axes with round ticks, a grid, a legend at the right.
 *
 * Ticks are multiples of 1, 2 or 5 times a power of ten, four to nine of them.  Points that are
 * not finite are gaps; a point between two gaps is a dot. */
#include "files.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH = 760, HEIGHT = 420, LEFT = 84, RIGHT = 190, TOP = 44, BOTTOM = 56 };

static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                     "#e69f00", "#56b4e9", "#333333", "#8c6d31"};
static const char *const dashes[] = {"none", "6 3", "2 2", "8 3 2 3"};

struct axis {
	double lo, hi, step;
};

static struct axis nice(double lo, double hi)
{
	if (!(lo <= hi)) {
		lo = 0;
		hi = 1;
	}
	/* a range that double can hardly divide is widened */
	double least = fmax(fmax(fabs(lo), fabs(hi)) * 1e-9, 1e-300);
	if (hi - lo < least) {
		double by = fmax(fabs(lo) * 0.1, lo == 0 ? 1 : least);
		lo -= by;
		hi += by;
	}
	double rough = hi / 7 - lo / 7, power = pow(10, floor(log10(rough))), f = rough / power;
	struct axis a = {.step = (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10) * power};
	a.lo = floor(lo / a.step + 1e-9) * a.step;
	a.hi = ceil(hi / a.step - 1e-9) * a.step;
	return a;
}

static double at_x(const struct axis *a, double x)
{
	return LEFT + (x - a->lo) / (a->hi - a->lo) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct axis *a, double y)
{
	return HEIGHT - BOTTOM - (y - a->lo) / (a->hi - a->lo) * (HEIGHT - TOP - BOTTOM);
}

static void put_text(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		default:
			fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
		}
}

/* -0 and rounding next to zero are 0; as many decimals as the step asks for. */
static void put_tick(FILE *f, double v, double step)
{
	double big = fmax(fabs(v), step);
	if (fabs(v) < step * 1e-6)
		v = 0;
	int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
	if (big >= 1e6 || decimals > 5) {
		int digits = (int)fmax(0, ceil(log10(big / step) - 1e-9));
		fprintf(f, "%.*g", digits < 1 ? 2 : digits < 14 ? digits + 1 : 15, v);
	} else {
		fprintf(f, "%.*f", decimals, v);
	}
}

static void put_axes(FILE *f, const struct axis *x, const struct axis *y, const char *title,
                     const char *xlabel)
{
	fprintf(f,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
	        "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n"
	        "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n"
	        "<text x=\"%d\" y=\"24\" font-size=\"16\">",
	        WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
	put_text(f, title);
	fputs("</text>\n", f);
	for (int i = 0; i <= (int)lround((x->hi - x->lo) / x->step); i++) {
		double v = x->lo + i * x->step, at = at_x(x, v);
		fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#ddd\"/>", at, TOP, HEIGHT - BOTTOM);
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", at, HEIGHT - BOTTOM + 18);
		put_tick(f, v, x->step);
		fputs("</text>\n", f);
	}
	for (int i = 0; i <= (int)lround((y->hi - y->lo) / y->step); i++) {
		double v = y->lo + i * y->step, at = at_y(y, v);
		fprintf(f, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>", LEFT, at, WIDTH - RIGHT);
		fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 8, at + 4.5);
		put_tick(f, v, y->step);
		fputs("</text>\n", f);
	}
	fprintf(f, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#333\"/>\n", LEFT, TOP,
	        HEIGHT - BOTTOM, WIDTH - RIGHT);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
	        HEIGHT - 14);
	put_text(f, xlabel);
	fputs("</text>\n", f);
}

static bool shown(const struct dgm_series *s, int64_t i)
{
	return i >= 0 && i < s->n && fabs(s->x[i]) < 1e300 && fabs(s->y[i]) < 1e300;
}

static void put_series(FILE *f, const struct dgm_series *s, int number, const struct axis *x,
                       const struct axis *y)
{
	const char *c = colour[number % 8], *dash = dashes[number / 8 % 4];
	fprintf(f,
	        "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" stroke-dasharray=\"%s\" d=\"",
	        c, dash);
	for (int64_t i = 0; i < s->n; i++)
		if (shown(s, i))
			fprintf(f, "%c%.2f %.2f", shown(s, i - 1) ? 'L' : 'M', at_x(x, s->x[i]),
			        at_y(y, s->y[i]));
	fputs("\"/>\n", f);
	for (int64_t i = 0; i < s->n; i++)
		if (shown(s, i) && !shown(s, i - 1) && !shown(s, i + 1))
			fprintf(f, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"2.5\" fill=\"%s\"/>\n",
			        at_x(x, s->x[i]), at_y(y, s->y[i]), c);
	int at = TOP + 10 + 20 * number;
	fprintf(f,
	        "<path d=\"M%d %dh24\" stroke=\"%s\" stroke-width=\"1.8\" stroke-dasharray=\"%s\"/>"
	        "<text x=\"%d\" y=\"%d\">",
	        WIDTH - RIGHT + 14, at, c, dash, WIDTH - RIGHT + 44, at + 5);
	put_text(f, s->name);
	fputs("</text>\n", f);
}

int dgm_svg_curves(const char *path, const char *title, const char *xlabel,
                   const struct dgm_series *s, int n)
{
	struct dgm_out o;
	double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
	for (int k = 0; k < n; k++)
		for (int64_t i = 0; i < s[k].n; i++)
			if (shown(&s[k], i)) {
				lo[0] = fmin(lo[0], s[k].x[i]);
				hi[0] = fmax(hi[0], s[k].x[i]);
				lo[1] = fmin(lo[1], s[k].y[i]);
				hi[1] = fmax(hi[1], s[k].y[i]);
			}
	struct axis x = nice(lo[0], hi[0]), y = nice(lo[1], hi[1]);
	int status = dgm_out_open(&o, path);
	if (status)
		return status;
	put_axes(o.f, &x, &y, title, xlabel);
	for (int k = 0; k < n; k++)
		put_series(o.f, &s[k], k, &x, &y);
	fputs("</svg>\n", o.f);
	return dgm_out_commit(&o);
}
