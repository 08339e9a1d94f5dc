import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Measurement, medianMsAsync, medianPairMs, type Row } from '../../tests/bench/measurement.js';
import { dialectByName } from '../../uapi/dialect.js';
import { shipped } from '../package-root.js';
import { parseHeader } from './c/parse-header.js';
import { checkFolders, ONE_TARGET } from './check.js';
import { headerText } from './header-text.js';
import { modelOfDialect } from './load/dialect-model.js';

const BIN = shipped('bin/dmirror.js');
const ROUNDS = 21;
/** Headers that most machines with a compiler have; DMIRROR_HEADER_TREES names others. */
const TREE = (process.env.DMIRROR_HEADER_TREES ?? '/usr/include/linux').split(':').at(-1)!;

function header(id: string): string {
  return headerText(modelOfDialect(dialectByName(id)!));
}

/** A pair of headers by the command, start-up included, and one more header in a process that has read one. */
export const abi: Measurement = {
  name: 'abi',
  about: 'dmirror abi check of two headers against node -e 0, one more header, and a folder of headers with itself',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
    const files = ['M5', 'B-onfault'].map((id) => {
      const path = join(folder, `${id}.h`);
      writeFileSync(path, header(id));
      return path;
    });
    const node = (...args: string[]) => spawnSync(process.execPath, args, { stdio: 'ignore' });
    const { a, b } = medianPairMs(ROUNDS, { a: () => node(BIN, 'abi', 'check', ...files), b: () => node('-e', '0') });
    rmSync(folder, { recursive: true });
    const text = header('M5');
    parseHeader('m5.h', text);
    const parse = await medianMsAsync(ROUNDS, async () => parseHeader('m5.h', text));
    return [
      { name: 'abi check to node -e 0', value: a / b, unit: 'x', goal: '<= 2' },
      { name: 'abi check', value: a, unit: 'ms' },
      { name: 'node -e 0', value: b, unit: 'ms' },
      { name: 'second parse', value: parse, unit: 'ms', goal: '< 2' },
      ...(await treeRows()),
    ];
  },
};

/** CPU time of a folder's headers, each compared with itself, in this process. */
async function treeRows(): Promise<Row[]> {
  if (!existsSync(TREE)) return [];
  const options = { old: {}, new: {}, renames: [], targets: ONE_TARGET };
  const before = process.cpuUsage();
  const { coverage } = await checkFolders({ old: TREE, new: TREE }, options);
  const { user, system } = process.cpuUsage(before);
  return [
    { name: 'headers with themselves', value: coverage.headers, unit: '' },
    { name: 'their CPU time', value: (user + system) / 1e6, unit: 's' },
  ];
}
