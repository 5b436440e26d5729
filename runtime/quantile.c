/* Quantiles of the Gamma distribution, with shape a and rate 1, and of the binomial distribution,
 * in double precision.
 *
 * Gamma: x with P(a, x) = u, P the regularised lower incomplete gamma function (the series below
 * its turning point, the continued fraction above), by Halley's method from the expansion of Wilson
 * and Hilferty (which is enough for large shapes) or, for small x, from P ~ x^a/Gamma(a + 1); steps
 * that leave the interval known to hold x are halvings of it. Results below the least normal float
 * are that number: positive. Binomial: the smallest k with P(K <= k) >= u, summed from the
 * likeliest value on. */
#include "dgm_rt.h"

#include <float.h>
#include <math.h>

#define LARGE_SHAPE 1e6 /* the series has some ten square roots of the shape as terms */

static double log_gamma(double a)
{
	int sign;
	return lgamma_r(a, &sign);
}

static double gamma_p(double a, double x, double log_scale)
{
	double scale = exp(a * log(x) - x - log_scale);
	if (x < a + 1) {
		double term = 1 / a, sum = term;
		for (double k = 1; term > sum * 1e-15; k++) {
			term *= x / (a + k);
			sum += term;
		}
		return sum * scale;
	}
	double b = x + 1 - a, c = 1e300, d = 1 / b, h = d; /* Lentz */
	for (double k = 1; k < 1e6; k++) {
		double an = -k * (k - a);
		b += 2;
		d = 1 / (an * d + b);
		c = b + an / c;
		h *= c * d;
		if (fabs(c * d - 1) < 1e-15)
			break;
	}
	return 1 - h * scale;
}

/* z with P(Z > z) = u < 1/2, Z normal, to 3e-3. */
static double normal_guess(double u)
{
	double t = sqrt(-2 * log(u));
	return t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t));
}

/* The cube root of x / a, nearly normal. */
static double wilson_hilferty(double u, double a, double z)
{
	double s = 1 / (9 * a);
	return 1 - s + (u < 0.5 ? -z : z) * sqrt(s);
}

static double gamma_guess(double u, double a, double log_scale)
{
	double small = exp((log(u) + log_scale + log(a)) / a);
	if (small < 0.2 * (a + 1))
		return small;
	double w = wilson_hilferty(u, a, normal_guess(u < 0.5 ? u : 1 - u)), x = a * w * w * w;
	return w > 0 ? x : small;
}

/* Of a large shape: the expansion's relative error is of the order of a^(-3/2). */
static double gamma_of_large(double u, double a)
{
	double tail = u < 0.5 ? u : 1 - u, z = normal_guess(tail);
	for (int k = 0; k < 3; k++) /* Newton */
		z += (0.5 * erfc(z * sqrt(0.5)) - tail) * sqrt(2 * M_PI) * exp(0.5 * z * z);
	double w = wilson_hilferty(u, a, z);
	return a * w * w * w;
}

float dgm_gamma_quantile(float p, float shape)
{
	double u = (double)p, a = (double)shape, lo = 0, hi = INFINITY;
	if (isnan(p) || !(shape > 0))
		return NAN;
	if (p <= 0 || p >= 1)
		return p <= 0 ? 0 : INFINITY;
	if (a > LARGE_SHAPE)
		return (float)gamma_of_large(u, a);
	double log_scale = log_gamma(a), x = gamma_guess(u, a, log_scale);
	for (int k = 0; k < 200 && x > FLT_MIN; k++) {
		double off = gamma_p(a, x, log_scale) - u;
		double density = exp((a - 1) * log(x) - x - log_scale), step = off / density;
		*(off > 0 ? &hi : &lo) = x;
		double bend = step * ((a - 1) / x - 1);
		step /= 1 - 0.5 * (bend < 1 ? bend : 1);
		double next = x - step;
		if (!(next > lo && next < hi))
			next = isinf(hi) ? 2 * x : 0.5 * (lo + hi);
		if (fabs(next - x) <= 1e-10 * x)
			return (float)next;
		x = next;
	}
	return x > FLT_MIN ? (float)x : FLT_MIN;
}

/* P(K <= k) is summed from k = 0 where that is likely enough to stand in a double, else from far
 * below the mean: what is left out is less than 1e-30. */
float dgm_binomial(float p, float chance, float trials)
{
	double u = (double)p, q = (double)chance, n = (double)trials;
	if (isnan(p) || !(q >= 0 && q <= 1) || !(n >= 0))
		return NAN;
	if (u <= 0 || q == 0 || n == 0)
		return 0;
	if (u >= 1 || q == 1)
		return trials;
	double k = n * log1p(-q) > -600 ? 0 : floor(n * q - 12 * sqrt(n * q * (1 - q)) - 12);
	k = k < 0 ? 0 : k;
	double log_term = log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1) + k * log(q) +
	                  (n - k) * log1p(-q);
	double term = exp(log_term), sum = term, odds = q / (1 - q);
	for (; sum < u && k < n; k++) {
		term *= (n - k) / (k + 1) * odds;
		if (term < 1e-20 && k > n * q) /* what is left is rounding */
			break;
		sum += term;
	}
	return (float)k;
}
