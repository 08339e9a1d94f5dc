// A dialect says which ioctl number names which command. Headers of different kernels disagree on it, so that the number alone means
// nothing: it is looked up in the dialect of the open file. Each dialect is data in dialects/, a child of a parent with the differences only.

import { ALL_DIALECTS } from './dialects/all.js';
import { _IOWR } from './ioc.js';

/** Commands by what they do, each under its newest kernel name without HMM_DMIRROR_. A header may spell one otherwise. */
export const COMMAND_NAMES = [
  'READ',
  'WRITE',
  'MIGRATE_TO_DEV',
  'MIGRATE_ON_FAULT_TO_DEV',
  'MIGRATE_TO_SYS',
  'SNAPSHOT',
  'EXCLUSIVE',
  'CHECK_EXCLUSIVE',
  'RELEASE',
  'FLAGS',
  'READ_UNLOCKED',
  'READ_UNLOCKED_TIMEOUT',
  'GET_MEM_DEV_TYPE',
  'MIGRATE_REF',
  // The ways of moving that say their direction in the record, or have a record of their own.
  'MIGRATE',
] as const;

export type CommandName = (typeof COMMAND_NAMES)[number];

/** A struct whose fields are 4 or 8 bytes wide, each on a multiple of its size, as all of this device's are. */
export interface RecordData {
  name: string;
  /** `type name`, in order. */
  fields: readonly string[];
}

/** A dialect as it is written down. */
export interface DialectData {
  id: string;
  /** What it is, in a few words. */
  title?: string;
  /** Kernel versions and other names it is found by. */
  aliases?: readonly string[];
  /** The dialect it changes; without one it begins empty. */
  parent?: string;
  /** The records, the one of most commands first; the parent's when left out. */
  records?: readonly RecordData[];
  /** Which record a command takes, where that is not the first. */
  recordOf?: Readonly<Partial<Record<CommandName, string>>>;
  /** Size of the record, where no record is described. */
  recordBytes?: number;
  /** Command numbers (the low 8 bits); null takes one of the parent's away. */
  commands?: Readonly<Partial<Record<CommandName, number | null>>>;
  /** Whole ioctl numbers, for a header whose numbers are not all _IOWR('H', nr, record). */
  numbers?: Readonly<Partial<Record<CommandName, number>>>;
  /** What the header calls a command, where that is not our name; null takes the parent's spelling away. */
  spelling?: Readonly<Partial<Record<CommandName, string | null>>>;
  /** PROT_, MEMORY_ and FLAG_ values without HMM_DMIRROR_; null takes one away. */
  constants?: Readonly<Record<string, number | null>>;
}

/** A dialect with its parents' tables merged in. */
export interface Dialect {
  readonly id: string;
  readonly title: string;
  readonly aliases: readonly string[];
  readonly parent: string | undefined;
  readonly records: readonly RecordData[];
  /** Size of the first record. */
  readonly recordBytes: number;
  /** Low 8 bits of each command's number. */
  readonly commands: ReadonlyMap<CommandName, number>;
  /** The whole ioctl number of each command, unsigned. */
  readonly numbers: ReadonlyMap<CommandName, number>;
  /** The reverse of `numbers`. */
  readonly names: ReadonlyMap<number, CommandName>;
  /** What the header calls a command, without HMM_DMIRROR_, where it is not our name. */
  readonly spelling: ReadonlyMap<CommandName, string>;
  readonly recordOf: ReadonlyMap<CommandName, string>;
  readonly constants: ReadonlyMap<string, number>;
}

const DMIRROR_TYPE = 'H';
const DEFAULT_RECORD_BYTES = 40;

const FIELD_BYTES: Readonly<Record<string, number>> = { __u32: 4, __u64: 8 };

/** Size of a record in bytes. */
export function recordDataBytes(record: RecordData): number {
  return record.fields.reduce((sum, field) => sum + FIELD_BYTES[field.split(' ')[0]!]!, 0);
}

/** A copy of `base` with the changes in it; null takes a key away. */
function merged<K extends string, V>(base: ReadonlyMap<K, V> | undefined, changes: object = {}): Map<K, V> {
  const map = new Map(base);
  for (const [key, value] of Object.entries(changes) as [K, V | null][]) {
    if (value === null) map.delete(key);
    else map.set(key, value);
  }
  return map;
}

/** Merge a dialect over its parent. Throws when two commands end up with one number. */
export function makeDialect(data: DialectData, parent?: Dialect): Dialect {
  const commands = merged<CommandName, number>(parent?.commands, data.commands);
  const recordOf = merged<CommandName, string>(parent?.recordOf, data.recordOf);
  const records = data.records ?? parent?.records ?? [];
  const described = data.records?.[0] && recordDataBytes(data.records[0]);
  const recordBytes = data.recordBytes ?? described ?? parent?.recordBytes ?? DEFAULT_RECORD_BYTES;
  const numbers = new Map<CommandName, number>();
  const names = new Map<number, CommandName>();
  for (const [name, nr] of commands) {
    const own = records.find((record) => record.name === recordOf.get(name));
    const number = data.numbers?.[name] ?? _IOWR(DMIRROR_TYPE, nr, own ? recordDataBytes(own) : recordBytes);
    const other = names.get(number);
    if (other !== undefined) throw new Error(`dialect ${data.id}: ${name} and ${other} have the same number ${nr}`);
    numbers.set(name, number);
    names.set(number, name);
  }
  return {
    id: data.id,
    title: data.title ?? data.id,
    aliases: data.aliases ?? [],
    parent: data.parent,
    records,
    recordBytes,
    commands,
    numbers,
    names,
    recordOf,
    spelling: merged<CommandName, string>(parent?.spelling, data.spelling),
    constants: merged<string, number>(parent?.constants, data.constants),
  };
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
const dialects = new Map(makeAll(ALL_DIALECTS));

/** What an open file speaks when nothing else is asked for. */
export const DEFAULT_DIALECT = 'dmirror';

/** Make a dialect known under its id: for a header that is read when the program starts. Throws when the name is taken. */
export function addDialect(data: DialectData): Dialect {
  if (dialects.has(data.id)) throw new Error(`there is a dialect ${data.id} already`);
  const dialect = makeDialect(data);
  dialects.set(data.id, dialect);
  return dialect;
}

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

/** What the dialect's header calls a command, without HMM_DMIRROR_. */
export function commandSpelling(dialect: Dialect, name: CommandName): string {
  return dialect.spelling.get(name) ?? name;
}
