import { describe, test } from 'vitest';
import { inProcess, MachinePool } from '../../index.js';
import type { Transport } from '../../uapi/client/transport.js';
import type { PathName } from '../../uapi/path-name.js';
import { count, some } from '../counts.js';
import { type SelftestCase, SkipError } from './case.js';
import { allCases } from './index.js';

const SEED = 1;
const pool = new MachinePool();
const RACE_SEEDS = count(1, 10);

/** Runs a case on machines of its own. Closing them is part of the case: it checks what they should not have kept. */
async function runCase(testCase: SelftestCase, at: { path: PathName; seed: number; profile: string }): Promise<void> {
  const booted: Transport[] = [];
  const boot = async (options: object = {}): Promise<Transport> => {
    const transport = inProcess({ ...at, ...options }, pool);
    booted.push(transport);
    return transport;
  };
  await testCase.run({ ...at, boot });
  for (const transport of booted) await transport.close();
}

describe.each([
  ['classic', '6.12'],
  ['unified', '6.12'],
  ['classic', '7.3'],
  ['unified', '7.3'],
] as const)('on the %s path of %s', (path, profile) => {
  const later = profile !== '6.12';
  for (const testCase of some(allCases({ deviceThp: later }), later ? 48 : 12)) {
    test(testCase.name, async (ctx) => {
      await runCase(testCase, { path, seed: SEED, profile }).catch((error: unknown) => {
        if (error instanceof SkipError) ctx.skip(error.message);
        throw error;
      });
    });
  }

  for (const testCase of allCases().filter(({ name }) => name.endsWith('.anon_teardown'))) {
    test(`${testCase.name} under ${RACE_SEEDS} seeds`, async () => {
      for (let seed = 1; seed <= RACE_SEEDS; seed++) await runCase(testCase, { path, seed, profile });
    });
  }
});
