import { expect, it } from 'vitest';
import { Watch } from '../../../driver/check/index.js';
import { ioctlFill } from '../../../driver/check/ioctl-fills.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import { PAGEMAP_SCAN } from '../../../uapi/pm-scan.js';
import { UFFDIO } from '../../../uapi/userfaultfd.js';

const quads = (...values: number[]): Uint8Array => new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
const range = (start: number, end: number) => ({ start, end });

it.each([
  ['COPY', UFFDIO.COPY, quads(0x1000, 0x9000, 0x2000, 0, 0), range(0x1000, 0x3000), range(0x9000, 0xb000)],
  ['POISON', UFFDIO.POISON, quads(0x1000, 0x2000, 0, 0), range(0x1000, 0x3000), null],
  ['PAGEMAP_SCAN', PAGEMAP_SCAN, quads(96, 0, 0, 0, 0, 0x5000, 2, 0, 0, 0, 0, 0), range(0x5000, 0x5030), null],
])('%s says where bytes go and come from', (_name, cmd, record, to, from) => {
  expect(ioctlFill(cmd, record)).toEqual({ to, from, moves: false });
});

it('pages that were moved are held against what they must hold', () => {
  const machine = new Machine({ ramBytes: 16 << 20 });
  const watch = new Watch(machine);
  const { main } = machine.createProcess();
  const called = (name: string, ...args: (number | string | Uint8Array)[]) => {
    const call = watch.before(main.tid, name, args);
    const result = machine.call(main, name, ...args);
    watch.after(call, result);
    return result.ret;
  };
  const from = called('mmap', 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const to = from + PAGE_SIZE;
  called('store', from, new Uint8Array(PAGE_SIZE).fill(7));
  const move = watch.before(main.tid, 'ioctlBytes', [9, UFFDIO.MOVE, quads(to, from, PAGE_SIZE, 0, 0)]);
  watch.after(move, { ret: 0 });
  watch.checkAll('a move that did nothing');
  expect(watch.violations).toMatchObject([{ kind: 'content' }]);
});
