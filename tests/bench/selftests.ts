import { inProcess } from '../../index.js';
import type { Transport } from '../../uapi/client/transport.js';
import { type PathName, SkipError } from '../selftests/case.js';
import { allCases } from '../selftests/index.js';
import type { Measurement, Row } from './measurement.js';

const SEED = 1;

/** Runs the whole suite on one path and returns milliseconds; a failing case ends the measurement. */
async function suiteMs(path: PathName): Promise<number> {
  const start = performance.now();
  for (const testCase of allCases()) {
    const booted: Transport[] = [];
    const boot = async (options: object = {}) => {
      const transport = await inProcess({ seed: SEED, path, checkInvariants: 'touched', ...options });
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

/** Issue goal 5: the whole suite in this process. */
export const selftests: Measurement = {
  name: 'selftests',
  about: 'wall time of every selftest in process, after one warm-up pass',
  async run() {
    const rows: Row[] = [];
    for (const path of ['classic', 'unified'] as const) {
      const cold = await suiteMs(path);
      const warm = await suiteMs(path);
      rows.push(
        { name: `${path}, first pass`, value: cold / 1000, unit: 's', goal: '< 2' },
        { name: `${path}, second pass`, value: warm / 1000, unit: 's' },
      );
    }
    return rows;
  },
};
