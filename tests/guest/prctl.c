/* What a process says of itself: set, asked for, inherited, and refused. */
#include "guest.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MIB 0x100000ul
#define REFUSED(call) CHECK((call) == -1 && errno == EINVAL)

static int has_huge_page(void)
{
	char *mem = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((unsigned long)mem + 2 * MIB - 1) & -(2 * MIB)), line[256];
	long kib = 0, sum = 0;

	CHECK(mem != MAP_FAILED && madvise(mem, 4 * MIB, MADV_HUGEPAGE) == 0);
	*at = 1;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	CHECK(smaps != NULL);
	while (fgets(line, sizeof(line), smaps))
		if (sscanf(line, "AnonHugePages: %ld", &kib) == 1)
			sum += kib;
	fclose(smaps);
	munmap(mem, 4 * MIB);
	return sum == 2048;
}

/* The parent dies first: its child gets the signal that it asked for. */
static void parent_dies(void)
{
	int go[2], told[2], status;
	char c = 0;

	CHECK(pipe(go) == 0 && pipe(told) == 0);
	pid_t parent = fork();
	if (parent == 0) {
		if (fork() > 0)
			_exit(read(go[0], &c, 1) != 1);
		sigset_t set;
		siginfo_t info;
		int signo = 0;

		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_GET_PDEATHSIG, &signo) == 0 && signo == SIGUSR1);
		if (fork() == 0) {
			CHECK(prctl(PR_GET_PDEATHSIG, &signo) == 0 && signo == 0);
			_exit(0);
		}
		pid_t dying = getppid();
		CHECK(write(go[1], "", 1) == 1 && sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == dying);
		CHECK(write(told[1], "", 1) == 1);
		_exit(0);
	}
	CHECK(waitpid(parent, &status, 0) == parent && status == 0 && read(told[0], &c, 1) == 1);
}

int main(void)
{
	REFUSED(prctl(PR_SET_PDEATHSIG, 65));
	parent_dies();

	CHECK(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0);
	REFUSED(prctl(PR_SET_DUMPABLE, 2));

	REFUSED(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	REFUSED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 7));
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);

	REFUSED(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	REFUSED(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 1));
	CHECK(has_huge_page() && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 && !has_huge_page());

	pid_t child = fork();
	int status;
	if (child == 0)
		_exit(has_huge_page() || prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0 ||
		      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0 && has_huge_page());
	puts("prctl: right");
	return 0;
}
