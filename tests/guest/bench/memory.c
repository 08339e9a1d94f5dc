/* Loads and stores: a sieve, a list walk in an order that no prefetch likes, sorting. */
#include "start.h"

#define SIZE (1 << 16)

static unsigned char sieve[SIZE];
static unsigned int next[SIZE];
static unsigned int keys[1 << 12];

static unsigned int primes(void)
{
	unsigned int i, j, count = 0;

	for (i = 0; i < SIZE; i++)
		sieve[i] = 1;
	for (i = 2; i < SIZE; i++) {
		if (!sieve[i])
			continue;
		count++;
		for (j = 2 * i; j < SIZE; j += i)
			sieve[j] = 0;
	}
	return count;
}

static unsigned int walk(void)
{
	unsigned int i, at = 0;

	for (i = 0; i < SIZE; i++)
		next[i] = (i * 40503 + 12345) & (SIZE - 1);
	for (i = 0; i < 4 * SIZE; i++)
		at = next[at] ^ (i & 1);
	return at;
}

static void sort(unsigned int *a, int n)
{
	int i = 0, j = n - 1;
	unsigned int pivot = a[n / 2];

	if (n < 2)
		return;
	while (i <= j) {
		while (a[i] < pivot)
			i++;
		while (a[j] > pivot)
			j--;
		if (i <= j) {
			unsigned int t = a[i];

			a[i++] = a[j];
			a[j--] = t;
		}
	}
	sort(a, j + 1);
	sort(a + i, n - i);
}

unsigned long work(void)
{
	unsigned long sum = 0;
	unsigned int i, k;

	for (k = 0; k < ROUNDS; k++) {
		sum += primes() + walk();
		for (i = 0; i < 1 << 12; i++)
			keys[i] = i * 2654435761u + k;
		sort(keys, 1 << 12);
		sum += keys[17];
	}
	return sum;
}
