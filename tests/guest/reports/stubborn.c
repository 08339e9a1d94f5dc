/* Ignores what should end it, and has said so when it begins to compute. */
#include <signal.h>
#include <stdio.h>

int main(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	fprintf(stderr, "ready\n");
	for (volatile unsigned long i = 0;; i++)
		;
}
