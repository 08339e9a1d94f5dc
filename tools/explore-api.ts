// Explorations for programs, as `dmirror/explore`: races are written with the package's own Process and Dmirror. Its types need nobody
// else's.

import { AsyncLocalStorage } from 'node:async_hooks';
import { ObjectGraph } from '../driver/check/object-graph.js';
import { Director } from '../driver/explore/director.js';
import {
  checkOptions,
  DEFAULT_BUDGET,
  directorOf,
  type ExploreOptions,
  subjectOptions,
} from '../driver/explore/explore.js';
import { begins, broke, type Exploration, Explorer, ended } from '../driver/explore/explorer.js';
import type { RaceFinding, RaceOutcome } from '../driver/explore/index.js';
import { errorFinding } from '../driver/explore/race-finding.js';
import { MachineSubject } from '../driver/explore/subject.js';
import type { Result } from '../driver/explore/tally.js';
import { DEFAULT_PROFILE, profileByName } from '../driver/mm/profile.js';
import { DEFAULT_MACHINE_OPTIONS } from '../driver/sys/machine/machine-options.js';
import { Machine, type MachineOptions, Process, type Thread, type Transport } from '../index.js';
import { DEFAULT_DIALECT } from '../uapi/dialect.js';
import { DEFAULT_PATH } from '../uapi/path-name.js';
import type { CallArg, CallResult } from '../uapi/system-call.js';
import { didYouMean } from './nearest.js';
import { MACHINE, type TokenMachine, wholeNumber } from './token/parts.js';
import { SCHEDULE } from './token/schedule.js';
import { type Part, TokenKind } from './token/token.js';

export type {
  ExploreOptions,
  FindingKind,
  RaceFinding,
  RaceOutcome,
  StrategyName,
  Verdict,
} from '../driver/explore/index.js';

/** A race between threads of one process. What `setup` answers is what the others get; it is put back before each schedule, as the machine is. */
export interface RaceProgram<State> {
  setup(process: Process): Promise<State> | State;
  /**
   * Each with a thread of its own, the first with the process's first, for its calls; those of all run at the same time. It may wait for
   * calls of its own alone. What it throws is its answer, as text.
   */
  readonly threads: readonly ((state: State, thread: Thread) => unknown)[];
  /** After each schedule, with what the threads answered. Throws what is wrong; what it answers is part of the outcome. */
  check?(state: State, answers: readonly unknown[]): unknown;
}

export interface ExploreProgramOptions extends ExploreOptions {
  readonly machine?: Partial<MachineOptions>;
  /** The token of an outcome or a finding: that schedule alone, on a machine as it says. */
  readonly replay?: string;
}

/** What came of a race; each token repeats a schedule, by `replay`. */
export interface ExploredProgram extends Omit<Exploration, 'outcomes' | 'findings' | 'misfit'> {
  readonly outcomes: ReadonlyMap<string, RaceOutcome & { readonly token: string }>;
  readonly findings: readonly (RaceFinding & { readonly token: string })[];
}

/** Races need little memory. */
const RAM_BYTES = 16 * 2 ** 20;

/**
 * Runs a race under every schedule that can make a difference, or as `options` say. Rejects with a RangeError for options that can't be,
 * and with an Error when threads wait for each other or the world outside other than by calls, of which no schedule would know.
 */
export async function explore<State>(
  program: RaceProgram<State>,
  options: ExploreProgramOptions = {},
): Promise<ExploredProgram> {
  checkNames(options);
  checkOptions(options);
  if (program.threads.length === 0) throw new RangeError('threads of the race is empty: there is nothing to explore');
  const { replay, ...how } = options;
  const id = replay === undefined ? null : programOf(replay, program.threads.length);
  const machine = new Machine({ ramBytes: RAM_BYTES, ...machineOf(options.machine, id?.machine) });
  const exploration = await exploreOn(
    machine,
    program,
    id === null ? how : { ...how, strategy: 'replay', choices: id.choices },
  );
  const { misfit, ...explored } = exploration;
  if (misfit != null) throw new Error(`part 'schedule' of the token: ${misfit}`);
  return withTokens(explored, machine, program.threads.length);
}

/** By name, so that none is missing. */
const OPTIONS: Readonly<Record<keyof ExploreProgramOptions, true>> = {
  ...{ strategy: true, budget: true, seed: true, preemptions: true, depth: true, choices: true, isChecked: true },
  ...{ until: true, deadlineUs: true, stepLimit: true, machine: true, replay: true },
};

