import { DEFAULT_PROFILE } from '../../driver/mm/profile.js';
import { dialectByName } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { readProgram } from '../exec/exec-host.js';
import { guestOfToken, QuietHost } from '../exec/exec-schedules.js';
import { type ProgramRun, runProgram } from '../exec/run-program.js';
import { profileOfDialect } from '../kernel-profile.js';
import { MachineRecorders, type RecordedRun, type RecordOptions } from './recorded-run.js';

/** A schedule of a program that `exec --schedules` has found. */
export async function recordGuestToken(
  token: string,
  binary: string | undefined,
  options: RecordOptions,
): Promise<RecordedRun> {
  const program = guestOfToken(token, binary);
  return await recordGuest(`program ${binary}`, (more) => program.run(more), options);
}

export interface ProgramOptions {
  readonly path: PathName;
  readonly seed: number;
  readonly dialect: string;
}

const RAM_BYTES = 2 ** 28;

/** A program with no input and no environment. */
export async function recordProgram(
  [binary = '', ...args]: readonly string[],
  { path, seed, dialect }: ProgramOptions,
  options: RecordOptions,
): Promise<RecordedRun> {
  const known = dialectByName(dialect);
  const profile = known === undefined ? DEFAULT_PROFILE.name : profileOfDialect(known);
  const setup = { path, profile, dialect, ram: RAM_BYTES, swap: 0, hugepages: 8, invariants: 'off' as const };
  const program = readProgram(binary, { args, env: [] }, {});
  const title = `program ${[binary, ...args].join(' ')} on ${path}, seed ${seed}`;
  return await recordGuest(
    title,
    (more) => runProgram(program, { setup, seed, scheduler: 'random', ...more }),
    options,
  );
}

async function recordGuest(
  title: string,
  run: (more: Pick<ProgramRun, 'host' | 'onMachine'>) => Promise<number>,
  options: RecordOptions,
): Promise<RecordedRun> {
  const recorders = new MachineRecorders(options);
  const host = new QuietHost();
  const status = await run({ host, onMachine: recorders.see });
  const said = host.text().trimEnd().split('\n').slice(-SAID_LINES);
  const findings = status === 0 ? [] : [`the program ends with ${status}`, ...said.map((line) => `it says: ${line}`)];
  const recording = recorders.end();
  return { title, recording, outcome: `exit status ${status}`, findings };
}

/** Of what the program said last. */
const SAID_LINES = 4;
