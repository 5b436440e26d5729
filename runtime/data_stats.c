/* Steps that rescale values, by statistics of the examples or of each example.
 *
 * With `like`, the statistics are those of another set as it stands before its own step of the
 * kind: a test set is standardised by its training set.
 *
 * whiten is ZCA (Bell and Sejnowski 1997): x becomes V (L + e)^(-1/2) V' (x - mean), where V L V'
 * is the covariance of the examples, and e is epsilon times the mean of the eigenvalues L, so that
 * the result does not depend on the unit in which x is measured.  LAPACK's dsyevd is in OpenBLAS.
 */
#include "data_work.h"
#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MAX_WHITEN 8192 /* values of an example: covariances of 512 MiB */

/* The last two arguments are the lengths of the first two. */
void dsyevd_(const char *vectors, const char *half, const blasint *n, double *a, const blasint *lda,
             double *values, double *work, const blasint *lwork, blasint *iwork,
             const blasint *liwork, blasint *info, size_t, size_t);

struct fit { /* of a step to a set */
	double *mean;
	double *sd;    /* standardize */
	float *matrix; /* whiten */
};
typedef int fit_fn(const struct dgm_data_work *ref, const struct dgm_step *how, struct fit *f);

static void fit_free(struct fit *f)
{
	free(f->mean);
	free(f->sd);
	free(f->matrix);
}

/* Brings w to floats, finds the set that the statistics are of, and computes them. */
static int fit_step(struct dgm_data_work *w, const struct dgm_step *s, fit_fn *fit, struct fit *f)
{
	struct dgm_data_work *ref = NULL;
	const struct dgm_step *how = s;
	int status = dgm_data_to_floats(w);
	if (!status && w->gaps && !s->like)
		status = dgm_fail(DGM_EDOMAIN,
		                  "%s: some values are missing: the statistics are to be those of another "
		                  "set, like = DATA",
		                  w->name);
	if (!status && s->like)
		status = dgm_data_reference(w, s, &ref, &how);
	if (!status && ref && ref->d.items != w->d.items)
		status = dgm_fail(DGM_ESHAPE,
		                  "%s: its examples have %" PRId64 " values, those of %s, which gives the "
		                  "statistics, have %" PRId64,
		                  w->name, w->d.items, ref->name, ref->d.items);
	if (!status && ref && ref->d.resampled)
		status = dgm_fail(DGM_EDOMAIN, "%s: the values of %s are drawn anew for each batch",
		                  w->name, ref->name);
	if (!status && ref)
		status = dgm_data_to_floats(ref);
	if (!status)
		status = fit(ref ? ref : w, how, f);
	if (ref)
		dgm_data_free(&ref->d);
	return status;
}

static void changed(struct dgm_data_work *w, const char *what, const struct dgm_step *s)
{
	CHANGED(" |> %s", what);
	if (s->like)
		CHANGED("(like %s)", s->like->name);
}

static int fit_mean(const struct dgm_data_work *ref, struct fit *f)
{
	int64_t n = ref->d.n, items = ref->d.items;
	f->mean = calloc((size_t)items, sizeof *f->mean);
	if (!f->mean)
		return dgm_data_no_memory(ref);
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++)
			f->mean[u] += ref->d.f32[e * items + u];
	for (int64_t u = 0; u < items; u++)
		f->mean[u] /= (double)n;
	return DGM_OK;
}

static int fit_standardize(const struct dgm_data_work *ref, const struct dgm_step *how,
                           struct fit *f)
{
	int64_t n = ref->d.n, items = ref->d.items;
	int status = fit_mean(ref, f);
	(void)how;
	f->sd = calloc((size_t)items, sizeof *f->sd);
	if (!status && !f->sd)
		status = dgm_data_no_memory(ref);
	if (status)
		return status;
	for (int64_t e = 0; e < n; e++)
		for (int64_t u = 0; u < items; u++) {
			double x = ref->d.f32[e * items + u] - f->mean[u];
			f->sd[u] += x * x;
		}
	for (int64_t u = 0; u < items; u++) {
		double tiny = 1e-7 * fabs(f->mean[u]); /* below this the differences are rounding */

		f->sd[u] = sqrt(f->sd[u] / (double)n);
		if (f->sd[u] <= tiny) /* the same in all examples: it becomes 0 */
			f->sd[u] = 1;
	}
	return DGM_OK;
}

