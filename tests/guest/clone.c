/* clone(2) beyond fork and threads: memory, descriptors and handlers in common, pidfds, exit signals, vfork, clone3. */
#include "guest.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile int shared;

static int refuses(long ret, int error)
{
	return ret == -1 && errno == error;
}

static void pidfds(void)
{
	int fd = -1, status, file = open("/dev/zero", O_RDONLY);
	char bytes[4] = "none";

	CHECK(file >= 0);
	pid_t child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
	if (child == 0)
		for (;;)
			pause();
	CHECK(child > 0 && fd > file && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	int copy = syscall(SYS_pidfd_getfd, fd, file, 0);
	CHECK(copy >= 0 && read(copy, bytes, 4) == 4 && bytes[0] == 0);
	CHECK(refuses(syscall(SYS_pidfd_getfd, fd, 99, 0), EBADF));
	CHECK(refuses(syscall(SYS_pidfd_getfd, fd, file, 1), EINVAL));
	CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK(refuses(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0), EINVAL));
	CHECK(refuses(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, (void *)16, 0, 0), EFAULT));
	CHECK(close(fd) == 0 && close(copy) == 0 && close(file) == 0);
	CHECK(refuses(close(fd), EBADF));
	puts("pidfds");
}

static int writes(void *file)
{
	void *mark = sbrk(4096);

	shared = 42;
	*(int *)file = open("/dev/null", O_WRONLY);
	*(char *)mark = 1;
	return 5;
}

static void in_common(void)
{
	int status, file = -1;
	char *end = sbrk(0);

	shared = 0;
	pid_t child = clone(writes, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, &file);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CHECK(shared == 42 && sbrk(0) == end + 4096 && *end == 1);
	CHECK(file >= 0 && write(file, "x", 1) == 1 && close(file) == 0);
	child = clone(writes, stack + sizeof(stack), CLONE_VM | SIGCHLD, &file);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(refuses(write(file, "x", 1), EBADF));
	shared = 0;
	child = clone(writes, stack + sizeof(stack), SIGCHLD, &file);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && shared == 0);
	puts("in common");
}

static int handler_of(int signo)
{
	struct sigaction action;

	CHECK(sigaction(signo, NULL, &action) == 0);
	return action.sa_handler == SIG_IGN;
}

static int ignores(void *unused)
{
	(void)unused;
	signal(SIGUSR2, SIG_IGN);
	return 0;
}

static void handlers(void)
{
	pid_t child = clone(ignores, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

	CHECK(waitpid(child, NULL, 0) == child && !handler_of(SIGUSR2));
	child = clone(ignores, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
	CHECK(waitpid(child, NULL, 0) == child && handler_of(SIGUSR2));
	CHECK(refuses(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL));
	CHECK(refuses(syscall(SYS_clone, CLONE_THREAD | CLONE_VM | SIGCHLD, 0, 0, 0, 0), EINVAL));
	CHECK(refuses(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL));
	puts("handlers");
}

static volatile sig_atomic_t ended;

static void on_end(int signo)
{
	ended = signo;
}

static void exit_signals(void)
{
	int status;

	signal(SIGUSR1, on_end);
	signal(SIGCHLD, on_end);
	pid_t child = syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
	if (child == 0)
		_exit(1);
	CHECK(refuses(waitpid(child, &status, 0), ECHILD));
	CHECK(waitpid(child, &status, __WCLONE) == child && WEXITSTATUS(status) == 1 && ended == SIGUSR1);
	ended = 0;
	child = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (child == 0)
		_exit(2);
	CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 2 && ended == 0);
	signal(SIGCHLD, SIG_DFL);
	puts("exit signals");
}

static void vforks(void)
{
	char *missing[] = { "missing", NULL };
	pid_t child;
	int status;

	shared = 1;
	child = vfork();
	if (child == 0) {
		shared = 2;
		_exit(3);
	}
	CHECK(shared == 2 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	CHECK(posix_spawn(&child, "/nowhere/missing", NULL, NULL, missing, environ) == ENOENT);
	CHECK(refuses(wait(NULL), ECHILD));
	puts("vforks");
}

static void clone3s(void)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	int fd = -1, status;
	char big[128] = { 0 };

	args.pidfd = (unsigned long)&fd;
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));
	if (child == 0)
		_exit(4);
	CHECK(child > 0 && fd >= 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4);
	close(fd);
	memcpy(big, &args, sizeof(args));
	big[sizeof(args) + 3] = 1;
	CHECK(refuses(syscall(SYS_clone3, big, sizeof(big)), E2BIG));
	CHECK(refuses(syscall(SYS_clone3, &args, 63), EINVAL));
	CHECK(refuses(syscall(SYS_clone3, &args, 8192), E2BIG));
	args.exit_signal = 65;
	CHECK(refuses(syscall(SYS_clone3, &args, sizeof(args)), EINVAL));
	args.exit_signal = SIGCHLD;
	args.stack = (unsigned long)stack;
	CHECK(refuses(syscall(SYS_clone3, &args, sizeof(args)), EINVAL));
	signal(SIGUSR1, on_end);
	struct clone_args clear = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	child = syscall(SYS_clone3, &clear, sizeof(clear));
	if (child == 0) {
		raise(SIGUSR1);
		_exit(5);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	puts("clone3");
}

/* Who dies with a robust lock in shared memory, however it dies, gives it up. */
static void robust(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(pthread_mutexattr_init(&attr) == 0);
	CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(mutex, &attr) == 0);
	pid_t child = fork();
	if (child == 0) {
		CHECK(pthread_mutex_lock(mutex) == 0);
		raise(SIGKILL);
	}
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD && pthread_mutex_consistent(mutex) == 0);
	CHECK(pthread_mutex_unlock(mutex) == 0);
	puts("robust");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	pidfds();
	in_common();
	handlers();
	exit_signals();
	vforks();
	clone3s();
	robust();
	return 0;
}
