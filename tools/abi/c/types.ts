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
  /** Of a number that is kept in one byte order whatever the machine's. */
  readonly order?: 'le' | 'be';
  /** `char` itself, which has a sign on some machines and on others not. */
  readonly plainChar?: boolean;
  /** Elements of an array; a flexible one has none and size 0. */
  readonly of?: CType;
  readonly count?: number;
  readonly record?: RecordLayout;
  /** Of a record that is named and not yet defined: `struct tag`. */
  readonly tag?: string;
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

/** What an array, at any depth, is made of. */
export function elementOf(type: CType): CType {
  return type.kind === 'array' && type.of ? elementOf(type.of) : type;
}

/** One spelling for types that are read alike: __u64, uint64_t and unsigned long long are `u64`. Byte orders stay apart. */
export function canonicalOf(type: CType): string {
  switch (type.kind) {
    case 'int':
      if (type.plainChar) return 'char';
      return `${type.order ?? ''}${type.unsigned ? 'u' : 's'}${type.size * 8}`;
    case 'enum':
      return `enum${type.size * 8}`;
    case 'pointer':
      return type.of?.kind === 'record' ? `${canonicalOf(type.of)} *` : 'pointer';
    case 'array': {
      // `[0]` is how `[]` was written before C99.
      const inner = type.of ? canonicalOf(type.of) : type.name;
      const at = inner.includes('[') ? inner.indexOf('[') : inner.length;
      return `${inner.slice(0, at)}[${type.count || ''}]${inner.slice(at)}`;
    }
    case 'record':
      if (type.record?.tag) return `${type.record.kind} ${type.record.tag}`;
      return type.tag ?? type.name;
    default:
      return type.name;
  }
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
  add('char', { ...intType('char', 1, { unsigned: target.charUnsigned }), plainChar: true });
  addInt(['short', 'short int'], 2);
  addInt(['int'], 4);
  addInt(['long', 'long int'], long);
  addInt(['long long', 'long long int'], 8, align8);
  add('signed', intType('int', 4));
  add('unsigned', intType('unsigned int', 4, { unsigned: true }));
  add('_Bool', intType('_Bool', 1, { unsigned: true }));
  add('void', { kind: 'void', name: 'void', size: 1, align: 1 });
  const addFloat = (words: string, size: number, align = size) =>
    add(words, { kind: 'float', name: words, size, align });
  addFloat('float', 4);
  addFloat('double', 8, align8);
  addFloat('long double', target.longDoubleBytes, target.longDoubleBytes === 12 ? 4 : target.longDoubleBytes);
  addFloat('_Float32', 4);
  addFloat('_Float64', 8, align8);
  addFloat('_Float128', 16);
  if (long === 8) {
    addInt(['__int128'], 16);
    add('__int128_t', intType('__int128', 16));
    add('__uint128_t', intType('unsigned __int128', 16, { unsigned: true }));
  }
  return types;
}

/** Types of linux/types.h, asm-generic/posix_types.h, stddef.h and sys/types.h beside those that have their width in their name. */
const NAMED_TYPES: readonly [names: string, size: number | 'long', unsigned: boolean][] = [
  ['size_t __kernel_size_t __kernel_ulong_t __kernel_ino_t uintptr_t', 'long', true],
  ['ssize_t __kernel_ssize_t __kernel_long_t __kernel_off_t __kernel_ptrdiff_t ptrdiff_t intptr_t', 'long', false],
  ['__kernel_old_time_t __kernel_time_t __kernel_suseconds_t __kernel_clock_t', 'long', false],
  ['__kernel_loff_t __kernel_time64_t', 8, false],
  ['__kernel_pid_t __kernel_clockid_t __kernel_key_t __kernel_mqd_t __kernel_timer_t', 4, false],
  ['__kernel_daddr_t', 4, false],
  ['__kernel_uid32_t __kernel_gid32_t __wsum __poll_t', 4, true],
  ['__sum16 __kernel_sa_family_t __kernel_uid16_t __kernel_gid16_t', 2, true],
  ['off_t time_t suseconds_t clock_t blksize_t blkcnt_t', 'long', false],
  ['ino_t nlink_t ulong u_long fsblkcnt_t fsfilcnt_t', 'long', true],
  ['loff_t off64_t quad_t intmax_t int_fast64_t int_least64_t', 8, false],
  ['dev_t ino64_t u_quad_t uintmax_t uint_fast64_t uint_least64_t', 8, true],
  ['pid_t key_t clockid_t wchar_t daddr_t int_least32_t', 4, false],
  ['uid_t gid_t mode_t id_t useconds_t socklen_t in_addr_t wint_t uint u_int uint_least32_t', 4, true],
  ['sa_family_t in_port_t ushort u_short uint_least16_t', 2, true],
  ['int_least16_t', 2, false],
  ['bool u_char uint_least8_t uint_fast8_t', 1, true],
  ['int_least8_t int_fast8_t', 1, false],
  ['int_fast16_t int_fast32_t', 'long', false],
  ['uint_fast16_t uint_fast32_t', 'long', true],
];

/** The names that linux/types.h, stdint.h, stddef.h and sys/types.h define. */
function namedTypes(target: Target): Map<string, CType> {
  const { pointerBytes: long, align8, oldIds } = target;
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
    for (const order of ['le', 'be'] as const) {
      if (size === 1) continue;
      add(`__${order}${bits}`, size, true);
      types.set(`__${order}${bits}`, { ...types.get(`__${order}${bits}`)!, order });
    }
  }
  for (const [names, size, unsigned] of NAMED_TYPES) {
    for (const name of names.split(' ')) add(name, size === 'long' ? long : size, unsigned);
  }
  for (const id of ['uid', 'gid']) {
    add(`__kernel_old_${id}_t`, oldIds.old, true);
    add(`__kernel_${id}_t`, oldIds.own, true);
  }
  add('__kernel_mode_t', oldIds.own, true);
  add('__kernel_ipc_pid_t', oldIds.own, oldIds.own === 2);
  add('__kernel_old_dev_t', oldIds.dev, true);
  for (const name of ['timer_t', 'caddr_t']) types.set(name, { ...pointerTo(types.get('__u8')!, target), name });
  for (const name of ['__builtin_va_list', '__gnuc_va_list', 'va_list']) types.set(name, vaList(name, target));
  const fields = [{ name: 'val', type: arrayOf(intType('int', 4), 2), offset: 0, size: 8 }];
  const fsid: RecordLayout = { kind: 'struct', tag: '', size: 8, align: 4, fields, place: undefined };
  types.set('__kernel_fsid_t', { kind: 'record', name: '__kernel_fsid_t', size: 8, align: 4, record: fsid });
  return types;
}

function vaList(name: string, target: Target): CType {
  const words = target.name === 'x86_64' ? 3 : target.name === 'arm64' ? 4 : 1;
  return { ...arrayOf(intType('long', target.pointerBytes), words), name };
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
