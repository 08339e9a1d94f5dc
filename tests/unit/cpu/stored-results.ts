/** Digests of what qemu-riscv64 gave for the seeds from 1 on, for machines without it. */
export const STORED: Readonly<Record<string, readonly string[]>> = {};
