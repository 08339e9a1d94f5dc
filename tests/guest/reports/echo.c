/* Writes what it reads, and how much that was. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	char buffer[4096];
	long total = 0;

	for (ssize_t n; (n = read(0, buffer, sizeof(buffer))) > 0; total += n)
		if (write(1, buffer, n) != n)
			return 1;
	printf("%ld bytes\n", total);
	return 0;
}
