/* Integer work without much memory: a sieve in registers would be too kind, so hashing, division and branches. */
#include "start.h"

static unsigned long gcd(unsigned long a, unsigned long b)
{
	while (b) {
		unsigned long t = a % b;

		a = b;
		b = t;
	}
	return a;
}

static unsigned int collatz(unsigned long n)
{
	unsigned int steps = 0;

	while (n != 1) {
		n = n & 1 ? 3 * n + 1 : n >> 1;
		steps++;
	}
	return steps;
}

unsigned long work(void)
{
	unsigned long hash = 14695981039346656037UL;
	unsigned int i;

	for (i = 1; i < ROUNDS * 20000; i++) {
		hash = (hash ^ i) * 1099511628211UL;
		hash ^= hash >> 29;
		if ((i & 63) == 0)
			hash += gcd(hash >> 40, i);
		if ((i & 15) == 0)
			hash += collatz(i);
	}
	return hash;
}
