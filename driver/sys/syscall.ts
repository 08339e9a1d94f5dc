import type { CallArg, CallResult } from '../../uapi/client/transport.js';
import type { Coroutine } from '../core/effect.js';
import type { Thread } from './thread.js';

/** A system call as the table has it. */
export interface Syscall {
  /** One letter an argument: n number, s string, b bytes; those behind a ? may be left out. */
  readonly args: string;
  /** A number alone is the result's `ret`. Arguments have been checked against `args`. */
  run(thread: Thread, args: readonly CallArg[]): Coroutine<number | CallResult>;
  /** What it does, for a reader of the table. */
  readonly note: string;
}

/** System calls by name. */
export type SyscallTable = Readonly<Record<string, Syscall>>;

/** A call that no program could make: an unknown name, or arguments of the wrong kind. Never an errno. */
export class BadCallError extends Error {
  override readonly name = 'BadCallError';
}

/** Arguments must be what the table says; numbers must be whole. Throws BadCallError. */
export function checkArgs(name: string, syscall: Syscall, args: readonly CallArg[]): void {
  const [needed = '', optional = ''] = syscall.args.split('?');
  if (args.length < needed.length || args.length > needed.length + optional.length) {
    throw new BadCallError(`${name} takes ${needed.length} to ${needed.length + optional.length} arguments`);
  }
  const kinds = needed + optional;
  args.forEach((arg, i) => {
    if (!isKind(arg, kinds[i]!)) throw new BadCallError(`argument ${i} of ${name} is not of kind ${kinds[i]}`);
  });
}

function isKind(arg: CallArg, kind: string): boolean {
  if (kind === 'n') return typeof arg === 'number' && Number.isInteger(arg);
  if (kind === 's') return typeof arg === 'string';
  return arg instanceof Uint8Array;
}
