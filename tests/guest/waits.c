/* Pipes, poll, select, eventfd, clocks and sleeps. */
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void)
{
	int ends[2];
	static char buffer[100000];

	CHECK(pipe2(ends, O_NONBLOCK) == 0);
	CHECK(read(ends[0], buffer, 1) == -1 && errno == EAGAIN);
	CHECK(write(ends[1], buffer, sizeof(buffer)) == 65536);
	CHECK(write(ends[1], buffer, 1) == -1 && errno == EAGAIN);
	struct pollfd fds[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
	CHECK(poll(fds, 2, 0) == 1 && fds[0].revents == POLLIN && fds[1].revents == 0);
	CHECK(read(ends[0], buffer, sizeof(buffer)) == 65536);
	double before = now();
	CHECK(poll(fds, 1, 250) == 0);
	CHECK(now() - before >= 0.25 && now() - before < 0.5);
	close(ends[1]);
	CHECK(poll(fds, 1, -1) == 1 && (fds[0].revents & POLLHUP));
	CHECK(read(ends[0], buffer, 1) == 0);
	close(ends[0]);

	CHECK(pipe(ends) == 0);
	signal(SIGPIPE, SIG_IGN);
	close(ends[0]);
	CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
	close(ends[1]);

	int event = eventfd(3, 0);
	eventfd_t value;
	CHECK(event >= 0 && eventfd_write(event, 4) == 0 && eventfd_read(event, &value) == 0 && value == 7);
	pid_t child = fork();
	if (child == 0) {
		usleep(50000);
		CHECK(eventfd_write(event, 5) == 0);
		_exit(0);
	}
	struct pollfd one = { event, POLLIN, 0 };
	CHECK(poll(&one, 1, 10000) == 1 && eventfd_read(event, &value) == 0 && value == 5);
	CHECK(waitpid(child, NULL, 0) == child);

	CHECK(pipe(ends) == 0);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	struct timeval soon = { 0, 1000 };
	CHECK(select(ends[0] + 1, &set, NULL, NULL, &soon) == 0 && !FD_ISSET(ends[0], &set));
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 300; i++)
			CHECK(write(ends[1], buffer, 1000) == 1000);
		_exit(0);
	}
	long total = 0;
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], buffer, 777)) > 0;)
		total += n;
	CHECK(total == 300000);
	CHECK(waitpid(child, NULL, 0) == child);

	before = now();
	CHECK(usleep(30000) == 0 && now() - before >= 0.03);
	for (before = now(); now() - before < 0.001;)
		;
	puts("waits done");
	return 0;
}
