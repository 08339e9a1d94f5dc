import { expect, it } from 'vitest';
import { doMincore } from '../../../../driver/mm/vmas/mincore.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { ENOMEM } from '../../../../uapi/errno.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { MADV_PAGEOUT, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../../sys/helpers.js';

it('counts what is on a device, in the page cache or in the swap cache as in memory', () => {
  const machine = smallMachine({ swapBytes: 1 << 20 });
  const { main, mm } = machine.createProcess();
  const look = (addr: number, npages: number) => {
    const seen: unknown[] = [];
    const task = machine.kernel.scheduler.newTask('mincore');
    machine.kernel.scheduler.start(task, doMincore(mm, addr, npages), (result) => void seen.push(result));
    machine.run();
    return seen[0];
  };
  const addr = anon(main, 6);
  expect(look(addr, 6)).toEqual({ vec: [0, 0, 0, 0, 0, 0], ret: 0 });
  ret(main, 'store', addr, new Uint8Array(3 * PAGE_SIZE));
  ret(main, 'load', addr + 3 * PAGE_SIZE, 1);
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const record = encodeHmmDmirrorCmd({ addr, ptr: anon(main, 1), npages: 1 });
  expect(ret(main, 'ioctlBytes', fd, commandNumber(dialectByName('dmirror')!, 'MIGRATE_TO_DEV')!, record)).toBe(0);
  ret(main, 'madvise', addr + PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT);
  expect(look(addr, 6)).toEqual({ vec: [1, 0, 1, 1, 0, 0], ret: 0 });
  ret(main, 'munmap', addr + 4 * PAGE_SIZE, PAGE_SIZE);
  expect(look(addr, 6)).toEqual({ vec: [1, 0, 1, 1], ret: -ENOMEM });
  expect(look(addr + 4 * PAGE_SIZE, 1)).toEqual({ vec: [], ret: -ENOMEM });

  const file = ret(main, 'open', '/tmp/file', 0o102);
  ret(main, 'ftruncate', file, 3 * PAGE_SIZE);
  ret(main, 'pwrite', file, new Uint8Array(PAGE_SIZE), PAGE_SIZE);
  for (const flags of [MAP_SHARED, MAP_PRIVATE]) {
    const mapped = ret(main, 'mmap', 0, 3 * PAGE_SIZE, PROT_READ, flags, file, 0);
    expect(look(mapped, 3)).toEqual({ vec: [0, 1, 0], ret: 0 });
  }
});