/** Throws a RangeError that names an option that there is not. */
function checkNames({ machine = {}, ...options }: ExploreProgramOptions): void {
  if (Object.hasOwn(machine, 'defects'))
    throw new RangeError("machine has no option 'defects': `dmirror fault run --defect NAME` plants one");
  for (const [what, given, known] of [
    ['explore()', options, OPTIONS],
    ['machine', machine, DEFAULT_MACHINE_OPTIONS],
  ] as const) {
    const name = Object.keys(given).find((key) => !Object.hasOwn(known, key));
    if (name !== undefined)
      throw new RangeError(
        `${what} has no option '${name}'${didYouMean(name, Object.keys(known))}; there are ${Object.keys(known).join(', ')}`,
      );
  }
}

async function exploreOn<State>(
  machine: Machine,
  program: RaceProgram<State>,
  options: ExploreOptions,
): Promise<Exploration> {
  const transport = new ExploredTransport(machine, program.threads.length);
  const process = await Process.create(transport);
  const threads: Thread[] = [process];
  while (threads.length < program.threads.length) threads.push(await process.newThread());
  transport.tids = threads.map(({ tid }) => tid);
  const state = await program.setup(process);
  const graph = new ObjectGraph([{ state, threads }], { apart: [machine, transport] });
  const director = directorOf(options);
  const race = { machine, start: () => graph.restore(), outcome: () => '' };
  const subject = new MachineSubject(race, director, subjectOptions(options));
  try {
    const run = new Explorer(director).run(options.budget ?? DEFAULT_BUDGET, options.until);
    let next = run.next();
    while (!next.done) {
      next = run.next(await schedule(program, { subject, director, transport, state, threads }));
    }
    return next.value;
  } finally {
    subject.release();
  }
}

interface Running<State> {
  readonly subject: MachineSubject;
  readonly director: Director;
  readonly transport: ExploredTransport;
  readonly state: State;
  readonly threads: readonly Thread[];
}

async function schedule<State>(program: RaceProgram<State>, running: Running<State>): Promise<Result> {
  const { subject, director, transport, state, threads } = running;
  subject.goBack();
  subject.start();
  transport.direct = false;
  begins(subject, director);
  const answers: unknown[] = [];
  const left = new Set(program.threads.keys());
  transport.underWay.fill(0);
  for (const [i, body] of program.threads.entries()) {
    const end = (answer: unknown): void => {
      answers[i] = answer;
      left.delete(i);
    };
    // What a thread throws is its answer.
    void transport.by.run(i, async () => await body(state, threads[i]!)).then(end, (error) => end(String(error)));
  }
  try {
    await settled();
    for (;;) {
      transport.checkUse(left);
      director.isPaused = false;
      const end = subject.run();
      await settled();
      if (left.size > 0 && director.isPaused) continue;
      transport.checkUse(left);
      const result = ended(subject, director, end);
      return result.outcome === '' ? await checked(program, { ...running, answers }, result) : result;
    }
  } catch (error) {
    if (error instanceof MisuseError) throw error;
    return broke(subject, director, error);
  } finally {
    transport.direct = true;
  }
}

async function checked<State>(
  { check }: RaceProgram<State>,
  { transport, state, answers }: Running<State> & { answers: readonly unknown[] },
  result: Result,
): Promise<Result> {
  transport.direct = true;
  const text = answers.map((answer, i) => textOf(answer, `threads[${i}] of the race answers`)).join(' | ');
  try {
    const more = await check?.(state, answers);
    const after = more === undefined ? '' : ` => ${textOf(more, 'check of the race answers')}`;
    return { ...result, outcome: `${text}${after}` };
  } catch (error) {
    if (error instanceof MisuseError) throw error;
    return { outcome: text, findings: [...result.findings, errorFinding(error, 'check')] };
  }
}

function textOf(value: unknown, where: string): string {
  const plain = (_key: string, part: unknown): unknown => {
    if (typeof part === 'bigint') return `${part}n`;
    return ArrayBuffer.isView(part) ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('hex') : part;
  };
  try {
    return typeof value === 'string' ? value : (JSON.stringify(value, plain) ?? '-');
  } catch (error) {
    throw new MisuseError(`${where} what JSON has no text of: ${(error as Error).message.split('\n', 1)[0]}`);
  }
}

/** Whoever waits for an answer has it, and has made its next call. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A race that can't be explored, in words for who has written it. */
class MisuseError extends Error {}

