/* Never ends by itself. */
int main(void)
{
	for (;;)
		__asm__ volatile("");
}
