/* Signals: faults with their addresses and codes, timers, masks, alternate stacks, restarts, children. */
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static sigjmp_buf env;
static volatile sig_atomic_t seen, last_code;
static void *volatile last_addr;
static volatile int on_stack;
static char alternate[16384];

static void on_fault(int signo, siginfo_t *info, void *context)
{
	char local;

	(void)context;
	seen = signo;
	last_code = info->si_code;
	last_addr = info->si_addr;
	on_stack = &local >= alternate && &local < alternate + sizeof(alternate);
	siglongjmp(env, 1);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	last_code = info->si_code;
}

static void handle(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(signo, &action, NULL) == 0);
}

static void faults(void)
{
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	CHECK(page != MAP_FAILED);
	handle(SIGSEGV, on_fault, 0);
	if (!sigsetjmp(env, 1))
		*(volatile int *)16 = 1;
	CHECK(seen == SIGSEGV && last_code == SEGV_MAPERR && last_addr == (void *)16 && !on_stack);
	if (!sigsetjmp(env, 1))
		page[5000] = 1;
	CHECK(last_code == SEGV_ACCERR && last_addr == page + 5000);
	CHECK(munmap(page, 8192) == 0);
	CHECK(sigaltstack(&stack, NULL) == 0);
	handle(SIGSEGV, on_fault, SA_ONSTACK);
	if (!sigsetjmp(env, 1))
		(void)*(volatile char *)page;
	CHECK(last_code == SEGV_MAPERR && last_addr == page && on_stack);
	if (!sigsetjmp(env, 1))
		((void (*)(void))alternate)();
	CHECK(last_code == SEGV_ACCERR && last_addr == alternate);
	handle(SIGILL, on_fault, 0);
	if (!sigsetjmp(env, 1))
		__asm__ volatile(".4byte 0");
	CHECK(seen == SIGILL);
	handle(SIGTRAP, on_fault, 0);
	if (!sigsetjmp(env, 1))
		__asm__ volatile("ebreak");
	CHECK(seen == SIGTRAP);
	puts("faults");
}

static void timers(void)
{
	struct itimerval timer = { .it_value = { .tv_usec = 20000 } };

	handle(SIGALRM, on_signal, 0);
	seen = 0;
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (!seen)
		;
	CHECK(seen == SIGALRM);
	seen = 0;
	alarm(3);
	struct timespec long_time = { .tv_sec = 10 }, left;
	CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR && seen == SIGALRM);
	CHECK(left.tv_sec == 6 || left.tv_sec == 7);
	puts("timers");
}

static void masks(void)
{
	sigset_t set, old, pending;

	handle(SIGUSR1, on_signal, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	seen = 0;
	CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0);
	CHECK(seen == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	CHECK(sigsuspend(&old) == -1 && errno == EINTR && seen == SIGUSR1);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
	sigaddset(&set, SIGRTMIN);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	siginfo_t info;
	struct timespec soon = { .tv_nsec = 1000000 };
	CHECK(sigtimedwait(&set, &info, &soon) == -1 && errno == EAGAIN);
	union sigval value = { .sival_int = 1234 };
	CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
	CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 1234 && info.si_code == SI_QUEUE);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	puts("masks");
	fflush(stdout);
}

static void restarts(void)
{
	int ends[2];
	char byte;

	CHECK(pipe(ends) == 0);
	for (int restart = 0; restart < 2; restart++) {
		pid_t parent = getpid();

		handle(SIGUSR1, on_signal, restart ? SA_RESTART : 0);
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			usleep(10000);
			kill(parent, SIGUSR1);
			usleep(10000);
			CHECK(write(ends[1], "x", 1) == 1);
			_exit(0);
		}
		errno = 0;
		ssize_t n = read(ends[0], &byte, 1);
		CHECK(restart ? n == 1 : n == -1 && errno == EINTR);
		while (waitpid(child, NULL, 0) < 0)
			CHECK(errno == EINTR);
		if (!restart)
			CHECK(read(ends[0], &byte, 1) == 1);
	}
	puts("restarts");
}

static volatile sig_atomic_t child_pid, child_status;

static void on_child(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	last_code = info->si_code;
	child_pid = info->si_pid;
	child_status = info->si_status;
}

static void children(void)
{
	int status;

	handle(SIGCHLD, on_child, SA_RESTART);
	pid_t child = fork();
	if (child == 0)
		_exit(9);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(seen == SIGCHLD && last_code == CLD_EXITED && child_pid == child && child_status == 9);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(child, child);
	CHECK(kill(-child, SIGKILL) == 0);
	CHECK(waitpid(-child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(last_code == CLD_KILLED && child_status == SIGKILL);
	CHECK(kill(child, 0) == -1 && errno == ESRCH);
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		_exit(0);
	CHECK(wait(NULL) == -1 && errno == ECHILD);
	puts("children");
}

int main(void)
{
	faults();
	timers();
	masks();
	restarts();
	fflush(stdout);
	children();
	return 0;
}
