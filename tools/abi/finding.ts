import type { AbiEffect } from './effects.js';
import type { Position } from './model.js';

/** What happened to a thing between two ABIs. `same` is never reported. */
export type ChangeClass =
  | 'same'
  | 'added'
  | 'removed'
  | 'renumbered'
  | 'silent-alias'
  | 'size-changed'
  | 'direction-changed'
  | 'renamed'
  | 'moved'
  | 'type-changed'
  | 'code-overlap';

export type Subject = 'command' | 'record' | 'field' | 'constant';

export interface Side {
  readonly name: string;
  /** A command's or a constant's. */
  readonly value?: number | bigint;
  readonly at?: Position | undefined;
}

/** One difference. `old` or `new` is missing where the thing is on one side only. */
export interface Finding {
  readonly subject: Subject;
  readonly class: ChangeClass;
  readonly old?: Side;
  readonly new?: Side;
  /** One sentence. */
  readonly message: string;
  /** Silent alias of a command: what a client of the old ABI gets on the new kernel, and the other way round. */
  readonly oldClient?: AbiEffect;
  readonly newClient?: AbiEffect;
  /** For a field: its record. For a constant: its group. */
  readonly within?: string;
}

/** Every class, for --fail-on and the report formats, with what it means. */
export const CLASSES: Readonly<Record<Exclude<ChangeClass, 'same'>, { breaks: boolean; about: string }>> = {
  'silent-alias': { breaks: true, about: 'the value means another thing now; no caller gets an error' },
  removed: { breaks: true, about: 'old callers get an error' },
  renumbered: { breaks: true, about: 'the name has another value; old callers get an error' },
  'size-changed': { breaks: true, about: 'the size, and with it the number, is another' },
  'direction-changed': { breaks: true, about: 'the direction, and with it the number, is another' },
  moved: { breaks: true, about: 'the field is at another offset' },
  'type-changed': { breaks: true, about: 'the field is read as another type' },
  renamed: { breaks: false, about: 'another name for the same thing: only the source changes' },
  'code-overlap': { breaks: false, about: 'a new code has a bit that old callers test for something else' },
  added: { breaks: false, about: 'old callers do not know it' },
};
