/* Which words are instructions: each is run alone, and what is none is SIGILL at its own address. */
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define RET 0x00008067u
#define NOP 0x00010000u
#define DYNAMIC 7
#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

static sigjmp_buf env;
static volatile int seen;
static void *volatile address;
static unsigned int *code;
static char memory[4096] __attribute__((aligned(4096)));

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	address = info->si_addr;
	siglongjmp(env, 1);
}

/* Runs one instruction with a0 at memory, a1 at the code and `fcsr` set; a letter of what came of it. */
static char outcome(unsigned int word, int fcsr)
{
	code[0] = (word & 3) == 3 ? word : (word & 0xffff) | NOP;
	code[1] = code[2] = RET;
	__builtin___clear_cache((char *)code, (char *)code + 16);
	seen = 0;
	if (!sigsetjmp(env, 1)) {
		register long a0 __asm__("a0") = (long)memory + 64;
		register long a1 __asm__("a1") = (long)code;
		register long a2 __asm__("a2") = fcsr;

		__asm__ volatile("fscsr a2\njalr ra, 0(a1)"
				 : "+r"(a0), "+r"(a1), "+r"(a2)
				 :
				 : "ra", "s0", "s1", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5",
				   "t6", "fa0", "fa1", "memory");
	}
	__asm__ volatile("fscsr zero");
	if (seen == SIGILL)
		return address == code ? 'I' : '?';
	return seen == 0 ? '.' : seen == SIGTRAP ? 'T' : seen == SIGSEGV ? 'S' : 'B';
}

static void words(const char *name, const unsigned int *list, unsigned int count, int fcsr)
{
	printf("%-9s", name);
	for (unsigned int i = 0; i < count; i++)
		putchar(outcome(list[i], fcsr));
	putchar('\n');
}

/* Every value of a field `bits` wide at `shift`. */
static void field(const char *name, unsigned int word, int shift, int bits, int fcsr)
{
	printf("%-9s", name);
	for (unsigned int value = 0; value < 1u << bits; value++)
		putchar(outcome((word & ~(((1u << bits) - 1) << shift)) | value << shift, fcsr));
	putchar('\n');
}

/* Rounding modes in the instruction, and in fcsr where the instruction leaves it to that. */
static void rounding(void)
{
	static const struct {
		const char *name;
		unsigned int word;
	} rounded[] = {
		{ "fadd.s", 0x00b50553 },   { "fadd.d", 0x02b50553 },   { "fdiv.d", 0x1ab50553 },
		{ "fsqrt.d", 0x5a050553 },  { "fmadd.d", 0x52b50543 },  { "fcvt.w.d", 0xc2050553 },
		{ "fcvt.d.w", 0xd2050553 }, { "fcvt.s.d", 0x40150553 }, { "fcvt.d.s", 0x42050553 },
		{ "fcvt.d.l", 0xd2250553 }, { "fcvtlu.s", 0xc0350553 },
	};

	for (unsigned int i = 0; i < ARRAY(rounded); i++) {
		field(rounded[i].name, rounded[i].word, 12, 3, 5 << 5);
		printf("%-9s", "dynamic");
		for (int mode = 0; mode < 8; mode++)
			putchar(outcome(rounded[i].word | DYNAMIC << 12, mode << 5));
		putchar('\n');
	}
	field("fsgnj.d", 0x22b50553, 12, 3, 7 << 5);
	field("fmin.d", 0x2ab50553, 12, 3, 7 << 5);
	field("feq.d", 0xa2b50553, 12, 3, 7 << 5);
	field("fclass.d", 0xe2050553, 12, 3, 7 << 5);
	field("fmv.d.x", 0xf2050553, 12, 3, 7 << 5);
}

static void formats(void)
{
	static const unsigned int system[] = { 0x00100073, 0x00200073, 0x10200073, 0x30200073, 0x12000073, 0x00100573 };
	static const unsigned int fences[] = { 0x8330000f, 0x0ff5050f, 0x0100000f, 0x0015100f };
	static const unsigned int shifts[] = { 0x0205151b, 0x04051513, 0x43f55513, 0x4205551b };
	static const unsigned int reserved[] = { 0x08b50533, 0x3eb50533, 0x0000000b, 0x0000002b, 0x00000057, 0x0000001f,
						 0x0000003f, 0xffffffff, 0x04b50553, 0x06b50553, 0x00054507, 0xd2450553,
						 0x5a150553, 0x40050553, 0x42150553, 0xe2150553, 0x1015252f };

	field("amo", 0x0005252f, 12, 3, 0);
	field("funct5", 0x00b5252f, 27, 5, 0);
	field("load", 0x00050503, 12, 3, 0);
	field("store", 0x00050023, 12, 3, 0);
	field("fload", 0x00050507, 12, 3, 0);
	field("fstore", 0x00a50027, 12, 3, 0);
	field("branch", 0x00000463, 12, 3, 0);
	field("op32", 0x00b5053b, 12, 3, 0);
	field("muldiv32", 0x02b5053b, 12, 3, 0);
	field("opimm32", 0x0015051b, 12, 3, 0);
	field("miscmem", 0x0000000f, 12, 3, 0);
	words("system", system, ARRAY(system), 0);
	words("fence", fences, ARRAY(fences), 0);
	words("shift", shifts, ARRAY(shifts), 0);
	words("reserved", reserved, ARRAY(reserved), 0);
}

/* The registers that a program may read, write, or neither. */
static void csrs(void)
{
	static const unsigned int numbers[] = { 1, 2, 3, 0xc00, 0xc01, 0xc02, 0x300, 0x100, 0x180, 0xf14, 4, 0, 0x7c0, 0x340 };

	for (unsigned int i = 0; i < ARRAY(numbers); i++) {
		unsigned int csr = numbers[i] << 20;
		unsigned int ways[] = { csr | 0x2573, csr | 0x51073, csr | 0x6573, csr | 0x2d573 };
		char name[9];

		snprintf(name, sizeof(name), "csr %x", numbers[i]);
		words(name, ways, ARRAY(ways), 0);
	}
}

static void compressed(void)
{
	static const unsigned int halves[] = { 0x0000, 0x0004, 0x8000, 0x8004, 0x2001, 0x2005, 0x6001, 0x6081, 0x6501, 0x4002,
					       0x6002, 0x8002, 0x9002, 0x9c41, 0x9c61, 0x9c21, 0x9c01, 0x8401, 0x9001, 0x0001,
					       0x0085, 0x4001, 0x0002, 0x1002, 0x2002, 0x2082, 0x9c45, 0x9c65, 0x9e79, 0x9e7d };

	words("rvc", halves, ARRAY(halves), 0);
}

int main(void)
{
	static const int signals[] = { SIGILL, SIGSEGV, SIGTRAP, SIGBUS };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	for (unsigned int i = 0; i < ARRAY(signals); i++)
		CHECK(sigaction(signals[i], &action, NULL) == 0);
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
	rounding();
	formats();
	csrs();
	compressed();
	return 0;
}
