/* Dies of a null pointer some calls deep. */
#include <stdio.h>

struct node {
	struct node *next;
	int value;
};

__attribute__((noinline)) int walk(struct node *node)
{
	int sum = 0;

	while (node->value != 77) {
		sum += node->value;
		node = node->next;
	}
	return sum;
}

__attribute__((noinline)) int outer(struct node *node)
{
	return walk(node) + 1;
}

int main(void)
{
	struct node last = { NULL, 1 }, first = { &last, 2 };

	printf("%d\n", outer(&first));
	return 0;
}
