import { HPAGE_PMD_SIZE, PAGE_SIZE } from '../frames/frames.js';

/** Numbers of system calls are 64-bit words; what reaches this has wrapped. */
export const TWO_64 = 2 ** 64;

/** Linux: include/linux/mm.h:PAGE_ALIGN(). A length near 2^64 wraps to 0, as it does there. */
export function pageAlign(bytes: number): number {
  const aligned = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
  return aligned >= TWO_64 ? 0 : aligned;
}

export function isPageAligned(addr: number): boolean {
  return addr % PAGE_SIZE === 0;
}

export function alignDown(value: number, size: number): number {
  return value - (value % size);
}

export function alignUp(value: number, size: number): number {
  return Math.ceil(value / size) * size;
}

export function isHugeAligned(addr: number): boolean {
  return addr % HPAGE_PMD_SIZE === 0;
}

/** The end of the 2 MiB range around `addr`, or `end` when that comes first. Linux: include/linux/pgtable.h:pmd_addr_end() */
export function pmdAddrEnd(addr: number, end: number): number {
  return Math.min(end, alignDown(addr, HPAGE_PMD_SIZE) + HPAGE_PMD_SIZE);
}

export const PUD_SIZE = HPAGE_PMD_SIZE * 512;
export const PGD_SIZE = PUD_SIZE * 512;

/** Linux: include/linux/pgtable.h:pud_addr_end() */
export function pudAddrEnd(addr: number, end: number): number {
  return Math.min(end, alignDown(addr, PUD_SIZE) + PUD_SIZE);
}

/** Linux: include/linux/pgtable.h:pgd_addr_end() */
export function pgdAddrEnd(addr: number, end: number): number {
  return Math.min(end, alignDown(addr, PGD_SIZE) + PGD_SIZE);
}
