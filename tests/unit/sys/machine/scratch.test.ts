import { expect, it } from 'vitest';
import { scratchPage } from '../../../../driver/sys/machine/scratch.js';
import { SCRATCH_BASE } from '../../../../driver/sys/processes/machine-limits.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

it('each thread has one scratch page, at the place of its tid, which a child does not have', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const second = machine.threadByTid(ret(main, 'thread'))!;
  for (const thread of [main, second, main]) {
    const addr = SCRATCH_BASE + thread.tid * PAGE_SIZE;
    expect(inKernel(thread, () => scratchPage(thread))).toEqual({ result: addr });
    expect(main.process.mm.vmaLookup(addr)).not.toBeNull();
  }
  expect(main.process.mm.vmas).toHaveLength(2);
  const child = machine.threadByTid(ret(main, 'fork'))!;
  expect(child.process.mm.vmas).toHaveLength(0);
  expect(inKernel(child, () => scratchPage(child))).toEqual({ result: SCRATCH_BASE + child.tid * PAGE_SIZE });
});
