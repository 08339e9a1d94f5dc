// A dialect says which ioctl number names which command. Headers of different kernels disagree on it, so that the number alone means
// nothing: it is looked up in the dialect of the open file. Each dialect is data in dialects/, a child of a parent with the differences only.

import { dmirror } from './dialects/dmirror.js';
import { M5 } from './dialects/m5.js';
import { _IOWR } from './ioc.js';

/** Commands by their kernel name without HMM_DMIRROR_. */
export type CommandName =
  | 'READ'
  | 'WRITE'
  | 'MIGRATE_TO_DEV'
  | 'MIGRATE_ON_FAULT_TO_DEV'
  | 'MIGRATE_TO_SYS'
  | 'SNAPSHOT'
  | 'EXCLUSIVE'
  | 'CHECK_EXCLUSIVE'
  | 'RELEASE'
  | 'FLAGS'
  | 'READ_UNLOCKED';

/** A dialect as it is written down. */
export interface DialectData {
  id: string;
  /** Kernel versions and other names it is found by. */
  aliases?: readonly string[];
  /** The dialect it changes; without one it begins empty. */
  parent?: string;
  /** Size of the record, a part of every number; the parent's when left out. */
  recordBytes?: number;
  /** Command numbers (the low 8 bits); null takes one of the parent's away. */
  commands: Readonly<Partial<Record<CommandName, number | null>>>;
}

/** A dialect with its parents' tables merged in. */
export interface Dialect {
  readonly id: string;
  readonly parent: string | undefined;
  readonly recordBytes: number;
  /** Low 8 bits of each command's number. */
  readonly commands: ReadonlyMap<CommandName, number>;
  /** The whole ioctl number of each command, unsigned. */
  readonly numbers: ReadonlyMap<CommandName, number>;
  /** The reverse of `numbers`. */
  readonly names: ReadonlyMap<number, CommandName>;
}

const DMIRROR_TYPE = 'H';
const DEFAULT_RECORD_BYTES = 40;

/** Merge a dialect over its parent. Throws when two commands end up with one number. */
export function makeDialect(data: DialectData, parent?: Dialect): Dialect {
  const commands = new Map(parent?.commands);
  for (const [name, nr] of Object.entries(data.commands) as [CommandName, number | null][]) {
    if (nr === null) commands.delete(name);
    else commands.set(name, nr);
  }
  const recordBytes = data.recordBytes ?? parent?.recordBytes ?? DEFAULT_RECORD_BYTES;
  const numbers = new Map<CommandName, number>();
  const names = new Map<number, CommandName>();
  for (const [name, nr] of commands) {
    const number = _IOWR(DMIRROR_TYPE, nr, recordBytes);
    const other = names.get(number);
    if (other !== undefined) throw new Error(`dialect ${data.id}: ${name} and ${other} have the same number ${nr}`);
    numbers.set(name, number);
    names.set(number, name);
  }
  return { id: data.id, parent: data.parent, recordBytes, commands, numbers, names };
}

function makeAll(all: readonly DialectData[]): ReadonlyMap<string, Dialect> {
  const byName = new Map<string, Dialect>();
  for (const data of all) {
    const parent = data.parent === undefined ? undefined : byName.get(data.parent);
    if (data.parent !== undefined && parent === undefined)
      throw new Error(`dialect ${data.id}: no parent ${data.parent} before it`);
    const dialect = makeDialect(data, parent);
    for (const name of [data.id, ...(data.aliases ?? [])]) byName.set(name, dialect);
  }
  return byName;
}

/** Parents come before their children. */
const dialects = makeAll([M5, dmirror]);

/** What an open file speaks when nothing else is asked for. */
export const DEFAULT_DIALECT = 'dmirror';

/** A dialect by its id or an alias (`6.12`); undefined when there is none. */
export function dialectByName(name: string): Dialect | undefined {
  return dialects.get(name);
}

/** The ids of all dialects, parents first, without aliases. */
export function dialectIds(): string[] {
  return [...new Set([...dialects.values()].map((dialect) => dialect.id))];
}

/** The whole ioctl number of a command, unsigned; undefined when the dialect lacks it. */
export function commandNumber(dialect: Dialect, name: CommandName): number | undefined {
  return dialect.numbers.get(name);
}

/** The command of an ioctl number (signed or unsigned); undefined when the dialect does not know it. */
export function commandByNumber(dialect: Dialect, number: number): CommandName | undefined {
  return dialect.names.get(number >>> 0);
}
