/* execve of the same program: what stays and what goes. */
#include "guest.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* A timer outlives the program that set it, and so does the directory that paths begin in. */
static void timers_and_directory(void)
{
	char *args[] = { "reexec", "wait", NULL };
	int status;
	pid_t child = fork();

	if (child == 0) {
		CHECK(chdir("/proc") == 0 && alarm(1) == 0);
		execv("/proc/self/exe", args);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	puts("timers and directory");
}

static int wait_in_proc(void)
{
	char directory[64];

	CHECK(getcwd(directory, sizeof(directory)) != NULL && strcmp(directory, "/proc") == 0);
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return wait_in_proc();
	if (argc == 3) {
		int kept = atoi(argv[1]), closed = atoi(argv[2]);
		CHECK(fcntl(kept, F_GETFD) == 0);
		CHECK(fcntl(closed, F_GETFD) == -1 && errno == EBADF);
		printf("second life, STAGE=%s\n", getenv("STAGE"));
		return 11;
	}
	int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char a[12], b[12];
	snprintf(a, sizeof(a), "%d", kept);
	snprintf(b, sizeof(b), "%d", closed);
	char *args[] = { "reexec", a, b, NULL }, *env[] = { "STAGE=2", NULL };
	int status;

	pid_t child = fork();
	if (child == 0) {
		execve("/proc/self/exe", args, env);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 11);
	child = vfork();
	if (child == 0) {
		execve("/proc/self/exe", args, env);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 11);
	CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, env) == 0);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 11);
	CHECK(execve("/no/such/program", args, env) == -1 && errno == ENOENT);
	timers_and_directory();
	puts("first life over");
	return 0;
}
