/* With an argument forks without end, without one calls getpid(2) without end. */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argv;
	for (;;) {
		if (argc > 1 && fork() == 0 && argc > 2)
			_exit(0);
		getppid();
	}
}
