/* Many processes at once: a tree of forks that report through pipes and statuses. */
#include "guest.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DEPTH 4
#define WIDTH 3

static int *shared;

/* Returns how many processes the subtree had. */
static int grow(int depth, int *private)
{
	int total = 1;
	int ends[2];

	__atomic_fetch_add(shared, 1, __ATOMIC_SEQ_CST);
	*private += depth;
	if (depth == DEPTH)
		return total;
	CHECK(pipe(ends) == 0);
	for (int i = 0; i < WIDTH; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			int before = *private;
			int size = grow(depth + 1, private);
			CHECK(*private >= before);
			CHECK(write(ends[1], &size, sizeof(size)) == sizeof(size));
			_exit(depth * 10 + i);
		}
	}
	int statuses = 0;
	for (int i = 0; i < WIDTH; i++) {
		int size, status;

		CHECK(read(ends[0], &size, sizeof(size)) == sizeof(size));
		total += size;
		CHECK(wait(&status) > 0 && WIFEXITED(status));
		statuses += WEXITSTATUS(status) - depth * 10;
	}
	CHECK(statuses == WIDTH * (WIDTH - 1) / 2);
	CHECK(wait(NULL) == -1 && errno == ECHILD);
	close(ends[0]);
	close(ends[1]);
	return total;
}

int main(void)
{
	int private = 0;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	printf("%d processes, ", grow(0, &private));
	printf("%d counted, private %d\n", *shared, private);
	for (int i = 0; i < 50; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			raise(i % 2 ? SIGTERM : SIGABRT);
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == (i % 2 ? SIGTERM : SIGABRT));
	}
	puts("storm over");
	return 0;
}
