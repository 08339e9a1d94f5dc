import { EINVAL } from '../../../uapi/errno.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { kstrtoull, prefixedDigits } from './kstrtox.js';

/** What mount(2) gives a tmpfs; 0: as much as there is. */
export interface TmpfsOptions {
  maxPages: number;
  maxInodes: number;
}

const HUGE = ['never', 'always', 'within_size', 'advise'];
/** What means nothing here, or is so already: of every file system, and of tmpfs. */
const FLAGS = ['rw', 'async', 'sync', 'dirsync', 'lazytime', 'nolazytime', 'nomand', 'inode32', 'inode64'];
const MAX_UINT = 2 ** 32 - 1;
const LONG_MAX = 2 ** 63;
const BOGO_INODE_SIZE = 1024;

/** -EINVAL for the first option that is wrong. Linux: mm/shmem.c:shmem_parse_options() */
export function shmemParseOptions(text: string, ramPages: number): TmpfsOptions | number {
  const options = { maxPages: Math.floor(ramPages / 2), maxInodes: Math.floor(ramPages / 2) };
  // Lists of nodes have commas of their own, before a digit.
  for (const option of text.split(/,(?!\d)/)) {
    if (option === '') continue;
    const [, name, value] = /^([^=]*)(?:=(.*))?$/s.exec(option)!;
    if (!(value === undefined ? FLAGS.includes(name!) : shmemParseOne(options, name!, { value, ramPages })))
      return -EINVAL;
  }
  return options;
}

/**
 * Whether it is one. Deviates: no mpol, noswap, quota and ro; uid, gid, mode and huge are checked and change nothing.
 * Linux: mm/shmem.c:shmem_parse_one()
 */
function shmemParseOne(
  options: TmpfsOptions,
  name: string,
  { value, ramPages }: { value: string; ramPages: number },
): boolean {
  const size = memparse(value);
  switch (name) {
    case 'size':
      if (size === null || value === '') return false;
      options.maxPages = Math.ceil(
        (size.isPercent ? (size.value * PAGE_SIZE * ramPages) / 100 : size.value) / PAGE_SIZE,
      );
      return true;
    case 'nr_blocks':
      if (size === null || value === '' || size.isPercent || size.value >= LONG_MAX) return false;
      options.maxPages = size.value;
      return true;
    case 'nr_inodes':
      if (size === null || value === '' || size.isPercent || size.value >= (2 * LONG_MAX) / BOGO_INODE_SIZE)
        return false;
      options.maxInodes = size.value;
      return true;
    case 'mode':
      return /^\+?[0-7]+\n?$/.test(value) && Number.parseInt(value, 8) <= MAX_UINT;
    case 'uid':
    case 'gid':
      return kstrtoull(value, MAX_UINT - 1) >= 0;
    case 'huge':
      return HUGE.includes(value);
    default:
      return FLAGS.slice(0, FLAGS.indexOf('inode32')).includes(name);
  }
}

/** A number of 64 bits, which runs over, with a unit; null where more follows. Linux: lib/cmdline.c:memparse() */
function memparse(text: string): { value: number; isPercent: boolean } | null {
  const { digits, base, length } = prefixedDigits(text) ?? { digits: '0', base: 10, length: 0 };
  const match = /^([kmgtpe]?)(%?)$/i.exec(text.slice(length));
  if (match === null) return null;
  const [, unit, percent] = match;
  const value =
    (Number.parseInt(digits, base) * 1024 ** ' kmgtpe'.indexOf(unit!.toLowerCase() || ' ')) % (2 * LONG_MAX);
  return { value, isPercent: percent !== '' };
}
