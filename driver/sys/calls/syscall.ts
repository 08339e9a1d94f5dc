import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import type { Coroutine } from '../../core/effect.js';
import type { Thread } from '../processes/thread.js';

/** A system call as the table has it. */
export interface Syscall {
  /** One letter an argument: n number, s string, b bytes; those behind a ? may be left out. */
  readonly args: string;
  /** A number alone is the result's `ret`. Arguments have been checked against `args`. */
  run(thread: Thread, args: readonly CallArg[]): Coroutine<number | CallResult>;
  /** What it does, for a reader of the table. */
  readonly note: string;
  /** Which argument says how many bytes it answers, where one does. */
  readonly answersArg?: number;
  /** Which argument names a dialect, where one may. */
  readonly dialectArg?: number;
  /** It makes a process or a thread. */
  readonly spawns?: true;
}

/** System calls by name. */
export type SyscallTable = Readonly<Record<string, Syscall>>;

/** A call that no program could make: an unknown name, or arguments of the wrong kind. Never an errno. */
export class BadCallError extends Error {
  override readonly name = 'BadCallError';
}

/** Arguments must be what the table says; numbers must be whole. Throws BadCallError. */
export function checkArgs(name: string, syscall: Syscall, args: readonly CallArg[]): void {
  const { args: kinds } = syscall;
  const mark = kinds.indexOf('?');
  const [least, most] = mark < 0 ? [kinds.length, kinds.length] : [mark, kinds.length - 1];
  if (args.length < least || args.length > most) throw new BadCallError(`${name} takes ${least} to ${most} arguments`);
  for (let i = 0; i < args.length; i++) {
    const kind = kinds[i < least ? i : i + 1]!;
    if (!isKind(args[i]!, kind)) throw new BadCallError(`argument ${i} of ${name} is not of kind ${kind}`);
  }
}

function isKind(arg: CallArg, kind: string): boolean {
  if (kind === 'n') return typeof arg === 'number' && Number.isInteger(arg);
  if (kind === 's') return typeof arg === 'string';
  return arg instanceof Uint8Array;
}
