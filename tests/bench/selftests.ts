import { inProcess, MachinePool } from '../../index.js';
import type { Transport } from '../../uapi/client/transport.js';
import { EQUAL_PATHS, type PathName } from '../../uapi/path-name.js';
import { type SelftestCase, SkipError } from '../selftests/case.js';
import { allCases } from '../selftests/index.js';
import type { Measurement, Row } from './measurement.js';

const SEED = 1;

/** Runs cases on one path, on pooled machines as the runner does, and returns milliseconds; a failing case ends the measurement. */
export async function suiteMs(cases: readonly SelftestCase[], path: PathName): Promise<number> {
  const pool = new MachinePool();
  const start = performance.now();
  for (const testCase of cases) {
    const booted: Transport[] = [];
    const boot = async (options: object = {}) => {
      const transport = await inProcess({ seed: SEED, path, checkInvariants: 'touched', ...options }, pool);
      booted.push(transport);
      return transport;
    };
    try {
      await testCase.run({ boot, seed: SEED, path });
    } catch (error) {
      if (!(error instanceof SkipError)) throw new Error(`${testCase.name} failed on ${path}`, { cause: error });
    }
    for (const transport of booted) await transport.close();
  }
  return performance.now() - start;
}

/** The kernel's own suite, and the one about migration on fault, in this process. */
export const selftests: Measurement = {
  name: 'selftests',
  about: 'wall time of the selftests in process, from the first case to the last',
  async run() {
    const rows: Row[] = [];
    for (const path of EQUAL_PATHS) {
      const hmm = allCases().filter(({ suite }) => suite === 'hmm');
      const own = allCases().filter(({ suite }) => suite !== 'hmm');
      rows.push(
        { name: `${path}, the ${hmm.length} of hmm`, value: (await suiteMs(hmm, path)) / 1000, unit: 's', goal: '< 2' },
        { name: `${path}, the ${own.length} of migrate_on_fault`, value: (await suiteMs(own, path)) / 1000, unit: 's' },
      );
    }
    return rows;
  },
};
