/* What programs do: an interpreter's dispatch through a table of functions, doubles, strings. */
#include "start.h"

struct machine {
	long stack[64];
	int top;
	double sum;
};

static void push(struct machine *m, long v) { m->stack[m->top++ & 63] = v; }
static long pop(struct machine *m) { return m->stack[--m->top & 63]; }

static void op_push(struct machine *m, int n) { push(m, n); }
static void op_add(struct machine *m, int n) { push(m, pop(m) + pop(m) + n); }
static void op_mul(struct machine *m, int n) { push(m, pop(m) * (n | 1)); }
static void op_xor(struct machine *m, int n) { push(m, pop(m) ^ pop(m) ^ n); }
static void op_float(struct machine *m, int n) { m->sum = m->sum * 0.999 + n / 7.0; push(m, (long)m->sum); }

static void (*const ops[])(struct machine *, int) = { op_push, op_add, op_mul, op_push, op_xor, op_float, op_push };

static char text[256];

static int format(long v)
{
	char digits[24];
	int n = 0, i = 0;
	unsigned long u = v < 0 ? -v : v;

	do {
		digits[n++] = '0' + u % 10;
		u /= 10;
	} while (u);
	while (n)
		text[i++] = digits[--n];
	text[i] = 0;
	return i;
}

static unsigned int checksum(const char *s)
{
	unsigned int sum = 0;

	while (*s)
		sum = sum * 31 + (unsigned char)*s++;
	return sum;
}

unsigned long work(void)
{
	static struct machine m;
	unsigned long result = 0;
	int i;

	m.top = 8;
	for (i = 0; i < ROUNDS * 20000; i++) {
		ops[((unsigned int)i * 2654435761u >> 16) % 7](&m, i);
		ops[i % 7](&m, i & 255);
		if ((i & 15) == 0) {
			format(pop(&m));
			push(&m, checksum(text));
		}
		result += m.stack[(m.top - 1) & 63];
	}
	return result + (long)m.sum;
}
