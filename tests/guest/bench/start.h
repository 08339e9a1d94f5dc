/* The whole run-time of a measured program: writes what work() returns as 16 digits, and exits. */
#ifndef ROUNDS
#define ROUNDS 50
#endif

unsigned long work(void);

static inline long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;
	register long a7 __asm__("a7") = n;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
			 : "memory");
	return a0;
}

void _start(void)
{
	unsigned long result = work();
	char text[17];
	int i;

	for (i = 0; i < 16; i++)
		text[i] = "0123456789abcdef"[(result >> (60 - 4 * i)) & 15];
	text[16] = '\n';
	syscall6(64, 1, (long)text, 17, 0, 0, 0);
	syscall6(93, 0, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}
