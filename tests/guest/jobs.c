/* Stopping and going on: SIGSTOP and its kin, wait with WUNTRACED and WCONTINUED, what SIGCHLD says, groups, threads. */
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t chld, chld_code, chld_status;

static void on_child(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	chld++;
	chld_code = info->si_code;
	chld_status = info->si_status;
}

static void watch(int flags)
{
	struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags };

	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	chld = 0;
}

static volatile sig_atomic_t handled;

static void on_signal(int signo)
{
	handled = signo;
}

static void stop_and_go(void)
{
	int status;
	siginfo_t info;

	watch(0);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGUSR1, on_signal);
		raise(SIGSTOP);
		while (!handled)
			usleep(100);
		_exit(3);
	}
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(chld == 1 && chld_code == CLD_STOPPED && chld_status == SIGSTOP);
	CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
	CHECK(kill(child, SIGCONT) == 0);
	CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	while (chld_code != CLD_CONTINUED)
		usleep(100);
	CHECK(chld_status == SIGCONT);
	CHECK(kill(child, SIGUSR1) == 0);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CHECK(chld_code == CLD_EXITED && chld_status == 3);

	watch(SA_NOCLDSTOP);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	CHECK(setpgid(child, child) == 0 && kill(child, SIGTSTP) == 0);
	CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED);
	CHECK(waitid(P_PID, child, &info, WSTOPPED) == 0 && info.si_status == SIGTSTP && info.si_pid == child);
	info.si_pid = 1;
	CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid == 0);
	CHECK(kill(child, SIGCONT) == 0);
	CHECK(waitid(P_PID, child, &info, WCONTINUED) == 0 && info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
	CHECK(waitpid(child, &status, WCONTINUED | WNOHANG) == 0);
	CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child);
	CHECK(chld == 0);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	CHECK(chld == 1 && chld_code == CLD_KILLED);
	puts("stop and go");
}

/* A handler of SIGTSTP keeps the process going; SIGCONT runs its handler too, and takes pending stops away. */
static void handlers(void)
{
	int status;
	sigset_t set;

	watch(0);
	pid_t child = fork();
	if (child == 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGTSTP);
		signal(SIGCONT, on_signal);
		CHECK(setpgid(0, 0) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
		raise(SIGTSTP);
		sigset_t pending;
		CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGTSTP));
		raise(SIGCONT);
		CHECK(handled == SIGCONT && sigpending(&pending) == 0 && !sigismember(&pending, SIGTSTP));
		CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
		signal(SIGTSTP, on_signal);
		raise(SIGTSTP);
		CHECK(handled == SIGTSTP);
		handled = 0;
		raise(SIGSTOP);
		CHECK(handled == SIGCONT);
		_exit(0);
	}
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(kill(child, SIGCONT) == 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	struct sigaction action = { .sa_handler = SIG_IGN };
	CHECK(sigaction(SIGSTOP, &action, NULL) == -1 && errno == EINVAL);
	puts("handlers");
}

static volatile int *count;

static void *counts(void *unused)
{
	(void)unused;
	for (;;)
		++*count;
	return NULL;
}

/* All threads stop, those that sleep too, and a sleep goes on where it was. */
static void threads(void)
{
	int status, before;
	struct timespec nap = { .tv_nsec = 20000000 }, longer = { .tv_nsec = 60000000 };

	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	watch(0);
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;

		CHECK(pthread_create(&thread, NULL, counts, NULL) == 0);
		CHECK(nanosleep(&longer, NULL) == 0);
		_exit(6);
	}
	while (*count == 0)
		usleep(1000);
	CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	before = *count;
	CHECK(nanosleep(&nap, NULL) == 0 && *count == before);
	CHECK(kill(child, SIGCONT) == 0);
	CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 6);
	CHECK(*count > before);
	puts("threads");
}

/* A group without anybody who could let it go on does not stop for SIGTSTP, and is freed when it becomes one. */
static void orphans(void)
{
	int status, ends[2];
	char byte = 0;

	CHECK(pipe(ends) == 0);
	pid_t middle = fork();
	if (middle == 0) {
		CHECK(setsid() == getpid());
		pid_t child = fork();
		if (child == 0) {
			signal(SIGCONT, on_signal);
			signal(SIGHUP, on_signal);
			setpgid(0, 0);
			raise(SIGSTOP);
			byte = handled ? 'f' : 'n';
			CHECK(write(ends[1], &byte, 1) == 1);
			_exit(0);
		}
		CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		_exit(0);
	}
	close(ends[1]);
	CHECK(waitpid(middle, &status, 0) == middle && WIFEXITED(status));
	CHECK(read(ends[0], &byte, 1) == 1 && byte == 'f');
	close(ends[0]);
	pid_t lonely = fork();
	if (lonely == 0) {
		CHECK(setsid() == getpid());
		raise(SIGTSTP);
		_exit(8);
	}
	CHECK(waitpid(lonely, &status, WUNTRACED) == lonely && WIFEXITED(status) && WEXITSTATUS(status) == 8);
	puts("orphans");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	stop_and_go();
	handlers();
	threads();
	orphans();
	return 0;
}
