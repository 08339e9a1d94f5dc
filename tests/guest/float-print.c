/* Floating point through printf, strtod and libm. */
#include "guest.h"
#include <fenv.h>
#include <math.h>

int main(void)
{
	volatile double third = 1.0 / 3.0, huge = 1e308, tiny = 4.9e-324;
	volatile float single = 16777217.0f;

	printf("%.17g %a %e %g\n", third, third, third, third);
	printf("%g %g %.3f\n", huge * 10, -huge * 10, sqrt(-1.0) != sqrt(-1.0) ? 1.0 : 0.0);
	printf("%g %.20g %d\n", tiny, (double)single, (int)single);
	printf("%.17g %.17g\n", strtod("0.1", NULL), strtod("1e-320", NULL));
	printf("%.15g %.15g %.15g\n", sin(1.0), exp(1.0), pow(2.0, 0.5));
	printf("%.15g %.15g\n", log(10.0), atan2(1.0, -1.0));
	printf("%lld %lld\n", llrint(2.5), llrint(3.5));
	printf("%.17g\n", fma(0.1, 10.0, -1.0));
	CHECK(fesetround(FE_UPWARD) == 0);
	volatile double up = third + 1e-20;
	CHECK(fesetround(FE_TONEAREST) == 0);
	printf("%.17g %d\n", up, up > third);
	feclearexcept(FE_ALL_EXCEPT);
	volatile double zero = 0.0, quotient = 1.0 / zero;
	printf("%g %d %d\n", quotient, fetestexcept(FE_DIVBYZERO) != 0, fetestexcept(FE_INVALID) != 0);
	double sum = 0;
	for (int i = 1; i <= 1000; i++)
		sum += 1.0 / i;
	printf("%.17g\n", sum);
	return 0;
}
