import { expect, it } from 'vitest';
import type { Coroutine } from '../../../driver/core/effect.js';
import { faultAttr } from '../../../driver/inject/fault-attr.js';
import { InjectPoint } from '../../../driver/inject/inject-points.js';
import type { Mfill } from '../../../driver/mm/userfault/mfill.js';
import { movePages } from '../../../driver/mm/userfault/move-pages.js';
import { VM } from '../../../driver/mm/vmas/vm-flags.js';
import { EAGAIN, EBUSY, ENOMEM } from '../../../uapi/errno.js';
import { MAP_FIXED, MAP_SHARED } from '../../../uapi/mman.js';
import { BASE, PAGE, TestMachine } from '../test-machine.js';
import { TestFile } from './test-file.js';
import { Serving } from './userfault/serving.js';

const { pageAlloc, thpAlloc, pageTableAlloc, folioTrylock, anonShare, thpSplit } = InjectPoint;
const POINTS = [pageAlloc, thpAlloc, pageTableAlloc, folioTrylock, anonShare, thpSplit];
const RETURNS = Object.fromEntries(POINTS.map((point) => [point, -ENOMEM]));
/** What an operation may answer that could not be done. */
const REFUSALS = [-ENOMEM, -EAGAIN, -EBUSY];

/** An operation on a machine that is ready for it. */
interface Ready {
  readonly world: TestMachine;
  readonly operation: () => Coroutine<number>;
}

function fill(isShared: boolean, options: Partial<Pick<Mfill, 'mode' | 'wp'>>): () => Ready {
  return () => {
    const world = new TestMachine({ checked: true });
    const file = new TestFile(world.memory, 2);
    world.anon(0, 2, isShared ? { file, flags: MAP_SHARED | MAP_FIXED, pgoff: 0 } : {});
    // The page of UFFDIO_CONTINUE is in the cache, where another mapping has put it.
    if (options.mode === 'continue') {
      world.anon(1024, 2, { file, flags: MAP_SHARED | MAP_FIXED, pgoff: 0 });
      world.fill(1024, 2);
    }
    const serving = new Serving(world, 2, { flags: VM.uffdMissing | VM.uffdWp });
    return { world, operation: () => serving.fill(1, 7, options) };
  };
}

function move(): Ready {
  const world = new TestMachine({ checked: true });
  world.anon(0, 512);
  world.mapHuge(2048, 512);
  world.fill(2048);
  const { ctx } = new Serving(world, 512);
  const request = { dst: BASE, src: BASE + 2048 * PAGE, len: PAGE, allowsHoles: false };
  return { world, operation: () => movePages(ctx, request) };
}

/** What the operation answers if the `nth` hit of any point fails, and whether there was such a hit. */
function runFailing({ world, operation }: Ready, nth: number): { ret: number; hasFailed: boolean } {
  const { inject } = world.kernel;
  const where = { points: POINTS };
  const rule = { name: 'r', where, nth, after: null, returns: RETURNS, bytes: 0, delayTicks: 0, run: null };
  inject.arm([{ ...rule, attr: faultAttr() }], { seed: 1 });
  const call = function* (): Coroutine<number> {
    inject.beginCall(world.kernel.current, { pid: 1, tid: 1, name: 'userfaultfd', args: [] });
    return yield* operation();
  };
  const ret = world.run(call());
  const hasFailed = inject.fired.length > 0;
  inject.disarm();
  return { ret, hasFailed };
}

/** What the pages are that operations are about, and how many frames are free. */
function stateOf({ world }: Ready): string {
  return `${world.text(0, 512)}; ${world.text(2048, 512)}; ${world.memory.allocator.freeFrames}`;
}

it.each([
  ['copies a page', fill(false, {}), 2],
  ['copies a protected page', fill(false, { wp: true }), 2],
  ['copies a shared page', fill(true, {}), 2],
  ['maps the zero page', fill(false, { mode: 'zeropage' }), 1],
  ['fills a shared page with zeroes', fill(true, { mode: 'zeropage' }), 2],
  ['goes on with a page of the cache', fill(true, { mode: 'continue' }), 1],
  ['poisons a page', fill(false, { mode: 'poison' }), 1],
  ['moves a page of 2 MiB', move, 8],
])('what %s can be done again once it could not be done, and is done then', (_what, prepare, least) => {
  const whole = prepare();
  const { ret: done } = runFailing(whole, Number.MAX_SAFE_INTEGER);
  expect(done).toBeGreaterThanOrEqual(0);
  let failures = 0;
  // The pages of a split folio are hit one by one.
  for (let nth = 1; ; nth += nth < 8 ? 1 : 100) {
    const ready = prepare();
    const { ret, hasFailed } = runFailing(ready, nth);
    if (!hasFailed) break;
    failures++;
    if (ret !== done) {
      expect(REFUSALS).toContain(ret);
      expect(ready.world.run(ready.operation())).toBe(done);
    }
    expect(stateOf(ready)).toBe(stateOf(whole));
  }
  expect(failures).toBeGreaterThanOrEqual(least);
});
