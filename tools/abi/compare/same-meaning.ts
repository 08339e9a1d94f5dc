import type { AbiCommand, AbiModel } from '../load/model.js';

/** Two names of one thing: a value that changes between them keeps its meaning. */
export interface SameMeaning {
  readonly a: string;
  readonly b: string;
  readonly reason: string;
  /** They are not the same where the record has this field. */
  readonly unlessField?: string;
}

const SAME_MEANING: readonly SameMeaning[] = [
  {
    a: 'HMM_DMIRROR_MIGRATE',
    b: 'HMM_DMIRROR_MIGRATE_TO_DEV',
    reason: 'MIGRATE only ever moved to the device; Linux 6.0 gave it that name when MIGRATE_TO_SYS came beside it',
    unlessField: 'alloc_to_devmem',
  },
  {
    a: 'HMM_DMIRROR_READ_UNLOCKABLE',
    b: 'HMM_DMIRROR_READ_UNLOCKED',
    reason: 'the sixth posting of the series renamed it and left the number and the driver as they were',
  },
  {
    a: 'HMM_DMIRROR_PROT_DEV_GENERIC',
    b: 'HMM_DMIRROR_PROT_DEV_PUBLIC',
    reason: 'the posting renamed the device type, nothing else',
  },
  {
    a: 'HMM_DMIRROR_MEMORY_DEVICE_GENERIC',
    b: 'HMM_DMIRROR_MEMORY_DEVICE_PUBLIC',
    reason: 'the posting renamed the device type, nothing else',
  },
];

/** Reads `--rename A=B`. Undefined when it has another form. */
export function parseRename(text: string): SameMeaning | undefined {
  const match = /^(\w+)=(\w+)$/.exec(text);
  return match ? { a: match[1]!, b: match[2]!, reason: 'named with --rename' } : undefined;
}

/** Why two names mean the same; undefined when they do not. */
export type Meaning = (oldName: string, newName: string) => string | undefined;

export function meaningBetween(older: AbiModel, newer: AbiModel, renames: readonly SameMeaning[]): Meaning {
  const list = [...renames, ...SAME_MEANING];
  return (oldName, newName) => {
    const found = list.find(({ a, b }) => (a === oldName && b === newName) || (a === newName && b === oldName));
    if (found === undefined) return definedAs(older, newer, [oldName, newName]);
    const { unlessField } = found;
    if (unlessField !== undefined && (hasField(older, oldName, unlessField) || hasField(newer, newName, unlessField)))
      return undefined;
    return found.reason;
  };
}

function hasField(model: AbiModel, command: string, field: string): boolean {
  const argument = model.commands.find(({ name }: AbiCommand) => name === command)?.argument;
  const record = model.records.find(({ kind, name }) => `${kind} ${name}` === argument);
  return record?.fields.some(({ name }) => name === field) ?? false;
}

/** One of the headers says itself that the names are one. */
function definedAs(older: AbiModel, newer: AbiModel, [a, b]: [string, string]): string | undefined {
  const commands = [...older.commands, ...newer.commands];
  const alias = commands.some(({ name, aliasOf }) => (name === a && aliasOf === b) || (name === b && aliasOf === a));
  return alias ? 'the header defines one name as the other' : undefined;
}
