/* Floats: roots by the machine and by Newton, sums of products in one rounding, in doubles and singles. */
#include "start.h"

static double newton(double a)
{
	double x = a * 0.5 + 0.5;
	int i;

	for (i = 0; i < 6; i++)
		x = 0.5 * (x + a / x);
	return x;
}

static double polynomial(double x)
{
	static const double c[] = { 0.99999, -0.16666, 0.0083333, -0.00019841, 0.0000027557 };
	double y = x * x, sum = c[4];
	int i;

	for (i = 3; i >= 0; i--)
		sum = __builtin_fma(sum, y, c[i]);
	return sum * x;
}

static float dot(const float *a, const float *b, int n)
{
	float sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum = __builtin_fmaf(a[i], b[i], sum);
	return sum;
}

unsigned long work(void)
{
	static float a[64], b[64];
	double sum = 0;
	int i;

	for (i = 0; i < 64; i++) {
		a[i] = i * 0.37f + 0.1f;
		b[i] = 3.3f - i * 0.05f;
	}
	for (i = 1; i < ROUNDS * 1000; i++) {
		double x = i * 0.001;

		sum += __builtin_sqrt(x) - newton(x);
		sum += polynomial(x * 0.01) + __builtin_sqrtf((float)x);
		a[i & 63] = 10.0f / (1.0f + dot(a, b, 64));
		sum += a[i & 63];
	}
	return (unsigned long)(sum * 1e6);
}
