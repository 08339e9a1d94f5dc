/* Three cases in the manner of a kernel selftest: a process a case, a process group each, SIGALRM for what hangs, KTAP. */
#include "guest.h"
#include "dmirror.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NPAGES 256
#define SIZE (NPAGES * 4096UL)

static jmp_buf give_up;
static volatile pid_t running;
static volatile sig_atomic_t timed_out;

#define EXPECT(condition)                                                              \
	do {                                                                           \
		if (!(condition)) {                                                    \
			fprintf(stderr, "# line %d: %s\n", __LINE__, #condition);      \
			longjmp(give_up, 1);                                           \
		}                                                                      \
	} while (0)

static int *anonymous(void)
{
	int *data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(data != MAP_FAILED);
	return data;
}

static void anon_read(int fd)
{
	struct dmirror_record r;
	int *data = anonymous(), *mirror = malloc(SIZE), value = 7;

	data[2 * 1024] = value;
	EXPECT(dm_call(fd, DM_READ, data, mirror, NPAGES, &r) == 0);
	EXPECT(r.cpages == NPAGES && r.faults == 1);
	for (unsigned i = 0; i < SIZE / sizeof(int); i++)
		EXPECT(mirror[i] == (i == 2 * 1024 ? value : 0));
}

static void anon_write_child(int fd)
{
	struct dmirror_record r;
	int *data = anonymous(), *mirror = malloc(SIZE), status;

	for (unsigned i = 0; i < SIZE / sizeof(int); i++) {
		data[i] = i;
		mirror[i] = -i;
	}
	pid_t child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		int own = dm_open(0);
		int error = own < 0 || dm_call(own, DM_WRITE, data, mirror, NPAGES, &r) != 0 || data[9] != -9;
		_exit(error);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	for (unsigned i = 0; i < SIZE / sizeof(int); i++)
		EXPECT(data[i] == (int)i);
	EXPECT(fd >= 0);
}

static void migrate_fault(int fd)
{
	struct dmirror_record r;
	int *data = anonymous(), *mirror = malloc(SIZE);

	for (unsigned i = 0; i < SIZE / sizeof(int); i++)
		data[i] = i;
	for (int round = 0; round < 2; round++) {
		EXPECT(dm_call(fd, DM_TO_DEV, data, mirror, NPAGES, &r) == 0 && r.cpages == NPAGES);
		for (unsigned i = 0; i < SIZE / sizeof(int); i++)
			EXPECT(mirror[i] == (int)i);
		for (unsigned i = 0; i < SIZE / sizeof(int); i++)
			EXPECT(data[i] == (int)i);
	}
}

static void hangs(int fd)
{
	for (;;)
		EXPECT(fd >= 0);
}

static void on_alarm(int signo)
{
	(void)signo;
	timed_out = 1;
	kill(-running, SIGKILL);
}

static const struct {
	const char *name;
	void (*run)(int fd);
	int seconds;
} cases[] = { { "anon_read", anon_read, 30 }, { "anon_write_child", anon_write_child, 30 },
	      { "migrate_fault", migrate_fault, 30 }, { "hangs", hangs, 1 } };

static int run_case(int i)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int status;

	fflush(stdout);
	timed_out = 0;
	running = fork();
	CHECK(running >= 0);
	if (running == 0) {
		setpgid(0, 0);
		int fd = dm_open(0);
		if (fd < 0 || setjmp(give_up))
			_exit(1);
		cases[i].run(fd);
		close(fd);
		_exit(0);
	}
	setpgid(running, running);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	alarm(cases[i].seconds);
	while (waitpid(running, &status, 0) < 0)
		CHECK(errno == EINTR);
	alarm(0);
	return timed_out ? -1 : status;
}

int main(void)
{
	int count = sizeof(cases) / sizeof(*cases);

	printf("TAP version 13\n1..%d\n", count);
	for (int i = 0; i < count; i++) {
		int status = run_case(i);
		printf("%s %d %s%s\n", status ? "not ok" : "ok", i + 1, cases[i].name, status < 0 ? " # timed out" : "");
	}
	return 0;
}
