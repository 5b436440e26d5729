/* Curves as SVG, a file that stands alone or a part of a page: axes with round ticks, a grid, a
 * legend at the right.  Colours but those of the curves are attributes that a page's style sheet
 * replaces by the classes paper, grid and axis.
 *
 * Ticks are multiples of 1, 2 or 5 times a power of ten, four to nine of them.  Points that are
 * not finite are gaps; a point between two gaps is a dot. */
#include "files.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH = 760, HEIGHT = 420, LEFT = 84, LEGEND = 190, MARGIN = 24, TOP = 44, BOTTOM = 56 };

static const char *const colour[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                     "#e69f00", "#56b4e9", "#333333", "#8c6d31"};
static const char *const dashes[] = {"none", "6 3", "2 2", "8 3 2 3"};

struct axis {
	double lo, hi, step;
	int from, to; /* where these are, in pixels */
};

static struct axis nice(double lo, double hi, int from, int to)
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
	struct axis a = {.step = (f <= 1   ? 1
	                          : f <= 2 ? 2
	                          : f <= 5 ? 5
	                                   : 10) *
	                         power,
	                 .from = from,
	                 .to = to};
	a.lo = floor(lo / a.step + 1e-9) * a.step;
	a.hi = ceil(hi / a.step - 1e-9) * a.step;
	return a;
}

static double at(const struct axis *a, double v)
{
	return a->from + (v - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

void dgm_put_text(FILE *f, const char *s)
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
		case '"':
			fputs("&quot;", f);
			break;
		default:
			if ((unsigned char)*s >= ' ' || *s == '\n' || *s == '\t')
				fputc(*s, f);
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

static void put_ticks(FILE *f, const struct axis *a, bool across, int end)
{
	for (int i = 0; i <= (int)lround((a->hi - a->lo) / a->step); i++) {
		double v = a->lo + i * a->step, p = at(a, v);
		if (across)
			fprintf(f,
			        "<path class=\"grid\" d=\"M%.1f %dV%d\" stroke=\"#ddd\"/><text x=\"%.1f\" "
			        "y=\"%d\" text-anchor=\"middle\">",
			        p, TOP, end, p, end + 18);
		else
			fprintf(f,
			        "<path class=\"grid\" d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" "
			        "y=\"%.1f\" text-anchor=\"end\">",
			        LEFT, p, end, LEFT - 8, p + 4.5);
		put_tick(f, v, a->step);
		fputs("</text>\n", f);
	}
}

static void put_axes(FILE *f, const struct axis *x, const struct axis *y, const char *title,
                     const char *xlabel, int width)
{
	fprintf(f, "<rect class=\"paper\" width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width,
	        HEIGHT);
	fprintf(f, "<text x=\"%d\" y=\"24\" font-size=\"16\">", LEFT);
	dgm_put_text(f, title);
	fputs("</text>\n", f);
	put_ticks(f, x, true, y->from);
	put_ticks(f, y, false, x->to);
	fprintf(f, "<path class=\"axis\" d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#333\"/>\n", LEFT,
	        TOP, y->from, x->to);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + x->to) / 2, HEIGHT - 14);
	dgm_put_text(f, xlabel);
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
			fprintf(f, "%c%.2f %.2f", shown(s, i - 1) ? 'L' : 'M', at(x, s->x[i]), at(y, s->y[i]));
	fputs("\"/>\n", f);
	for (int64_t i = 0; i < s->n; i++)
		if (shown(s, i) && !shown(s, i - 1) && !shown(s, i + 1))
			fprintf(f, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"2.5\" fill=\"%s\"/>\n", at(x, s->x[i]),
			        at(y, s->y[i]), c);
}

static void put_legend(FILE *f, const char *name, int number, const struct axis *x)
{
	int y = TOP + 10 + 20 * number;
	fprintf(f,
	        "<path d=\"M%d %dh24\" stroke=\"%s\" stroke-width=\"1.8\" stroke-dasharray=\"%s\"/>"
	        "<text x=\"%d\" y=\"%d\">",
	        x->to + 14, y, colour[number % 8], dashes[number / 8 % 4], x->to + 44, y + 5);
	dgm_put_text(f, name);
	fputs("</text>\n", f);
}

void dgm_svg_write(FILE *f, const char *title, const char *xlabel, const struct dgm_series *s,
                   int n, bool legend)
{
	double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
	for (int k = 0; k < n; k++)
		for (int64_t i = 0; i < s[k].n; i++)
			if (shown(&s[k], i)) {
				lo[0] = fmin(lo[0], s[k].x[i]);
				hi[0] = fmax(hi[0], s[k].x[i]);
				lo[1] = fmin(lo[1], s[k].y[i]);
				hi[1] = fmax(hi[1], s[k].y[i]);
			}
	const int right = WIDTH - LEGEND, width = legend ? WIDTH : right + MARGIN;
	struct axis x = nice(lo[0], hi[0], LEFT, right);
	struct axis y = nice(lo[1], hi[1], HEIGHT - BOTTOM, TOP);
	fprintf(f,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
	        "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n",
	        width, HEIGHT, width, HEIGHT);
	put_axes(f, &x, &y, title, xlabel, width);
	for (int k = 0; k < n; k++) {
		put_series(f, &s[k], k, &x, &y);
		if (legend)
			put_legend(f, s[k].name, k, &x);
	}
	fputs("</svg>\n", f);
}

int dgm_svg_curves(const char *path, const char *title, const char *xlabel,
                   const struct dgm_series *s, int n)
{
	struct dgm_out o;
	int status = dgm_out_open(&o, path);
	if (status)
		return status;
	dgm_svg_write(o.f, title, xlabel, s, n, true);
	return dgm_out_commit(&o);
}
