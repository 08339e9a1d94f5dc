/* What programs rarely do, and what an emulated kernel gets wrong: each of these is the same on a real one. */
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static sigjmp_buf env;
static volatile int seen, code;
static void *volatile address;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	code = info->si_code;
	address = info->si_addr;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	on_signal(signo, info, context);
	siglongjmp(env, 1);
}

static void handle(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(signo, &action, NULL) == 0);
}

/* LR, SC and AMOs want natural alignment, and nobody puts that right. */
static void misaligned(void)
{
	static char bytes[16] __attribute__((aligned(16)));
	long value;

	handle(SIGBUS, on_fault, 0);
	if (!sigsetjmp(env, 1))
		__asm__ volatile("amoadd.w %0, zero, (%1)" : "=r"(value) : "r"(bytes + 2) : "memory");
	CHECK(seen == SIGBUS && code == BUS_ADRALN && address == bytes + 2);
	address = NULL;
	if (!sigsetjmp(env, 1))
		__asm__ volatile("lr.d %0, (%1)" : "=r"(value) : "r"(bytes + 4) : "memory");
	CHECK(code == BUS_ADRALN && address == bytes + 4);
	puts("misaligned");
}

static volatile int went;

static void *go(void *unused)
{
	went = 1;
	return unused;
}

/* System calls that never wait do not keep other threads from running, nor signals from coming. */
static void busy_calls(void)
{
	struct itimerval timer = { .it_value = { .tv_usec = 2000 } };
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, go, NULL) == 0);
	while (!went)
		syscall(SYS_getppid);
	CHECK(pthread_join(thread, NULL) == 0);
	handle(SIGALRM, on_signal, 0);
	seen = 0;
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (seen != SIGALRM)
		syscall(SYS_getppid);
	puts("busy calls");
}

static struct {
	long shift;
	pthread_mutex_t mutex;
} shifted;

static void *die_locked(void *unused)
{
	CHECK(pthread_mutex_lock(&shifted.mutex) == 0);
	return unused;
}

/* The offset in a list of robust locks is negative. */
static void robust(void)
{
	pthread_mutexattr_t attr;
	pthread_t thread;

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(&shifted.mutex, &attr) == 0);
	CHECK(pthread_create(&thread, NULL, die_locked, NULL) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(pthread_mutex_lock(&shifted.mutex) == EOWNERDEAD);
	puts("robust");
}

/* The mask of a wait counts during the wait, and no longer. */
static void masks(void)
{
	struct timespec soon = { .tv_sec = 1 };
	struct pollfd ready = { .fd = eventfd(1, 0), .events = POLLIN };
	sigset_t usr1, none;

	handle(SIGUSR1, on_signal, 0);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0 && raise(SIGUSR1) == 0);
	seen = 0;
	CHECK(ppoll(&ready, 1, &soon, &none) == 1 && seen == 0);
	CHECK(pselect(0, NULL, NULL, NULL, &soon, &none) == -1 && errno == EINTR && seen == SIGUSR1);
	CHECK(raise(SIGUSR1) == 0 && syscall(SYS_ppoll, NULL, 0, &soon, &none, 4) == -1 && errno == EINVAL);
	CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
	puts("masks");
}

static char alternate[32768];

/* A frame that would leave the stack for handlers is not written anywhere. */
static void overflow(int signo)
{
	char *volatile low = alternate + 256;

	(void)signo;
	__asm__ volatile("mv sp, %0\n1: j 1b" : : "r"(low));
}

static void stacks(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate), .ss_flags = 7 };
	struct sigaction deep = { .sa_handler = overflow, .sa_flags = SA_ONSTACK | SA_NODEFER }, old;
	struct itimerval timer = { .it_value = { .tv_usec = 1000 }, .it_interval = { .tv_usec = 1000 } };
	int status;

	CHECK(sigaltstack(&stack, NULL) == -1 && errno == EINVAL);
	stack.ss_flags = SS_ONSTACK;
	CHECK(sigaltstack(&stack, NULL) == 0);
	pid_t child = fork();
	if (child == 0) {
		CHECK(sigaction(SIGALRM, &deep, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
		for (;;)
			;
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	handle(SIGUSR1, on_signal, SA_RESETHAND);
	CHECK(raise(SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	puts("stacks");
}

static void arguments(void)
{
	struct itimerval past = { .it_value = { .tv_sec = -1 } };
	sigset_t usr1;
	siginfo_t info;
	clockid_t clock;
	struct timespec now, forever = { .tv_sec = 1L << 62 };
	struct timeval at_once = { 0 };
	fd_set closed;
	int ends[2], word = 0;
	char byte;

	CHECK(setitimer(ITIMER_REAL, &past, NULL) == -1 && errno == EINVAL);
	CHECK(setpgid(0, 77777) == -1 && errno == EPERM);
	CHECK(pipe2(ends, 0x12345) == -1 && errno == EINVAL);
	CHECK(getrandom(&byte, 1, 99) == -1 && errno == EINVAL);
	CHECK(memfd_create("x", 0x8000) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_futex, &word, 3, -1, 1L, &word, 0) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_futex, &word, 1 | 256, 1, NULL, NULL, 0) == -1 && errno == ENOSYS);
	CHECK(clock_getcpuclockid(0, &clock) == 0 && clock_gettime(clock, &now) == 0);
	CHECK(pthread_getcpuclockid(pthread_self(), &clock) == 0 && clock_gettime(clock, &now) == 0);
	CHECK(clock_getcpuclockid(77777, &clock) == ESRCH);
	FD_ZERO(&closed);
	FD_SET(50, &closed);
	CHECK(select(51, &closed, NULL, NULL, &at_once) == -1 && errno == EBADF);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0 && raise(SIGUSR1) == 0);
	CHECK(sigtimedwait(&usr1, &info, &forever) == SIGUSR1 && info.si_code == SI_USER);
	int file = open("/tmp/corners.file", O_CREAT | O_RDWR, 0600);
	CHECK(file >= 0 && open("/tmp/corners.file/x", O_RDONLY) == -1 && errno == ENOTDIR);
	CHECK(unlink("/tmp/corners.file") == 0);
	CHECK(execl("/tmp", "x", NULL) == -1 && errno == EACCES);
	puts("arguments");
}

int main(void)
{
	misaligned();
	busy_calls();
	robust();
	masks();
	stacks();
	arguments();
	return 0;
}
