import type { Place } from './source-text.js';
import type { Target } from './target.js';

/** A C type with its size and alignment in bytes on one target. */
export interface CType {
  readonly kind: 'void' | 'int' | 'float' | 'pointer' | 'array' | 'record' | 'enum' | 'function';
  /** As a header would write it. */
  readonly name: string;
  readonly size: number;
  readonly align: number;
  readonly unsigned?: boolean;
  /** Elements of an array; a flexible one has none and size 0. */
  readonly of?: CType;
  readonly count?: number;
  readonly record?: RecordLayout;
  /** The alignment was asked for by an attribute. */
  readonly userAlign?: boolean;
}

export interface RecordField {
  /** Empty for an anonymous struct or union, whose fields are its holder's. */
  readonly name: string;
  readonly type: CType;
  /** Bytes from the start of the record; for a bit-field those of the byte that holds its first bit. */
  readonly offset: number;
  readonly size: number;
  /** A bit-field: its first bit, counted in bits from the record's start in the order of allocation, and its width. */
  readonly bits?: { readonly start: number; readonly width: number };
}

export interface RecordLayout {
  readonly kind: 'struct' | 'union';
  /** The tag; empty when it has none. */
  readonly tag: string;
  readonly size: number;
  readonly align: number;
  readonly fields: readonly RecordField[];
  /** Undefined for one that no header defined. */
  readonly place: Place | undefined;
}

/** A struct or union that is named and not defined. */
export function isIncomplete(type: CType): boolean {
  return type.kind === 'record' && type.record === undefined;
}

/** An integer type of a width. */
export function intType(name: string, size: number, { unsigned = false, align = size } = {}): CType {
  return { kind: 'int', name, size, align, unsigned };
}

export function pointerTo(type: CType, target: Target): CType {
  return {
    kind: 'pointer',
    name: `${type.name} *`,
    size: target.pointerBytes,
    align: target.pointerBytes,
    unsigned: true,
    of: type,
  };
}

/** `count` undefined: a flexible array. */
export function arrayOf(type: CType, count: number | undefined): CType {
  // `int a[2][3]` is two of `int [3]`: the new bound stands before those of the element.
  const bound = `[${count ?? ''}]`;
  const at = type.kind === 'array' ? type.name.indexOf('[') : type.name.length;
  const name = type.name.slice(0, at) + bound + type.name.slice(at);
  const base = { kind: 'array', name, align: type.align, of: type } as const;
  return count === undefined ? { ...base, size: 0 } : { ...base, count, size: count * type.size };
}

/** The integer types that C spells with keywords, by their sorted keywords. */
function keywordTypes(target: Target): Map<string, CType> {
  const { pointerBytes: long, align8 } = target;
  const types = new Map<string, CType>();
  const add = (words: string, type: CType) => types.set([...words.split(' ')].sort().join(' '), type);
  const addInt = (spellings: string[], size: number, align = size) => {
    const [first] = spellings;
    for (const words of spellings) {
      add(words, intType(first!, size, { align }));
      add(`signed ${words}`, intType(first!, size, { align }));
      add(`unsigned ${words}`, intType(`unsigned ${first}`, size, { unsigned: true, align }));
    }
  };
  addInt(['char'], 1);
  addInt(['short', 'short int'], 2);
  addInt(['int'], 4);
  addInt(['long', 'long int'], long);
  addInt(['long long', 'long long int'], 8, align8);
  add('signed', intType('int', 4));
  add('unsigned', intType('unsigned int', 4, { unsigned: true }));
  add('_Bool', intType('_Bool', 1, { unsigned: true }));
  add('void', { kind: 'void', name: 'void', size: 1, align: 1 });
  add('float', { kind: 'float', name: 'float', size: 4, align: 4 });
  add('double', { kind: 'float', name: 'double', size: 8, align: align8 });
  return types;
}

/** Types of linux/types.h, asm-generic/posix_types.h and stddef.h beside those that have their width in their name. */
const KERNEL_TYPES: readonly [names: string, size: number | 'long', unsigned: boolean][] = [
  ['size_t __kernel_size_t __kernel_ulong_t __kernel_ino_t uintptr_t', 'long', true],
  ['ssize_t __kernel_ssize_t __kernel_long_t __kernel_off_t __kernel_ptrdiff_t ptrdiff_t', 'long', false],
  ['__kernel_old_time_t __kernel_time_t __kernel_suseconds_t __kernel_clock_t', 'long', false],
  ['__kernel_loff_t __kernel_time64_t', 8, false],
  ['__kernel_pid_t __kernel_clockid_t __kernel_timer_t __kernel_key_t __kernel_mqd_t', 4, false],
  ['__kernel_daddr_t __kernel_ipc_pid_t', 4, false],
  ['__kernel_uid_t __kernel_gid_t __kernel_uid32_t __kernel_gid32_t __wsum __poll_t __kernel_mode_t', 4, true],
  ['__kernel_old_uid_t __kernel_old_gid_t __kernel_old_dev_t', 4, true],
  ['__sum16 __kernel_sa_family_t __kernel_uid16_t __kernel_gid16_t', 2, true],
];

/** Linux: arch/x86/include/uapi/asm/posix_types_32.h */
const I386_SHORTS =
  '__kernel_uid_t __kernel_gid_t __kernel_old_uid_t __kernel_old_gid_t __kernel_mode_t __kernel_ipc_pid_t __kernel_old_dev_t';

/** The names that linux/types.h, stdint.h and stddef.h define. */
function namedTypes(target: Target): Map<string, CType> {
  const { pointerBytes: long, align8 } = target;
  const types = new Map<string, CType>();
  const add = (name: string, size: number, unsigned: boolean) =>
    types.set(name, intType(name, size, { unsigned, align: size === 8 ? align8 : size }));
  for (const size of [1, 2, 4, 8]) {
    const bits = size * 8;
    for (const prefix of ['__', '']) {
      add(`${prefix}u${bits}`, size, true);
      add(`${prefix}s${bits}`, size, false);
    }
    add(`uint${bits}_t`, size, true);
    add(`int${bits}_t`, size, false);
    add(`u_int${bits}_t`, size, true);
    for (const order of ['__le', '__be']) if (size > 1) add(`${order}${bits}`, size, true);
  }
  for (const [names, size, unsigned] of KERNEL_TYPES) {
    for (const name of names.split(' ')) add(name, size === 'long' ? long : size, unsigned);
  }
  if (target.name === 'i386') {
    for (const name of I386_SHORTS.split(' ')) add(name, 2, true);
  } else if (target.name === 'x86_64') {
    for (const name of ['__kernel_old_uid_t', '__kernel_old_gid_t']) add(name, 2, true);
    add('__kernel_old_dev_t', 8, true);
  }
  const fields = [{ name: 'val', type: arrayOf(intType('int', 4), 2), offset: 0, size: 8 }];
  const fsid: RecordLayout = { kind: 'struct', tag: '', size: 8, align: 4, fields, place: undefined };
  types.set('__kernel_fsid_t', { kind: 'record', name: '__kernel_fsid_t', size: 8, align: 4, record: fsid });
  return types;
}

const cache = new Map<string, Map<string, CType>>();

/** Types known before a header defines any: keyword types by sorted keywords, others by name. */
export function knownTypes(target: Target): ReadonlyMap<string, CType> {
  let types = cache.get(target.name);
  if (types === undefined) {
    types = new Map([...keywordTypes(target), ...namedTypes(target)]);
    cache.set(target.name, types);
  }
  return types;
}
