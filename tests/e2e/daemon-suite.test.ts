import { describe, expect, it } from 'vitest';
import { inProcess } from '../../index.js';
import { runCase } from '../../tools/report/runner.js';
import { machinesAt } from '../../tools/suite/served-machines.js';
import type { Lane } from '../../tools/suite/suite-run.js';
import { Dmirror } from '../../uapi/client/dmirror-device.js';
import type { MappedMemory } from '../../uapi/client/mapped-memory.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { stride } from '../counts.js';
import type { SelftestCase } from '../selftests/case.js';
import { allCases } from '../selftests/index.js';
import { serve } from '../unit/daemon/helpers.js';

/** The kernel's own table, and the two cases of migrate on fault at its end. `npm start` runs all, served. */
const ALL = allCases().filter(({ suite }) => suite === 'hmm');
const SAMPLE = stride(4, 40);
const CASES = [...ALL.slice(0, -2).filter((_, i) => i % SAMPLE === 0), ...ALL.slice(-2)];
const PAGE = 4096;

async function run(testCase: SelftestCase, path: PathName, boot: Lane) {
  return await runCase(testCase, { seed: 1, path, timeoutMs: 600_000, now: () => performance.now(), boot });
}

async function runAll(
  path: PathName,
  boot: Lane,
): Promise<{ pass: number; skips: (string | undefined)[]; failures: string[] }> {
  const results = [];
  for (const testCase of CASES) results.push(await run(testCase, path, boot));
  return {
    pass: results.filter(({ status }) => status === 'pass').length,
    skips: results.filter(({ status }) => status === 'skip').map(({ reason }) => reason),
    failures: results.filter(({ status }) => status === 'fail').map(({ name, message }) => `${name}: ${message}`),
  };
}

it('the table has 60 cases', () => expect(ALL).toHaveLength(60));

describe.each(EQUAL_PATHS)('the suite on the %s path', (path) => {
  it('passes in this process', async () => {
    expect(await runAll(path, async (own) => inProcess(own))).toEqual({ pass: CASES.length, skips: [], failures: [] });
  });

  it('passes through a socket', async () => {
    const served = await serve({ bootable: true });
    const [boot] = (await machinesAt(served.path, { dialect: 'dmirror' })).lanes;
    expect(await runAll(path, boot!)).toEqual({ pass: CASES.length, skips: [], failures: [] });
  });
});

describe('the suite in another numbering', () => {
  it('is skipped where M5 has no number', async () => {
    const served = await serve({ bootable: true });
    const [boot] = (await machinesAt(served.path, { dialect: 'M5' })).lanes;
    const reason = 'dialect M5 has no MIGRATE_ON_FAULT_TO_DEV';
    expect(await runAll('classic', boot!)).toEqual({
      pass: CASES.length - 2,
      skips: [reason, reason],
      failures: [],
    });
  });

  it('passes whole in B-onfault', async () => {
    const served = await serve({ bootable: true });
    const [boot] = (await machinesAt(served.path, { dialect: 'B-onfault' })).lanes;
    expect(await runAll('unified', boot!)).toEqual({ pass: CASES.length, skips: [], failures: [] });
  });
});

describe('an M5 client and a B-onfault client of one device', () => {
  const machine = { ramBytes: 2 ** 30, coherent: true, hugePages: 4, scheduler: 'random' as const };

  it('run their cases in turns, each with a file open all the time', async () => {
    const served = await serve({ machine });
    const kept = await Promise.all(['M5', 'B-onfault'].map((dialect) => keepOpen(served, dialect)));
    const failures: string[] = [];
    for (const testCase of CASES) {
      for (const dialect of ['M5', 'B-onfault']) {
        const result = await run(testCase, 'classic', () => served.connect({ dialect }));
        if (result.status === 'fail') failures.push(`${dialect} ${result.name}: ${result.message}`);
      }
      for (const look of kept) await look();
    }
    expect(failures).toEqual([]);
  });

  it('migrate and look at buffers of their own at once', async () => {
    const served = await serve({ machine });
    const clients = await Promise.all(['M5', 'B-onfault'].map((dialect) => openBuffer(served, dialect)));
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        clients.map(async ({ device, memory }, i) => {
          await memory.writeBytes(new Uint8Array(64 * PAGE).fill(round + i));
          expect(await device.migrateToDev(memory.addr, 64)).toMatchObject({ ret: 0, cpages: 64 });
          expect((await device.snapshot(memory.addr, 64)).data).toEqual(new Uint8Array(64).fill(0x22));
          expect(await device.migrateToSys(memory.addr, 64)).toMatchObject({ ret: 0 });
          expect((await memory.readBytes()).every((byte) => byte === round + i)).toBe(true);
        }),
      );
    }
  });
});

type Served = Awaited<ReturnType<typeof serve>>;

async function openBuffer({ connect }: Served, dialect: string): Promise<{ device: Dmirror; memory: MappedMemory }> {
  const process = await ProcessHandle.create(await connect({ dialect }));
  return { memory: await process.map(64 * PAGE), device: await Dmirror.open(process, 0) };
}

/** A client with an open file; what it gives looks at a page through that file, by its own numbers. */
async function keepOpen(served: Served, dialect: string): Promise<() => Promise<void>> {
  const { device, memory } = await openBuffer(served, dialect);
  await memory.writeWord(0, 5);
  return async () => {
    expect((await device.snapshot(memory.addr, 1)).data).toEqual(Uint8Array.of(2));
    const { ret, data } = await device.read(memory.addr, 1);
    expect([ret, data[0]]).toEqual([0, 5]);
  };
}
