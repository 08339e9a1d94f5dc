import { describe, expect, it } from 'vitest';
import { EACCES, EINVAL, EIO, ERANGE } from '../../../../../uapi/errno.js';
import { O_RDONLY, O_RDWR, O_WRONLY } from '../../../../../uapi/fcntl.js';
import { readText, ret, smallMachine } from '../../helpers.js';

const MM = '/sys/kernel/mm';
const VM = '/proc/sys/vm';
const MOST = '18446744073709551615';

describe('/sys and /proc', () => {
  it.each<[path: string, text: string, done: number | undefined, shown?: string]>([
    // sysfs: a number is decimal, with a plus sign before and one line end behind at most.
    ...['5', '5\n', '+5', '005', '5\0x'].map((text): [string, string, undefined, string] => [
      `${MM}/hugepages/hugepages-2048kB/nr_hugepages`,
      text,
      undefined,
      '5\n',
    ]),
    ...['', ' 5', '5 ', '5\n\n', '0x5', '-5', '-0', '++5', '5,', '\n'].map((text): [string, string, number, string] => [
      `${MM}/hugepages/hugepages-2048kB/nr_hugepages`,
      text,
      text === '' ? 0 : -EINVAL,
      '3\n',
    ]),
    [`${MM}/hugepages/hugepages-2048kB/nr_hugepages`, '18446744073709551616', -ERANGE],
    [`${MM}/hugepages/hugepages-1048576kB/nr_hugepages`, MOST, undefined, '0\n'],
    [`${MM}/hugepages/hugepages-1048576kB/nr_hugepages`, `${MOST}0`, -ERANGE],
    [`${MM}/transparent_hugepage/use_zero_page`, '+0\n', undefined, '0\n'],
    [`${MM}/transparent_hugepage/use_zero_page`, '2', -EINVAL],
    [`${MM}/transparent_hugepage/use_zero_page`, `${MOST}0`, -ERANGE],
    [`${MM}/transparent_hugepage/khugepaged/defrag`, `${MOST}0`, -ERANGE],
    [`${MM}/transparent_hugepage/khugepaged/scan_sleep_millisecs`, '4294967295\n', undefined, '4294967295\n'],
    [`${MM}/transparent_hugepage/khugepaged/scan_sleep_millisecs`, '4294967296', -EINVAL],
    [`${MM}/transparent_hugepage/khugepaged/max_ptes_none`, `${MOST}0`, -EINVAL],
    [`${MM}/transparent_hugepage/enabled`, 'never\n', undefined, 'always madvise [never]\n'],
    [`${MM}/transparent_hugepage/enabled`, ' never', -EINVAL, 'always [madvise] never\n'],
    [`${MM}/transparent_hugepage/enabled`, 'never\n\n', -EINVAL],
    [`${MM}/transparent_hugepage/enabled`, '', 0],
    [`${MM}/transparent_hugepage/enabled`, `never\0${'x'.repeat(5000)}`, 4096],
    // /proc/sys: of any base, between white space; what is taken is counted, and what follows is not.
    ...['5', '5\n', '\t 5 \n\v', '0x5', '0X5\n', '05', `${'0'.repeat(19)}5`].map(
      (text): [string, string, undefined, string] => [`${VM}/nr_hugepages`, text, undefined, '5\n'],
    ),
    ...['', '+5', '-5', '5,', '5\0', '08', '0x', '\n', '5\v', `${'0'.repeat(20)}5`, '18446744073709551616'].map(
      (text): [string, string, number, string] => [`${VM}/nr_hugepages`, text, text === '' ? 0 : -EINVAL, '3\n'],
    ),
    [`${VM}/nr_hugepages`, '4 5\n', 2, '4\n'],
    [`${VM}/drop_caches`, '3\n', undefined],
    [`${VM}/drop_caches`, '0', -EINVAL],
    [`${VM}/drop_caches`, '5', -EINVAL],
    [`${VM}/compact_memory`, '1', undefined],
    [`${VM}/compact_memory`, '2', -EINVAL],
    [`${VM}/compact_memory`, '', -EINVAL],
    ['/proc/self/clear_refs', ' +1 \n', undefined],
    ['/proc/self/clear_refs', '-1', -EINVAL],
    ['/proc/self/clear_refs', '2147483648', -ERANGE],
    ['/proc/self/clear_refs', `1${' '.repeat(20)}`, 12],
    [`${MM.replace('/mm', '/debug')}/split_huge_pages`, ' 1 and more', undefined],
    [`${MM.replace('/mm', '/debug')}/split_huge_pages`, '1,', undefined],
    [`${MM.replace('/mm', '/debug')}/split_huge_pages`, '2', -EINVAL],
    [`${MM.replace('/mm', '/debug')}/split_huge_pages`, '', -EINVAL],
  ])('%s takes %j as Linux does', (path, text, done, shown) => {
    const { main } = smallMachine({ hugePages: 3 }).createProcess();
    const fd = ret(main, 'open', path, O_WRONLY);
    const bytes = new TextEncoder().encode(text);
    expect(ret(main, 'pwrite', fd, bytes, 0)).toBe(done ?? bytes.length);
    if (shown !== undefined) expect(readText(main, path)).toBe(shown);
  });

  it('heed where they are written as Linux does', () => {
    const { main } = smallMachine({ hugePages: 3 }).createProcess();
    const five = new TextEncoder().encode('5\n');
    for (const [path, shown] of [
      [`${VM}/nr_hugepages`, '3\n'],
      [`${MM}/hugepages/hugepages-2048kB/nr_hugepages`, '5\n'],
    ] as const) {
      expect(ret(main, 'pwrite', ret(main, 'open', path, O_RDWR), five, 1)).toBe(2);
      expect(readText(main, path)).toBe(shown);
    }
  });

  it.each([
    [`${MM}/transparent_hugepage/hpage_pmd_size`, O_RDWR, -EACCES],
    [`${MM}/hugepages/hugepages-2048kB/free_hugepages`, O_WRONLY, -EACCES],
    [`${VM}/drop_caches`, O_RDONLY, -EACCES],
    [`${VM}/compact_memory`, O_RDWR, -EACCES],
    ['/proc/meminfo', O_RDWR, -EIO],
    ['/proc/self/maps', O_RDWR, -EINVAL],
  ])('%s refuses what it is not for', (path, flags, error) => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', path, flags);
    expect(error === -EACCES ? fd : ret(main, 'pwrite', fd, new TextEncoder().encode('1'), 0)).toBe(error);
  });

  it('huge pages of tmpfs are forced only where pages of 2 MiB go by that', () => {
    const { main } = smallMachine().createProcess();
    const write = (name: string, text: string): number =>
      ret(main, 'pwrite', ret(main, 'open', `${MM}/transparent_hugepage/${name}`, O_WRONLY), Buffer.from(text), 0);
    expect(write('shmem_enabled', 'force\n')).toBe(6);
    expect(write('hugepages-2048kB/shmem_enabled', 'never')).toBe(5);
    expect(write('shmem_enabled', 'force')).toBe(-EINVAL);
  });

  it('count hugetlb pages', () => {
    const { main } = smallMachine({ hugePages: 3 }).createProcess();
    expect(readText(main, '/proc/meminfo')).toMatch(/HugePages_Total: +3\nHugePages_Free: +3\n/);
  });
});
