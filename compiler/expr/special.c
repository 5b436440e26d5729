/* Special functions for the reference evaluator, in double precision (long double where a
 * difference cancels).
 *
 * Poisson quantile   the smallest n with P(N <= n) >= u, N ~ Poisson(rate), by bisection on
 *                    P(N <= n) = Q(n + 1, rate), the regularised incomplete gamma function: the
 *                    series below its turning point, the continued fraction above
 * binomial quantile  the smallest k with P(K <= k) >= u, by summing the probabilities in long
 * double Gamma quantile     x with 1 - Q(shape, x) = u, by bisection of log x units on [0,1] with
 * density proportional to exp(f x): logz      log integral of exp(f x) = log((e^f - 1)/f) mean d
 * logz/df = 1/(1 - e^-f) - 1/f variance  d mean/df = 1/f^2 - 1/(4 sinh(f/2)^2) quantile  log(1 + u
 * (e^f - 1))/f digamma, trigamma  recurrence up to x >= 20, then the asymptotic series; reflection
 * below 0 */
#include "expr/internal.h"

#include <math.h>

/* P(N <= n) for N ~ Poisson(x) is Q(a, x), a = n + 1; here 0 < x, 0 < a. */
static double gamma_q(double a, double x)
{
	int sign;
	double scale = exp(a * log(x) - x - lgamma_r(a, &sign));
	if (x < a + 1) { /* 1 - x^a e^-x sum x^k / (a (a+1) .. (a+k)) / Gamma(a) */
		double term = 1 / a, sum = term;
		for (double k = 1; term > sum * 1e-17; k++) {
			term *= x / (a + k);
			sum += term;
		}
		return 1 - sum * scale;
	}
	double b = x + 1 - a, c = 1e300, d = 1 / b, h = d; /* Lentz */
	for (double k = 1; k < 1e5; k++) {
		double an = -k * (k - a);
		b += 2;
		d = 1 / (an * d + b);
		c = b + an / c;
		h *= c * d;
		if (fabs(c * d - 1) < 1e-16)
			break;
	}
	return h * scale;
}

double op_poisson(double u, double rate)
{
	if (isnan(u) || !(rate >= 0))
		return NAN;
	if (rate == 0 || u <= 0)
		return 0;
	if (u >= 1 || isinf(rate))
		return INFINITY;
	double below = -1, n = rate; /* P(N <= below) < u <= P(N <= n) */
	n = floor(n);
	for (double step = 1 + sqrt(rate); gamma_q(n + 1, rate) < u; step *= 2) {
		below = n;
		n = floor(n + step);
	}
	while (n - below > 1) {
		double middle = floor((n + below) / 2);
		if (gamma_q(middle + 1, rate) < u)
			below = middle;
		else
			n = middle;
	}
	return n;
}

double op_binomial(double u, double p, double n)
{
	long double sum = 0;
	if (isnan(u) || !(p >= 0 && p <= 1) || !(n >= 0 && n < INFINITY))
		return NAN;
	if (u <= 0 || p == 0 || n == 0)
		return 0;
	if (u >= 1 || p == 1)
		return n;
	double first = floor(n * p - 40 * sqrt(n * p * (1 - p)) - 40); /* what is below is nothing */
	for (double k = fmax(first, 0); k < n; k++) {
		sum += expl(lgammal(n + 1) - lgammal(k + 1) - lgammal(n - k + 1) + k * logl(p) +
		            (n - k) * log1pl(-p));
		if (sum >= u)
			return k;
	}
	return n;
}

double op_gamma_quantile(double u, double shape)
{
	if (isnan(u) || !(shape > 0))
		return NAN;
	if (u <= 0 || u >= 1)
		return u <= 0 ? 0 : INFINITY;
	double lo = -700, hi = log(shape + 1) + 7;
	for (int k = 0; k < 100; k++) {
		double middle = 0.5 * (lo + hi);
		*(1 - gamma_q(shape, exp(middle)) < u ? &lo : &hi) = middle;
	}
	return exp(hi);
}

double op_unit_logz(double x)
{
	long double f = x;
	if (fabs(x) < 1e-2)
		return (double)(f / 2 + f * f / 24 - f * f * f * f / 2880);
	if (x == INFINITY)
		return x;
	return (double)(x > 0 ? f + logl(-expm1l(-f) / f) : logl(expm1l(f) / f));
}

double op_unit_mean(double x)
{
	long double f = x;
	if (fabs(x) < 1e-2)
		return (double)(0.5L + f / 12 - f * f * f / 720 + f * f * f * f * f / 30240);
	return (double)(-1 / expm1l(-f) - 1 / f);
}

double op_unit_var(double x)
{
	long double f = x, s = sinhl(f / 2);
	if (fabs(x) < 1e-2)
		return (double)(1.0L / 12 - f * f / 240 + f * f * f * f / 6048);
	return (double)(1 / (f * f) - 1 / (4 * s * s));
}

double op_unit_quantile(double u, double x)
{
	long double f = x, q;
	if (isnan(u) || isnan(x))
		return NAN;
	if (x == 0)
		q = u;
	else if (x > 1)
		q = 1 + logl(u + (1 - (long double)u) * expl(-f)) / f;
	else
		q = log1pl(u * expm1l(f)) / f;
	return (double)(q < 0 ? 0 : q > 1 ? 1 : q);
}

double op_digamma(double x)
{
	static const double c[] = {-1. / 12, 1. / 120, -1. / 252, 1. / 240, -1. / 132, 691. / 32760};
	double y = 0, power = 1;
	if (x <= 0 && x == floor(x))
		return NAN;
	if (x < 0)
		return op_digamma(1 - x) - M_PI / tan(M_PI * (x - floor(x)));
	for (; x < 20; x++)
		y -= 1 / x;
	if (isinf(x))
		return x;
	y += log(x) - 0.5 / x;
	for (int k = 0; k < 6; k++)
		y += c[k] * (power /= x * x);
	return y;
}

double op_trigamma(double x)
{
	static const double c[] = {1. / 6, -1. / 30, 1. / 42, -1. / 30, 5. / 66, -691. / 2730};
	double y = 0, power;
	if (x <= 0 && x == floor(x))
		return INFINITY;
	if (x < 0) {
		double s = sin(M_PI * (x - floor(x)));
		return M_PI * M_PI / (s * s) - op_trigamma(1 - x);
	}
	for (; x < 20; x++)
		y += 1 / (x * x);
	power = 1 / x;
	y += power + 0.5 / (x * x);
	for (int k = 0; k < 6; k++)
		y += c[k] * (power /= x * x);
	return y;
}

double op_lgamma(double x)
{
	int sign;
	return lgamma_r(x, &sign);
}
