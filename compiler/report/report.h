/* report: the page of a run, report.html, that shows what the run left in its folder.  It holds everything
 * itself, so that it can be read without a network. */
#ifndef DGM_REPORT_H
#define DGM_REPORT_H

#include "driver/driver.h"

/* ---- html.c ---- */
/* The file as a figure of the page; nothing where there is no such file.  true: there is. */
bool html_png(FILE *f, const char *path, const char *caption);
bool html_svg(FILE *f, const char *path, const char *caption);
bool html_svg_text(FILE *f, const char *svg, const char *caption); /* the text of such a file */
/* Numbers as a table, n rows of m, at most so many of them. */
void html_numbers(FILE *f, const float *x, int64_t n, int64_t m, const char *caption);

/* ---- tex.c ---- */
/* LaTeX as ex_latex and explain write it, as MathML.  What is not known is shown as it is. */
void tex_mathml(FILE *f, const char *tex);

/* ---- style.c ---- */
extern const char report_style[];

#endif
