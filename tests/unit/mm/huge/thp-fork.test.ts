import { expect, it } from 'vitest';
import { faultAttr } from '../../../../driver/inject/fault-attr.js';
import { InjectPoint } from '../../../../driver/inject/inject-points.js';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { ENOMEM } from '../../../../uapi/errno.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';

it.each([
  ['is present', false, ['PMD 0-511 HUGE W', 'PMD 0-511 HUGE R']],
  ['a device has', true, ['PMD 0-511 PMD-DPRIV-W', 'PMD 0-511 PMD-DPRIV-R']],
])('a fork copies no 2 MiB entry of a page that %s without memory for a page table', (_what, isOnDevice, texts) => {
  const world = new DeviceMachine({ profile: '7.3', thpEnabled: 'madvise' });
  world.mapHuge(0, 512);
  world.fill(0);
  if (isOnDevice) world.command(world.open(0), 'MIGRATE_TO_DEV', 0, 512);
  const { kernel, memory, mm } = world;
  const child = mmCreate(memory);
  const where = { points: [InjectPoint.pageTableAlloc] };
  const returns = { [InjectPoint.pageTableAlloc]: -ENOMEM };
  const rule = { name: 'r', where, nth: 1, after: null, returns, bytes: 0, delayTicks: 0, run: null };
  kernel.inject.arm([{ ...rule, attr: faultAttr() }], { seed: 1 });
  const call = function* () {
    kernel.inject.beginCall(kernel.current, { pid: 1, tid: 1, name: 'fork', args: [] });
    return yield* dupMmap(child, mm);
  };
  expect(world.run(call())).toBe(-ENOMEM);
  kernel.inject.disarm();
  world.exit(child);
  expect(world.text(0, 512)).toBe(texts[0]);
  const second = world.fork();
  expect([mm, second].map((of) => world.text(0, 512, of))).toEqual([texts[1], texts[1]]);
  world.exit(second);
  world.check();
});