int dgm_step_standardize(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct fit f = {0};
	int status = fit_step(w, s, fit_standardize, &f);
	int64_t n = w->d.n, items = w->d.items;
	for (int64_t e = 0; e < n && !status; e++)
		for (int64_t u = 0; u < items; u++) {
			float *v = &w->d.f32[e * items + u];
			*v = (float)((*v - f.mean[u]) / f.sd[u]);
		}
	fit_free(&f);
	changed(w, "standardize", s);
	return status;
}

/* The lower half of the covariance, row-major, into cov. */
static int covariance(const struct dgm_data_work *ref, const double *mean, double *cov)
{
	enum { ROWS = 256 };
	int64_t n = ref->d.n, items = ref->d.items;
	double *x = malloc((size_t)(ROWS * items) * sizeof *x);
	if (!x)
		return dgm_data_no_memory(ref);
	for (int64_t e = 0; e < n; e += ROWS) {
		int64_t rows = n - e < ROWS ? n - e : ROWS;
		for (int64_t i = 0; i < rows; i++)
			for (int64_t u = 0; u < items; u++)
				x[i * items + u] = ref->d.f32[(e + i) * items + u] - mean[u];
		cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)items, (blasint)rows,
		            1 / (double)n, x, (blasint)items, 1, cov, (blasint)items);
	}
	free(x);
	return DGM_OK;
}

/* The lower half of a row-major matrix is the upper one of Fortran's; its rows become eigenvectors.
 */
static int eigen(const struct dgm_data_work *ref, double *a, double *values)
{
	blasint n = (blasint)ref->d.items, info = 0, lwork = -1, liwork = -1, isize = 0;
	double size = 0;
	dsyevd_("V", "U", &n, a, &n, values, &size, &lwork, &isize, &liwork, &info, 1, 1);
	lwork = (blasint)size;
	liwork = isize;
	double *work = malloc((size_t)lwork * sizeof *work);
	blasint *iwork = malloc((size_t)liwork * sizeof *iwork);
	if (work && iwork)
		dsyevd_("V", "U", &n, a, &n, values, work, &lwork, iwork, &liwork, &info, 1, 1);
	bool no_memory = !work || !iwork;
	free(work);
	free(iwork);
	if (no_memory)
		return dgm_data_no_memory(ref);
	return info == 0 ? DGM_OK
	                 : dgm_fail(DGM_ENONFINITE,
	                            "%s: the eigenvalues of its covariance were not found", ref->name);
}

