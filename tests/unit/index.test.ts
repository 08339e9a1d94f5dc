import { describe, expect, it } from 'vitest';
import {
  Dmirror,
  inProcess,
  Machine,
  type MachineOptions,
  Process,
  type SchedulerPolicy,
  type Task,
} from '../../index.js';
import { MADV_DONTNEED } from '../../uapi/mman.js';
import { count } from '../counts.js';

const PAGES = 4;
const BYTES = PAGES * 4096;

/** A process with a device, written memory and a second thread. */
async function racing(options: Partial<MachineOptions>) {
  const transport = inProcess({ ramBytes: 16 << 20, ...options });
  const process = await Process.create(transport);
  const device = await Dmirror.open(process, 0);
  const buffer = await process.map(BYTES);
  await buffer.writeBytes(new Uint8Array(BYTES).fill(7));
  await device.read(buffer.addr, PAGES);
  const other = await process.newThread();
  return { transport, device, buffer, other };
}

/** How a migration beside a madvise ends. */
async function outcome(options: Partial<MachineOptions>): Promise<string> {
  const { transport, device, buffer, other } = await racing(options);
  const [moved] = await Promise.all([
    device.migrateToDev(buffer.addr, PAGES),
    other.madvise(buffer.addr, BYTES, MADV_DONTNEED),
  ]);
  const left = await device.snapshot(buffer.addr, PAGES);
  await transport.close();
  return `${moved.ret} ${Buffer.from(left.data).toString('hex')}`;
}

async function outcomes(options: (seed: number) => Partial<MachineOptions>, seeds = count(4, 24)): Promise<number> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= seeds && seen.size < 2; seed++) seen.add(await outcome(options(seed)));
  return seen.size;
}

describe('the scheduler of a machine', () => {
  it('goes by the seed when there is one, and in turn without; an explicit one wins', async () => {
    expect(new Machine({ ramBytes: 16 << 20 }).options.scheduler).toBe('round-robin');
    expect(await outcomes((seed) => ({ seed }), 24)).toBeGreaterThan(1);
    expect(await outcomes(() => ({}))).toBe(1);
    expect(await outcomes((seed) => ({ seed, scheduler: 'round-robin' }))).toBe(1);
  });

  it('may be an object', async () => {
    const points = new Set<string>();
    const last: SchedulerPolicy = {
      reset() {},
      pick(runnable: readonly Task[]) {
        for (const { next } of runnable) if (next?.kind === 'preempt') points.add(next.at);
        return runnable.length - 1;
      },
    };
    await outcome({ scheduler: last });
    expect(points).toContain('mmap_lock:read');
  });

  it('is refused by name when it is neither', () => {
    const scheduler = 'fifo' as 'random';
    expect(() => inProcess({ scheduler })).toThrow("scheduler is 'fifo', not one of round-robin, random");
  });
});

describe('calls that are issued together', () => {
  it.each([
    ['madvise, then the migration', true],
    ['the migration, then madvise', false],
  ])('%s: both start before either runs', async (_, isMadviseFirst) => {
    const { transport, device, buffer, other } = await racing({});
    const { machine } = transport;
    let seen = 0;
    const run = machine.run.bind(machine);
    machine.run = () => {
      seen = Math.max(seen, machine.kernel.scheduler.busyCount);
      return run();
    };
    const madvise = () => other.madvise(buffer.addr, BYTES, MADV_DONTNEED);
    const migrate = () => device.migrateToDev(buffer.addr, PAGES);
    await Promise.all(isMadviseFirst ? [madvise(), migrate()] : [migrate(), madvise()]);
    expect(seen).toBe(2);
    await transport.close();
  });
});

describe('a fault that gets nowhere', () => {
  it('says where, how often and by which driver, and the machine goes on', async () => {
    const { transport, device, buffer, other } = await racing({});
    await device.migrateToDev(buffer.addr, PAGES);
    const held = transport.call(other.tid, 'hold', ['reference', buffer.addr, 4096]);
    const read = buffer.readWord(0);
    await expect(read).rejects.toThrow(
      new RegExp(
        `^the fault at 0x${buffer.addr.toString(16)} was served 1000 times \\(last by hmm_dmirror0\\) and never let the access through`,
      ),
    );
    await expect(read).rejects.toMatchObject({ name: 'MachineError' });
    await transport.call(device.thread.tid, 'letGo', [other.tid]);
    await held;
    expect(await buffer.readWord(0)).toBe(0x07070707);
    await transport.close();
  });
});

describe('a deadlock', () => {
  it('rejects with the calls, locks and pages: RELEASE waits for pages that a migration put on the device', async () => {
    let error: unknown;
    for (let seed = 1; seed <= 40 && error === undefined; seed++) {
      const { device, buffer, other } = await racing({ seed });
      const copy = await other.map(BYTES);
      const release = device.release(buffer.addr, PAGES);
      const moved = device.as(other).command('MIGRATE_TO_DEV', buffer.addr, PAGES, copy.addr);
      error = await Promise.all([release, moved]).then(
        () => undefined,
        (reason: unknown) => reason,
      );
    }
    expect(error).toMatchObject({ name: 'MachineError' });
    expect(String(error)).toMatch(
      /deadlock\nseed \d+\n1\/1 in RELEASE waits for the pages of a device chunk \(pfn \d+-\d+\), holds devmem_lock/,
    );
  });
});
