import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Dmirror, type Memory, type Thread } from '../../../index.js';
import { type ExploreProgramOptions, explore, type RaceProgram } from '../../../tools/explore-api.js';
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
    const race: RaceProgram<number> = {
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
    };
    const { outcomes, findings } = await explore(race);
    expect([...outcomes.keys()].sort()).toEqual(['0 | 0', '0 | 1', '1 | 0']);
    expect(findings.map(({ kind, message }) => `${kind}: ${message}`)).toEqual(['check: an increment is lost']);
    const { token } = findings[0]!;
    const again = await explore(race, { replay: token });
    expect(again.schedules).toBe(1);
    expect(again.findings.map((finding) => [finding.message, finding.token])).toEqual([
      ['an increment is lost', token],
    ]);
    for (const [outcome, one] of outcomes)
      expect([...(await explore(race, { replay: one.token })).outcomes.keys()]).toEqual([outcome]);
    const other = { ...race, threads: [...race.threads, ...race.threads] };
    await expect(explore(other, { replay: token })).rejects.toThrow(
      "part 'threads' of the token: it is of a race of 2 threads, and this one has 4",
    );
    const shorter = { ...race, threads: race.threads.map(() => () => 0) };
    await expect(explore(shorter, { replay: token })).rejects.toThrow(
      /^part 'schedule' of the token: it has \d+ choices/,
    );
    await expect(explore(race, { replay: token.slice(0, -1) })).rejects.toThrow(/part 'check' of the token/);
  });

  it('refuses calls that can not race, as they are made on the thread of another', async () => {
    const race = explore({
      setup: (process) => process.map(4096),
      threads: [(memory) => memory.writeWord(0, 1), (memory) => memory.writeWord(0, 2)],
    });
    await expect(race).rejects.toThrow(/^threads\[1\] of the race calls store on the thread of threads\[0\]/);
  });

  it.each<[string, () => unknown]>([
    ['a timer', () => new Promise((resolve) => setTimeout(resolve, 1))],
    ['a file', () => readFile('package.json')],
    ['nothing', () => new Promise(() => {})],
  ])('refuses a thread that waits for %s, of which no schedule knows', async (_what, waits) => {
    const threads: RaceProgram<Memory>['threads'] = [
      (memory) => memory.writeWord(0, 1),
      async (memory, thread) => {
        await thread.read(memory.addr, 1);
        await waits();
        return thread.read(memory.addr, 1);
      },
    ];
    await expect(explore({ setup: (process) => process.map(4096), threads })).rejects.toThrow(
      /^threads\[1\] of the race waits for something that is no call of its own/,
    );
  });

  it('refuses a thread that ends before a call of its own', async () => {
    const threads: RaceProgram<Memory>['threads'] = [
      (memory) => memory.writeWord(0, 1),
      (memory, thread) => {
        void thread.read(memory.addr, 1);
        return 1;
      },
    ];
    await expect(explore({ setup: (process) => process.map(4096), threads })).rejects.toThrow(
      'threads[1] of the race ends before a call of its own does: it must await each',
    );
  });

  it.each<[unknown, string]>([
    [{ strategy: 'dfs' }, "strategy is 'dfs', not one of dpor, all, bounded, pct, random, replay"],
    [{ budget: -1 }, 'budget is -1, not a whole number of at least 1'],
    [{ budget: Number.NaN }, 'budget is NaN, not a whole number of at least 1'],
    [{ depth: 0 }, 'depth is 0, not a whole number of at least 1'],
    [{ bugdet: 1 }, "explore() has no option 'bugdet' (did you mean 'budget'?); there are strategy, "],
    [{ machine: { ramByte: 1 } }, "machine has no option 'ramByte' (did you mean 'ramBytes'?); there are ramBytes, "],
    [{ machine: { defects: {} } }, "machine has no option 'defects': `dmirror fault run --defect NAME` plants one"],
    [{ preemptions: 0.5 }, 'preemptions is 0.5, not a whole number of at least 0'],
  ])('refuses the options %j', async (options, message) => {
    const race = explore({ setup: () => 0, threads: [() => 0] }, options as ExploreProgramOptions);
    await expect(race).rejects.toThrow(RangeError);
    await expect(race).rejects.toThrow(message);
  });

  it('refuses a race of nobody, and answers of which there is no text', async () => {
    await expect(explore({ setup: () => 0, threads: [] })).rejects.toThrow('threads of the race is empty');
    const round: unknown[] = [];
    round.push(round);
    await expect(explore({ setup: () => 0, threads: [() => 1n, () => round] })).rejects.toThrow(
      'threads[1] of the race answers what JSON has no text of: Converting circular structure to JSON',
    );
    const { outcomes } = await explore({ setup: () => 0, threads: [() => 1n, () => Promise.reject(new Error('no'))] });
    expect([...outcomes.keys()]).toEqual(['"1n" | Error: no']);
  });
});