static int fit_whiten(const struct dgm_data_work *ref, const struct dgm_step *how, struct fit *f)
{
	int64_t items = ref->d.items;
	if (items > MAX_WHITEN)
		return dgm_fail(DGM_ELIMIT,
		                "%s: whiten takes examples of at most %d values, these have %" PRId64,
		                ref->name, MAX_WHITEN, items);
	if (!(how->value >= 0) || !isfinite(how->value))
		return dgm_fail(DGM_EDOMAIN, "%s: whiten needs an epsilon of at least 0, not %g", ref->name,
		                how->value);
	openblas_set_num_threads(1);
	int status = fit_mean(ref, f);
	size_t square = (size_t)items * (size_t)items;
	double *v = calloc(square, sizeof *v), *value = calloc((size_t)items, sizeof *value);
	double *product = calloc(square, sizeof *product), mean = 0;
	f->matrix = malloc(square * sizeof *f->matrix);
	if (!status && (!v || !value || !product || !f->matrix))
		status = dgm_data_no_memory(ref);
	if (!status)
		status = covariance(ref, f->mean, v);
	if (!status)
		status = eigen(ref, v, value);
	for (int64_t k = 0; k < items && !status; k++)
		mean += value[k] / (double)items;
	for (int64_t k = 0; k < items && !status; k++) {
		double l = fmax(value[k], 0) + how->value * mean;
		if (l <= 1e-10 * mean)
			status = dgm_fail(DGM_EDOMAIN,
			                  "%s: whiten: in some direction its examples do not vary; an epsilon, "
			                  "such as 0.01, takes care of it",
			                  ref->name);
		for (int64_t u = 0; u < items; u++)
			v[k * items + u] /= sqrt(sqrt(l));
	}
	if (!status) {
		cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)items, (blasint)items, 1, v,
		            (blasint)items, 0, product, (blasint)items);
		for (int64_t i = 0; i < items; i++)
			for (int64_t j = 0; j < items; j++)
				f->matrix[i * items + j] = (float)product[i > j ? i * items + j : j * items + i];
	}
	free(v);
	free(value);
	free(product);
	return status;
}

struct whitening {
	const float *from, *matrix;
	float *to;
	int64_t n, items;
};
enum { WHITEN_ROWS = 256 };

static void whiten_rows(void *arg, int64_t chunk, int64_t nchunk)
{
	const struct whitening *x = arg;
	int64_t e = chunk * WHITEN_ROWS, rows = x->n - e < WHITEN_ROWS ? x->n - e : WHITEN_ROWS;
	(void)nchunk;
	dgm_sgemm(0, 0, rows, x->items, x->items, 1, x->from + e * x->items, x->items, x->matrix,
	          x->items, 0, x->to + e * x->items, x->items);
}

int dgm_step_whiten(struct dgm_data_work *w, const struct dgm_step *s)
{
	struct fit f = {0};
	int64_t n = w->d.n, items = w->d.items;
	int status = fit_step(w, s, fit_whiten, &f);
	float *to = status ? NULL : malloc((size_t)(n * items) * sizeof *to);
	if (!status && !to)
		status = dgm_data_no_memory(w);
	if (!status) {
		for (int64_t i = 0; i < n * items; i++)
			w->d.f32[i] = (float)(w->d.f32[i] - f.mean[i % items]);
		struct whitening x = {w->d.f32, f.matrix, to, n, items};
		dgm_parallel(whiten_rows, &x, (n + WHITEN_ROWS - 1) / WHITEN_ROWS);
		free(w->d.f32);
		w->d.f32 = to;
	}
	fit_free(&f);
	changed(w, "whiten", s);
	if (!s->like)
		CHANGED("(%.9g)", s->value);
	return status;
}

int dgm_step_center(struct dgm_data_work *w, const struct dgm_step *s)
{
	int64_t items = w->d.items;
	int status = dgm_data_to_floats(w);
	for (int64_t e = 0; e < w->d.n && !status; e++) {
		float *v = w->d.f32 + e * items;
		double sum = 0;
		for (int64_t u = 0; u < items; u++)
			sum += v[u];
		for (int64_t u = 0; u < items; u++)
			v[u] = (float)(v[u] - sum / (double)items);
	}
	changed(w, "center", s);
	return status;
}

int dgm_step_log1p(struct dgm_data_work *w, const struct dgm_step *s)
{
	int status = dgm_data_to_floats(w);
	for (int64_t i = 0; i < w->d.n * w->d.items && !status; i++) {
		float *v = &w->d.f32[i];
		if (*v <= -1)
			status = dgm_fail(DGM_EDOMAIN,
			                  "%s: example %" PRId64 ", unit %" PRId64
			                  " (both from 0) is %g: log1p needs values above -1",
			                  w->name, i / w->d.items, i % w->d.items, *v);
		else
			*v = (float)log1p(*v);
	}
	changed(w, "log1p", s);
	return status;
}
