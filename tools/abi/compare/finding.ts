import type { Position } from '../load/model.js';
import type { AbiEffect } from './effects.js';

/** Every class, for --fail-on and the report formats, with what it means. */
export const CLASSES = {
  'silent-alias': { breaks: true, about: 'the value means another thing now; no caller gets an error' },
  removed: { breaks: true, about: 'old callers get an error' },
  renumbered: { breaks: true, about: 'the name has another value; old callers get an error' },
  'size-changed': { breaks: true, about: 'the size, and with it the number, is another' },
  'direction-changed': { breaks: true, about: 'the direction, and with it the number, is another' },
  moved: { breaks: true, about: 'the field is at another offset' },
  'type-changed': { breaks: true, about: 'the field or argument is read as another type; no caller gets an error' },
  'field-in-hole': { breaks: true, about: 'the field is where old callers have padding, which they never cleared' },
  'does-not-compile': { breaks: true, about: 'programs that use it do not compile' },
  renamed: { breaks: false, about: 'another name for the same thing: only the source changes' },
  'code-overlap': { breaks: false, about: 'a new code has a bit, or the whole number, of an old one' },
  'reserved-used': { breaks: false, about: 'the field is where reserved bytes were, which old callers clear' },
  grew: { breaks: false, about: 'the record only grew at its end, and its size is in no number' },
  'sentinel-grew': { breaks: false, about: 'a last value, a count, a version or a mask of valid flags that grew' },
  'alignment-changed': { breaks: false, about: 'only the alignment is another: other records that hold it may change' },
  'not-compared': { breaks: false, about: 'the header alone does not say what it is, on either side' },
  'target-differs': { breaks: false, about: 'it is not the same on every target: 32-bit programs need compat_ioctl' },
  added: { breaks: false, about: 'old callers do not know it' },
} as const satisfies Record<string, { breaks: boolean; about: string }>;

export type FindingClass = keyof typeof CLASSES;
/** What happened to a thing between two ABIs. `same` is never reported. */
export type ChangeClass = FindingClass | 'same';

export const CLASS_NAMES = Object.keys(CLASSES) as FindingClass[];

type Subject = 'command' | 'record' | 'field' | 'constant' | 'header';

export interface Side {
  readonly name: string;
  /** A command's or a constant's. */
  readonly value?: number | bigint;
  readonly at?: Position | undefined;
}

/** One difference. `old` or `new` is missing where the thing is on one side only. */
export interface Finding {
  readonly subject: Subject;
  readonly class: FindingClass;
  readonly old?: Side | undefined;
  readonly new?: Side | undefined;
  /** One sentence. */
  readonly message: string;
  /** Of a class that breaks, but here it harms nobody: it was so before, or only the kernel writes there. */
  readonly harmless?: boolean;
  /** Silent alias of a command: what a client of the old ABI gets on the new kernel, and the other way round. */
  readonly oldClient?: AbiEffect;
  readonly newClient?: AbiEffect;
  /** Of folders that were compared: the header in them. */
  readonly header?: string;
  /** For a field: its record. For a constant: its group. */
  readonly within?: string;
}

export function isBreak(finding: Finding): boolean {
  return CLASSES[finding.class].breaks && !finding.harmless;
}
