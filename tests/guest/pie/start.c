/* A static-PIE without a C library (Debian's cross C library has no start file for one). Built with -nostdlib. */

static long call(long number, long a, long b, long c)
{
	register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a7 __asm__("a7") = number;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
	return a0;
}

static int initialized = 5;
static int zeroed[2048];

void start(long *stack)
{
	static const char text[] = "position independent\n";
	long argc = stack[0], here = (long)&initialized;

	call(64, 1, (long)text, sizeof(text) - 1);
	call(94, argc == 1 && initialized == 5 && zeroed[2047] == 0 && here > 0x100000000 ? 0 : 1, 0, 0);
}

__asm__(".globl _start\n_start: mv a0, sp\n\tj start\n");
