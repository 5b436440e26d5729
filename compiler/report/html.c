/* Parts of a page: text, pictures as data of the page, tables of numbers. */
#include "report/report.h"
#include "files.h"

#include <stdlib.h>
#include <string.h>

/* The bytes of a file with a 0 behind them, NULL: it cannot be read.  free() them. */
static unsigned char *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	unsigned char *text = NULL;
	long size = -1;
	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size >= 0 && fseek(f, 0, SEEK_SET) == 0)
		text = malloc((size_t)size + 1);
	*n = text ? fread(text, 1, (size_t)size, f) : 0;
	if (text)
		text[*n] = 0;
	if (f)
		fclose(f);
	return text;
}

/* RFC 4648 */
static void base64(FILE *f, const unsigned char *x, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)x[i] << 16;
		v |= i + 1 < n ? (unsigned)x[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned)x[i + 2] : 0;
		fputc(digit[v >> 18], f);
		fputc(digit[v >> 12 & 63], f);
		fputc(i + 1 < n ? digit[v >> 6 & 63] : '=', f);
		fputc(i + 2 < n ? digit[v & 63] : '=', f);
	}
}

static void begin_figure(FILE *f)
{
	fputs("<figure>", f);
}

static void end_figure(FILE *f, const char *caption)
{
	fputs("<figcaption>", f);
	dgm_put_text(f, caption);
	fputs("</figcaption></figure>\n", f);
}

/* Small pictures are shown at a whole multiple of their size. */
bool html_png(FILE *f, const char *path, const char *caption)
{
	enum { WIDTH_AT = 16, HEIGHT_AT = 20, WANTED = 640 };
	size_t n;
	unsigned char *png = read_file(path, &n);
	if (!png || n < HEIGHT_AT + 4 || memcmp(png + 1, "PNG", 3) != 0) {
		free(png);
		return false;
	}
	unsigned w = (unsigned)png[WIDTH_AT + 2] << 8 | png[WIDTH_AT + 3];
	unsigned h = (unsigned)png[HEIGHT_AT + 2] << 8 | png[HEIGHT_AT + 3];
	unsigned most = w > h ? w : h, times = most ? WANTED / most : 1;
	times = times < 1 ? 1 : times > 8 ? 8 : times;
	begin_figure(f);
	fprintf(f, "<img width=\"%u\" height=\"%u\" alt=\"", w * times, h * times);
	dgm_put_text(f, caption);
	fputs("\" src=\"data:image/png;base64,", f);
	base64(f, png, n);
	fputs("\"/>", f);
	end_figure(f, caption);
	free(png);
	return true;
}

/* Inside a page the name space is that of the page. */
bool html_svg_text(FILE *f, const char *svg, const char *caption)
{
	static const char space[] = " xmlns=\"http://www.w3.org/2000/svg\"";
	const char *at = svg ? strstr(svg, space) : NULL;
	if (!at)
		return false;
	begin_figure(f);
	fwrite(svg, 1, (size_t)(at - svg), f);
	fputs(at + strlen(space), f);
	end_figure(f, caption);
	return true;
}

bool html_svg(FILE *f, const char *path, const char *caption)
{
	size_t n;
	unsigned char *svg = read_file(path, &n);
	bool found = html_svg_text(f, (const char *)svg, caption);
	free(svg);
	return found;
}

void html_numbers(FILE *f, const float *x, int64_t n, int64_t m, const char *caption)
{
	begin_figure(f);
	fputs("<div class=\"wide\"><table class=\"numbers\">", f);
	for (int64_t i = 0; i < n; i++) {
		fputs("<tr>", f);
		for (int64_t k = 0; k < m; k++)
			fprintf(f, "<td>%.4g</td>", (double)x[i * m + k]);
		fputs("</tr>\n", f);
	}
	fputs("</table></div>", f);
	end_figure(f, caption);
}