/** Starts calls and leaves it to the exploration to run them; `direct`: runs each at once. */
class ExploredTransport implements Transport {
  readonly dialect: string;
  direct = true;
  /** The ids of the race's threads. */
  tids: readonly number[] = [];
  /** Whose calls are made: the place of the body among the threads. */
  readonly by = new AsyncLocalStorage<number>();
  /** By that place: calls that were not answered yet. */
  readonly underWay: number[];
  private misuse: string | null = null;

  constructor(
    private readonly machine: Machine,
    threads: number,
  ) {
    this.dialect = machine.options.dialect;
    this.underWay = new Array(threads).fill(0);
  }

  /** Whoever is `left` waits for a call of its own, and nobody else does. */
  checkUse(left: ReadonlySet<number>): void {
    for (const [i, calls] of this.underWay.entries()) {
      if (left.has(i) === calls > 0) continue;
      if (calls > 0) this.misuse ??= `threads[${i}] of the race ends before a call of its own does: it must await each`;
      else
        this.misuse ??= `threads[${i}] of the race waits for something that is no call of its own: no schedule would know of it. Threads may wait for each other by calls alone; for the world outside setup and check may wait`;
    }
    if (this.misuse !== null) throw new MisuseError(this.misuse);
  }

  call(tid: number, name: string, args: CallArg[], into?: Uint8Array): Promise<CallResult> {
    const { machine, tids, underWay } = this;
    const by = this.by.getStore();
    const whose = tids.indexOf(tid);
    if (by !== undefined && whose >= 0 && whose !== by)
      this.misuse ??= `threads[${by}] of the race calls ${name} on the thread of threads[${whose}], where it can't race with it: make calls with the thread that it is given, as device.as(thread) and thread.write()`;
    return new Promise((resolve, reject) => {
      const thread = machine.threadByTid(tid);
      if (thread === null) throw new Error(`no thread ${tid}`);
      const call = machine.start(thread, name, args);
      call.into = into;
      if (call.result !== undefined) return resolve(call.result);
      if (by !== undefined) underWay[by]!++;
      call.onDone = (result) => {
        if (by !== undefined) underWay[by]!--;
        resolve(result);
        const { policy } = machine.kernel.scheduler;
        // What the caller does with the answer may be its next call.
        if (policy instanceof Director) policy.isPaused = true;
      };
      if (!this.direct) return;
      const error = machine.errorOf(machine.run());
      if (error !== null) reject(error);
    });
  }

  createProcess(): Promise<number> {
    return Promise.resolve(this.machine.createProcess().pid);
  }

  async close(): Promise<void> {}
}

/** All that a schedule of a program depends on, but for the program. */
interface ProgramId extends TokenMachine {
  readonly threads: number;
  readonly choices: readonly number[];
}

const THREADS: Part<Pick<ProgramId, 'threads'>> = {
  name: 'threads',
  text: ({ threads }) => String(threads),
  read: (text) => ({ threads: wholeNumber(text) }),
};

/** `dm2:program:THREADS:MACHINE:SCHEDULE:CHECK` */
const PROGRAM_TOKEN = new TokenKind<ProgramId>('program', [THREADS, MACHINE, SCHEDULE]);

function programOf(token: string, threads: number) {
  const { choices, threads: written, ...machine } = PROGRAM_TOKEN.read(token);
  if (written !== threads)
    throw new Error(`part 'threads' of the token: it is of a race of ${written} threads, and this one has ${threads}`);
  return { choices, machine };
}

/** A path of the caller's own has no name that a token can have: it is the call's. */
function machineOf(asked: Partial<MachineOptions> = {}, token: TokenMachine | null = null): Partial<MachineOptions> {
  if (token === null) return asked;
  const { path, profile, dialect = DEFAULT_DIALECT } = token;
  return { ...asked, path: typeof asked.path === 'object' ? asked.path : path, profile, dialect };
}

function withTokens(
  { outcomes, findings, ...explored }: Exploration,
  { options }: Machine,
  threads: number,
): ExploredProgram {
  const { dialect } = options;
  const path = typeof options.path === 'string' ? options.path : DEFAULT_PATH;
  const profile = (profileByName(options.profile) ?? DEFAULT_PROFILE).name;
  const withToken = <T extends { readonly witness: readonly number[] }>(one: T): T & { token: string } => ({
    ...one,
    token: PROGRAM_TOKEN.write({ threads, path, profile, dialect, choices: one.witness }),
  });
  return {
    ...explored,
    outcomes: new Map([...outcomes].map(([outcome, seen]) => [outcome, withToken(seen)])),
    findings: findings.map(withToken),
  };
}
