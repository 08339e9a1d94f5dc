import { describe, expect, it } from 'vitest';
import { EACCES, EINVAL, ENOENT } from '../../../../../uapi/errno.js';
import { O_RDWR } from '../../../../../uapi/fcntl.js';
import { MADV_DONTNEED, PAGE_SIZE } from '../../../../../uapi/mman.js';
import { anon, readText, ret, smallMachine } from '../../helpers.js';

const THP = '/sys/kernel/mm/transparent_hugepage';

describe('/sys/kernel/mm/transparent_hugepage', () => {
  const machine = smallMachine();
  let { main } = machine.createProcess();
  const write = (name: string, text: string): number => {
    const fd = ret(main, 'open', `${THP}/${name}`, O_RDWR);
    const done = ret(main, 'pwrite', fd, new TextEncoder().encode(text), 0);
    ret(main, 'close', fd);
    return done;
  };

  it.each([
    ['enabled', 'always [madvise] never\n', 'always', '[always] madvise never\n', 'sometimes'],
    ['hugepages-2048kB/enabled', 'always [inherit] madvise never\n', 'never', 'always inherit madvise [never]\n', ' '],
    [
      'hugepages-64kB/enabled',
      'always inherit madvise [never]\n',
      'inherit',
      'always [inherit] madvise never\n',
      'advise',
    ],
    [
      'defrag',
      'always defer defer+madvise [madvise] never\n',
      'defer',
      'always [defer] defer+madvise madvise never\n',
      'x',
    ],
    ['use_zero_page', '1\n', '0', '0\n', '2'],
    ['khugepaged/max_ptes_none', '511\n', '0', '0\n', '512'],
    ['khugepaged/pages_to_scan', '4096\n', '1', '1\n', '0'],
  ])('%s takes what it knows, and a new life has its first value again', (name, first, value, then, wrong) => {
    expect(readText(main, `${THP}/${name}`)).toBe(first);
    expect(write(name, value)).toBe(value.length);
    expect(readText(main, `${THP}/${name}`)).toBe(then);
    expect(write(name, wrong)).toBe(-EINVAL);
    expect(readText(main, `${THP}/${name}`)).toBe(then);
    machine.reset();
    main = machine.createProcess().main;
    expect(readText(main, `${THP}/${name}`)).toBe(first);
  });

  it('counts what happens to large folios of each size', () => {
    write('hugepages-64kB/enabled', 'always');
    const addr = anon(main, 48);
    ret(main, 'store', addr + 16 * PAGE_SIZE, Uint8Array.of(1));
    ret(main, 'madvise', addr + 16 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
    const stat = (name: string): string => readText(main, `${THP}/hugepages-64kB/stats/${name}`);
    const names = ['anon_fault_alloc', 'nr_anon', 'nr_anon_partially_mapped', 'split_deferred', 'split', 'swpout'];
    expect(names.map(stat)).toEqual(['1\n', '1\n', '1\n', '1\n', '0\n', '0\n']);
    expect(readText(main, `${THP}/hugepages-32kB/stats/anon_fault_alloc`)).toBe('0\n');
    expect(ret(main, 'open', `${THP}/hugepages-8kB/enabled`, O_RDWR)).toBe(-ENOENT);
  });

  it('what only tells takes nothing', () => {
    expect(readText(main, `${THP}/hpage_pmd_size`)).toBe('2097152\n');
    expect(ret(main, 'open', `${THP}/hpage_pmd_size`, O_RDWR)).toBe(-EACCES);
  });
});
