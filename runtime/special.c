/* Special functions that generated code calls, a number at a time.  Computed in double precision
 * and rounded: errors of lgamma, digamma, trigamma within one unit in the last place (digamma next
 * to its zeros: absolute 1e-15).
 *
 * Poisson quantile: the smallest n with P(N <= n) >= u, N ~ Poisson(rate).  Up to SUMMED the
 * distribution function is summed; above, the expansion of Giles, Algorithm 955: approximation of
 * the inverse Poisson cumulative distribution function (ACM TOMS 42, 2016), to the third order:
 * with w the normal quantile of u, its integer part is n but for less than one u in 10^4, which are
 * off by one. */
#include "dgm_rt.h"

#include <math.h>

enum { SUMMED = 100 };

/* Acklam's rational approximation and one step of Halley's method. */
static double normal_quantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
	                           -2.759285104469687e+02, 1.383577518672690e+02,
	                           -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
	                           -1.556989798598866e+02, 6.680131188771972e+01,
	                           -1.328068155288572e+01};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
	                           -2.400758277161838e+00, -2.549732539343734e+00,
	                           4.374664141464968e+00,  2.938163982698783e+00};
	static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
	                           3.754408661907416e+00};
	double tail = p < 0.5 ? p : 1 - p, w;
	if (tail > 0.02425) {
		double q = p - 0.5, r = q * q;
		w = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
		    (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
	} else {
		double q = sqrt(-2 * log(tail));
		w = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
		    ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
		w = p < 0.5 ? w : -w;
	}
	double step = (0.5 * erfc(-w * M_SQRT1_2) - p) * sqrt(2 * M_PI) * exp(0.5 * w * w);
	return w - step / (1 + 0.5 * w * step);
}

static double poisson_sum(double u, double rate)
{
	double p = exp(-rate), sum = p, n = 0;
	while (sum < u && (p > 0 || n < rate)) {
		p *= rate / ++n;
		if (p < 1e-20 && n > rate) /* what is left is rounding */
			break;
		sum += p;
	}
	return n;
}

static double poisson_expansion(double u, double rate)
{
	double w = normal_quantile(u), v = w * w, root = sqrt(rate);
	double n = rate + root * w + 1. / 3 + v / 6 - (w / 36 + w * v / 72) / root;
	n += (-8. / 405 + v * 7 / 810 + v * v / 270) / rate;
	return n > 0 ? floor(n) : 0;
}

float dgm_poisson(float u, float rate)
{
	if (isnan(u) || !(rate >= 0))
		return NAN;
	if (rate == 0 || u <= 0)
		return 0;
	if (u >= 1 || isinf(rate))
		return INFINITY;
	double p = (double)u, mean = (double)rate;
	return (float)(mean <= SUMMED ? poisson_sum(p, mean) : poisson_expansion(p, mean));
}

float dgm_lgamma(float x)
{
	int sign;
	return (float)lgamma_r((double)x, &sign);
}

static double digamma(double x)
{
	double y = 0, z;
	if (x < 0)
		return digamma(1 - x) - M_PI / tan(M_PI * (x - floor(x)));
	for (; x < 8; x++)
		y -= 1 / x;
	z = 1 / (x * x);
	return y + log(x) - 0.5 / x -
	       z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * (1. / 240 - z * (1. / 132)))));
}

static double trigamma(double x)
{
	double y = 0, z;
	if (x < 0) {
		double s = sin(M_PI * (x - floor(x)));
		return M_PI * M_PI / (s * s) - trigamma(1 - x);
	}
	for (; x < 8; x++)
		y += 1 / (x * x);
	z = 1 / (x * x);
	return y + 0.5 * z +
	       (1 + z * (1. / 6 - z * (1. / 30 - z * (1. / 42 - z * (1. / 30 - z * (5. / 66)))))) / x;
}

float dgm_digamma(float x)
{
	if (x == INFINITY)
		return x;
	return x <= 0 && x == floorf(x) ? NAN : (float)digamma((double)x);
}

float dgm_trigamma(float x)
{
	return x <= 0 && x == floorf(x) ? INFINITY : (float)trigamma((double)x);
}
