import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../../../uapi/errno.js';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import { readText, ret, smallMachine } from '../helpers.js';

describe('/sys and /proc', () => {
  it('show and set the THP policy', () => {
    const { main } = smallMachine().createProcess();
    const path = '/sys/kernel/mm/transparent_hugepage/enabled';
    expect(readText(main, path)).toBe('always [madvise] never\n');
    const fd = ret(main, 'open', path, O_RDWR);
    expect(ret(main, 'pwrite', fd, new TextEncoder().encode('never\n'), 0)).toBe(6);
    expect(ret(main, 'pwrite', fd, new TextEncoder().encode('often'), 0)).toBe(-EINVAL);
    expect(readText(main, path)).toBe('always madvise [never]\n');
  });

  it('count hugetlb pages', () => {
    const { main } = smallMachine({ hugePages: 3 }).createProcess();
    expect(readText(main, '/proc/sys/vm/nr_hugepages')).toBe('3\n');
    expect(readText(main, '/proc/meminfo')).toMatch(/HugePages_Total: +3\nHugePages_Free: +3\n/);
  });
});
