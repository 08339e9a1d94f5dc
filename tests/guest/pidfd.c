/* Processes as descriptors: opening, polling, waiting, signals, and what is refused. */
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define PIDFD_THREAD O_EXCL

static int pidfd_open(pid_t pid, unsigned int flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_send_signal(int fd, int signo, siginfo_t *info, unsigned int flags)
{
	return syscall(SYS_pidfd_send_signal, fd, signo, info, flags);
}

static int refuses(long ret, int error)
{
	return ret == -1 && errno == error;
}

static void refusals(void)
{
	int file = open("/dev/null", O_RDONLY);

	CHECK(file >= 0);
	CHECK(refuses(pidfd_open(0, 0), EINVAL) && refuses(pidfd_open(-1, 0), EINVAL));
	CHECK(refuses(pidfd_open(getpid(), 1), EINVAL));
	CHECK(refuses(pidfd_open(999999, 0), ESRCH));
	CHECK(refuses(pidfd_send_signal(file, 0, NULL, 0), EBADF));
	CHECK(refuses(pidfd_send_signal(-1, 0, NULL, 0), EBADF));
	CHECK(refuses(pidfd_send_signal(file, 0, NULL, 0xff), EINVAL));
	CHECK(refuses(waitid(P_PIDFD, file, NULL, WEXITED), EBADF));
	CHECK(refuses(waitid(P_PIDFD, -1, NULL, WEXITED), EINVAL));
	close(file);
	puts("refusals");
}

static void life(void)
{
	int ends[2];
	char byte;
	siginfo_t info;

	CHECK(pipe(ends) == 0);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		close(ends[1]);
		CHECK(read(ends[0], &byte, 1) == 0);
		_exit(7);
	}
	int fd = pidfd_open(child, 0);
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	struct pollfd one = { fd, POLLIN, 0 };
	CHECK(poll(&one, 1, 0) == 0 && poll(&one, 1, 20) == 0);
	CHECK(refuses(read(fd, &byte, 1), EINVAL) && refuses(lseek(fd, 0, SEEK_SET), ESPIPE));
	CHECK(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) == 0);
	close(ends[0]);
	close(ends[1]);
	CHECK(poll(&one, 1, 10000) == 1 && one.revents == POLLIN);
	CHECK(pidfd_send_signal(fd, 0, NULL, 0) == 0);
	CHECK(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child && info.si_status == 7);
	CHECK(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_code == CLD_EXITED && info.si_signo == SIGCHLD);
	CHECK(refuses(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD));
	CHECK(poll(&one, 1, 0) == 1 && (one.revents & POLLIN));
	CHECK(refuses(pidfd_send_signal(fd, SIGTERM, NULL, 0), ESRCH));
	CHECK(refuses(pidfd_open(child, 0), ESRCH));
	close(fd);
	puts("life");
}

static volatile sig_atomic_t seen, code, sender, value;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	code = info->si_code;
	sender = info->si_pid;
	value = info->si_value.sival_int;
}

static void signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	int fd = pidfd_open(getpid(), 0);

	CHECK(fd >= 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(pidfd_send_signal(fd, SIGUSR1, NULL, 0) == 0 && seen == SIGUSR1 && code == SI_USER && sender == getpid());
	info.si_value.sival_int = 4321;
	CHECK(pidfd_send_signal(fd, SIGUSR1, &info, 0) == 0 && code == SI_QUEUE && value == 4321);
	CHECK(refuses(pidfd_send_signal(fd, SIGUSR2, &info, 0), EINVAL));
	CHECK(refuses(pidfd_send_signal(fd, 65, NULL, 0), EINVAL));
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	int other = pidfd_open(child, O_NONBLOCK);
	CHECK(other >= 0 && refuses(waitid(P_PIDFD, other, NULL, WEXITED), EAGAIN));
	info.si_code = SI_USER;
	CHECK(refuses(pidfd_send_signal(other, SIGUSR1, &info, 0), EPERM));
	CHECK(pidfd_send_signal(other, SIGKILL, NULL, 0) == 0);
	struct pollfd one = { other, POLLIN, 0 };
	CHECK(poll(&one, 1, 10000) == 1);
	siginfo_t end;
	CHECK(waitid(P_PIDFD, other, &end, WEXITED) == 0 && end.si_code == CLD_KILLED && end.si_status == SIGKILL);
	close(fd);
	close(other);
	puts("signals");
}

int main(void)
{
	refusals();
	life();
	signals();
	return 0;
}
