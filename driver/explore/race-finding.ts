import type { BlockedTask, RunResult } from '../core/scheduler.js';
import type { Task } from '../core/task.js';

/**
 * `invariant`: the machine's books, its TLBs or what the pages hold. `check`: what the test itself wants. `hang`: somebody waits for a call
 * of another, as who serves a userfault, and nobody is left to make it. `lost wake-up`: somebody waits for what nobody has who is left. `livelock`: who is left only goes round in loops. `deadline`: a call takes longer than it may.
 */
export type FindingKind =
  | 'deadlock'
  | 'hang'
  | 'lost wake-up'
  | 'livelock'
  | 'deadline'
  | 'assertion'
  | 'oops'
  | 'invariant'
  | 'check'
  | 'error';

/** Something that must not be. */
export interface RaceFinding {
  readonly kind: FindingKind;
  readonly message: string;
  /** Where it was seen, innermost first, if that was in the kernel. */
  readonly functions: readonly string[];
  /** Of those who wait for ever: who, and for what. */
  readonly waits?: readonly BlockedTask[];
  readonly witness: readonly number[];
}

export type FoundNow = Omit<RaceFinding, 'witness'>;

/** What a schedule ended with that left tasks waiting: who waits for what, whose that is, and what each holds. */
export function stuckFinding({ blocked }: Pick<RunResult, 'blocked'>): FoundNow {
  const tasks = [...blocked].sort((a, b) => a.id - b.id);
  const functions = tasks.map(({ doing }) => doing).filter(Boolean);
  return { kind: kindOf(tasks), message: tasks.map(waitText).join('; '), functions, waits: tasks };
}

function kindOf(tasks: readonly BlockedTask[]): FindingKind {
  const byName = new Map<string | null, BlockedTask>(tasks.map((one) => [one.task, one]));
  /** For whom it waits in the end; null when they wait for each other. */
  const lastOf = (one: BlockedTask, left = tasks.length): BlockedTask | null => {
    const owner = byName.get(one.ownedBy);
    if (owner === undefined) return one;
    return left === 0 ? null : lastOf(owner, left - 1);
  };
  const last = tasks.map((one) => lastOf(one));
  if (last.includes(null)) return 'deadlock';
  // What others wait for may be in the hands of who waits for a call.
  if (last.some((one) => one?.waitsForCall)) return 'hang';
  return last.every((one, i) => one === tasks[i]) ? 'lost wake-up' : 'deadlock';
}

function waitText({ task, doing, waitsFor, ownedBy, holds }: BlockedTask): string {
  const held = holds.length === 0 ? '' : `, holds ${holds.join(', ')}`;
  return `${task}${doing === '' ? '' : ` in ${doing}`} waits for ${waitsFor}${ownedBy === null ? '' : ` of ${ownedBy}`}${held}`;
}

export function livelockFinding(): FoundNow {
  return { kind: 'livelock', message: 'who can go on only goes round in a loop', functions: [] };
}

export function lateFinding({ name, doing }: Pick<Task, 'name' | 'doing'>): FoundNow {
  const functions = doing === '' ? [] : [doing];
  return {
    kind: 'deadline',
    message: `${name}${doing === '' ? '' : ` in ${doing}`} is beyond its deadline`,
    functions,
  };
}

/** Of what a schedule, or a proof after it, threw; `kind` unless the error itself says. */
export function errorFinding(error: unknown, kind: FindingKind): FoundNow {
  if (!(error instanceof Error)) return { kind, message: String(error), functions: [] };
  const cause = error.cause instanceof Error ? error.cause : error;
  const [message = ''] = error.message.split('\n');
  if (cause.name === 'KernelOops') return { kind: 'oops', message, functions: functionsOf(cause) };
  const isOurs = cause.name === 'AssertionError' && kind === 'error';
  return { kind: isOurs ? 'assertion' : kind, message, functions: functionsOf(cause) };
}

const SHOWN_FUNCTIONS = 8;

function functionsOf({ stack = '' }: Error): string[] {
  const names = stack.split('\n').map((line) => /^\s+at (?:async )?(?:[\w$<>]+\.)*([\w$<>]+) \(/.exec(line)?.[1] ?? '');
  const own = names.filter((name) => !['', 'next', 'assert', 'fail'].includes(name));
  const end = own.findIndex((name) => name === 'oneCall' || name === 'runSyscall' || name === 'step');
  return own.slice(0, end < 0 ? SHOWN_FUNCTIONS : Math.min(end, SHOWN_FUNCTIONS));
}
