import { maxHugePages } from '../driver/sys/machine/machine-options.js';
import { UsageError } from './exit-code.js';

/** Throws UsageError for more huge pages than there is RAM. */
export function checkHugePages({ hugepages, ram }: { hugepages: number; ram: number }): void {
  const most = maxHugePages(ram);
  if (hugepages > most)
    throw new UsageError(
      `--hugepages ${hugepages}: ${ram / 2 ** 20} MiB of RAM have room for ${most} at most`,
      'give fewer, or more --ram',
    );
}
