import { describe, expect, it } from 'vitest';
import { Dmirror, type Thread } from '../../../index.js';
import { explore } from '../../../tools/explore-api.js';
import { MADV_DONTNEED } from '../../../uapi/mman.js';

describe('explore, for programs', () => {
  it('explores a race of a device with the CPU', async () => {
    const { outcomes, verdict, findings } = await explore({
      async setup(process) {
        const [device, memory] = [await Dmirror.open(process, 0), await process.map(4096)];
        await memory.writeWord(0, 7);
        await device.snapshot(memory.addr, 1);
        return { device, memory };
      },
      threads: [
        async ({ device, memory }) => (await device.write(memory.addr, new Uint8Array(4096).fill(1))).ret,
        ({ memory }, thread) => thread.madvise(memory.addr, 4096, MADV_DONTNEED),
      ],
      check: async ({ memory }) => (await memory.readBytes(0, 1))[0],
    });
    expect(findings).toEqual([]);
    expect(verdict).toBe('complete');
    expect([...outcomes.keys()].sort()).toEqual(['0 | 0 => 0', '0 | 0 => 1']);
  });

  it('lets a thread make one call after the other, and finds what the check does not want', async () => {
    const { outcomes, findings } = await explore({
      async setup(process) {
        const { addr } = await process.map(4096);
        await process.write(addr, Uint8Array.of(0));
        return addr;
      },
      threads: [0, 1].map(() => async (addr: number, thread: Thread) => {
        const [before = 0] = await thread.read(addr, 1);
        await thread.write(addr, Uint8Array.of(before + 1));
        return before;
      }),
      check(_addr, answers) {
        if (answers.every((before) => before === 0)) throw new Error('an increment is lost');
      },
    });
    expect([...outcomes.keys()].sort()).toEqual(['0 | 0', '0 | 1', '1 | 0']);
    expect(findings.map(({ kind, message }) => `${kind}: ${message}`)).toEqual(['check: an increment is lost']);
  });
});
