import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { cpuLoad, cpuStore } from '../../../../driver/mm/faults/access.js';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { EBUSY, EFAULT, EINVAL, ENOENT, EPERM } from '../../../../uapi/errno.js';
import { MADV_DONTNEED, PROT_READ } from '../../../../uapi/mman.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { count } from '../../../counts.js';
import { BASE, RW } from '../../test-machine.js';
import { type Answer, DeviceMachine } from '../device-machine.js';

const PAGES = 8;
const SEEDS = count(2, 6);

type Actor = (w: DeviceMachine, slot: number) => Coroutine<unknown>;

/** Starts all actors at once and runs them to their end. */
function race(w: DeviceMachine, actors: readonly Actor[]): unknown[] {
  const { scheduler } = w.memory.kernel;
  const results: unknown[] = new Array(actors.length).fill('stuck');
  for (const [i, actor] of actors.entries()) {
    scheduler.start(scheduler.newTask(`actor ${i}`), actor(w, i), (value) => {
      results[i] = value;
    });
  }
  const run = scheduler.run();
  if (results.includes('stuck')) throw new Error(`a task did not end: ${JSON.stringify(run)}`);
  return results;
}

const range = { at: 0, npages: PAGES };

function command(name: Parameters<DeviceMachine['commandTask']>[1], minor = 0): Actor {
  return function* (w, slot) {
    const file = yield* w.devices.dmirrorFopsOpen(minor, w.mm);
    if (typeof file === 'number') return file;
    const answer: Answer = yield* w.commandTask(file, name, { ...range, slot });
    return answer.ret;
  };
}

const load: Actor = function* (w) {
  for (let i = 0; i < PAGES; i++) yield* cpuLoad(w.mm, BASE + i * 4096, new Uint8Array(4));
};
const store: Actor = function* (w) {
  for (let i = 0; i < PAGES; i++) yield* cpuStore(w.mm, BASE + i * 4096, Uint8Array.of(i + 1));
};
const protect: Actor = function* (w) {
  yield* doMprotectPkey(w.mm, BASE, PAGES * 4096, PROT_READ);
  yield* doMprotectPkey(w.mm, BASE, PAGES * 4096, RW);
};
const forkOnce: Actor = function* (w) {
  return yield* dupMmap(mmCreate(w.memory), w.mm);
};
const dontneed: Actor = (w) => doMadvise(w.mm, BASE, PAGES * 4096, MADV_DONTNEED);
const munmap: Actor = (w) => vmMunmap(w.mm, BASE + 2 * 4096, 3 * 4096);

const CASES: Record<string, Actor[]> = {
  'two devices pull at the same pages': [command('MIGRATE_ON_FAULT_TO_DEV', 0), command('MIGRATE_ON_FAULT_TO_DEV', 1)],
  'one device migrates the same pages twice': [command('MIGRATE_ON_FAULT_TO_DEV'), command('MIGRATE_TO_DEV'), load],
  'to the device and back': [command('MIGRATE_TO_DEV'), command('MIGRATE_TO_SYS'), command('READ'), store],
  'reads against a fork and a write': [command('READ'), forkOnce, store, command('MIGRATE_TO_DEV')],
  'a migration against munmap': [command('MIGRATE_ON_FAULT_TO_DEV'), munmap, load],
  'a migration against DONTNEED': [command('MIGRATE_TO_DEV'), dontneed, command('WRITE')],
  'exclusive access against all': [command('EXCLUSIVE'), command('MIGRATE_TO_DEV', 1), store, protect],
  'coherent memory': [command('MIGRATE_TO_DEV', 2), command('MIGRATE_ON_FAULT_TO_DEV', 3), store, forkOnce],
  snapshots: [command('SNAPSHOT'), command('MIGRATE_TO_DEV'), load, protect],
};

const EXPECTED = [0, -EBUSY, -EFAULT, -EINVAL, -ENOENT, -EPERM];

describe.each(EQUAL_PATHS)('under random schedules on the %s path', (path) => {
  it.each(Object.keys(CASES))('%s: everybody ends, and the books are right', (name) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const w = new DeviceMachine({ path, seed });
      w.anon(0, PAGES);
      w.fill(0, PAGES - 1, 1);
      const where = `${path}, ${name}, seed ${seed}`;
      try {
        for (const result of race(w, CASES[name]!)) if (typeof result === 'number') expect(EXPECTED).toContain(result);
        w.check();
      } catch (error) {
        throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
  });

  it('keeps the data of pages that nobody writes', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const w = new DeviceMachine({ path, seed });
      w.anon(0, PAGES);
      w.fill(0, PAGES, 40);
      race(w, [
        command('MIGRATE_ON_FAULT_TO_DEV', 0),
        command('MIGRATE_TO_DEV', 1),
        load,
        forkOnce,
        command('MIGRATE_TO_SYS'),
      ]);
      expect([seed, w.words(0, PAGES)]).toEqual([seed, Array.from({ length: PAGES }, (_, i) => 40 + i)]);
      w.check();
    }
  });
});
