/* Random system calls with arguments that are likely to hurt. Its own fate does not matter; the machine's does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t state;
static char *area;
static char buffer[8192];

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned long argument(void)
{
	static const unsigned long values[] = { 0,	   1,	     2,		  3,	      4095,	   4096,       -1ul,
						-100ul,    1ul << 31, 0xffffffff, 1ul << 47,  (1ul << 53) + 1, 1ul << 63, -4096ul,
						8,	   16,	     24,	  64,	      128,	   0x7ffffffff000 };
	switch (next() % 6) {
	case 0:
		return (unsigned long)area + next() % 4 * 4096;
	case 1:
		return (unsigned long)buffer + next() % 4096;
	case 2:
		return next() % 24;
	case 3:
		return next();
	default:
		return values[next() % (sizeof(values) / sizeof(*values))];
	}
}

static void ignore(int signo)
{
	(void)signo;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 200;

	state = 88172645463325252ull + (argc > 1 ? atoi(argv[1]) : 1) * 7919ull;
	area = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	open("/dev/hmm_dmirror0", O_RDWR);
	open("/tmp/fuzz", O_RDWR | O_CREAT, 0600);
	if (pipe((int *)buffer) == 0)
		fcntl(*(int *)buffer, F_SETFL, O_NONBLOCK);
	struct sigaction action = { .sa_handler = ignore };
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < rounds; i++) {
		long number = next() % 460;

		if (number == SYS_exit || number == SYS_exit_group || number == SYS_rt_sigreturn || number == SYS_clone)
			continue;
		alarm(1);
		for (int j = 0; j < 64; j++)
			buffer[next() % sizeof(buffer)] = next();
		syscall(number, argument(), argument(), argument(), argument(), argument(), argument());
	}
	return 0;
}
