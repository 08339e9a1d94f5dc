import { DEFAULT_TARGET } from '../c/target.js';
import { canonicalOf, knownTypes } from '../c/types.js';
import { type AbiField, type AbiModel, type AbiRecord, type AbiType, titleOf } from '../load/model.js';

/** How two types differ for who reads their bytes, in words; undefined when they do not. */
export type TypeChange = (older: AbiType, newer: AbiType) => string | undefined;

/** Compares types of two ABIs. Records of other names are the same where all their fields are. */
export function typeChangeBetween(older: AbiModel, newer: AbiModel): TypeChange {
  const [oldRecord, newRecord] = [recordsOf(older), recordsOf(newer)];
  // Records that are pointed at, and are being compared: they may point at themselves.
  const open = new Set<string>();
  const pointees: Pointees = (a, b) => {
    const [xs, ys] = [leavesOf(a, oldRecord), leavesOf(b, newRecord)];
    const pair = `${a}, ${b}`;
    // What only one side defines is no more than an address there.
    if (xs === undefined || ys === undefined || open.has(pair)) return true;
    open.add(pair);
    const same = sameLeaves(xs, ys, pointees);
    open.delete(pair);
    return same;
  };
  return (a, b) => {
    const [x, y] = [canonicalType(a), canonicalType(b)];
    if (alike(x, y, pointees)) return undefined;
    const [xs, ys] = [leavesOf(x, oldRecord), leavesOf(y, newRecord)];
    if (xs === undefined || ys === undefined) return 'of which one is not defined here';
    if (sameLeaves(xs, ys, pointees)) return undefined;
    if (x.endsWith('*') && y.endsWith('*')) return 'to another layout';
    if (isScalar(xs) && isScalar(ys))
      return x.replace(/^[us]/, '') === y.replace(/^[us]/, '') ? 'with another sign' : 'another kind of value';
    return 'with another layout';
  };
}

function recordsOf(model: AbiModel): (title: string) => AbiRecord | undefined {
  const own = new Map(model.records.map((record) => [titleOf(record), record]));
  return (title) => own.get(title) ?? model.included?.record(title);
}

export function canonicalType({ type, canonical }: AbiType): string {
  if (canonical !== undefined) return canonical;
  const [, base = '', bounds = ''] = /^([^[]*)(.*)$/.exec(type) ?? [];
  const known = knownTypes(DEFAULT_TARGET).get(base.trim().split(' ').sort().join(' '));
  return (known ? canonicalOf(known) : base.trim()) + bounds.replaceAll('[0]', '[]');
}

/** Whether two records that are pointed at are the same, as far as both are known. */
type Pointees = (a: string, b: string) => boolean;

/** Equal, or so that no reader sees a difference: an enum and an int, char and a byte, a pointer and a number of its size. */
function alike(a: string, b: string, pointees: Pointees): boolean {
  if (a === b) return true;
  const [x, y] = [split(a), split(b)];
  if (x.bounds !== y.bounds) return false;
  if (x.base.endsWith('*') && y.base.endsWith('*')) return pointees(x.base.slice(0, -2), y.base.slice(0, -2));
  return x.base === y.base || oneIs(x.base, y.base) || oneIs(y.base, x.base);
}

function oneIs(a: string, b: string): boolean {
  const enumBits = /^enum(\d+)$/.exec(a)?.[1];
  if (enumBits !== undefined) return b === `u${enumBits}` || b === `s${enumBits}`;
  if (a === 'char') return b === 'u8' || b === 's8';
  if (a.endsWith('*') || a === 'pointer') return b === 'pointer' || b === 'u64' || b === 'u32';
  return false;
}

function split(type: string): { base: string; bounds: string } {
  const at = type.indexOf('[');
  return at < 0 ? { base: type, bounds: '' } : { base: type.slice(0, at), bounds: type.slice(at) };
}

function isScalar([leaf]: readonly Leaf[]): boolean {
  return leaf?.name === '';
}

type Leaf = Pick<AbiField, 'name' | 'offset' | 'size' | 'bits'> & { type: string };

/** The scalars and arrays that a type is made of; undefined for a record that is not known. */
function leavesOf(
  type: string,
  recordOf: (title: string) => AbiRecord | undefined,
  depth = 0,
): readonly Leaf[] | undefined {
  const isRecord = /^(struct|union) [^*[]+$/.test(type);
  if (!isRecord) return [{ name: '', type, offset: 0, size: 0 }];
  const record = depth < 16 ? recordOf(type) : undefined;
  if (record === undefined) return undefined;
  const out: Leaf[] = [];
  for (const field of record.fields) {
    const inner = leavesOf(canonicalType(field), recordOf, depth + 1);
    if (inner === undefined) return undefined;
    for (const leaf of inner) {
      const { name, size, bits } = field;
      const own = { name: leaf.name ? `${name}.${leaf.name}` : name, type: leaf.type, size };
      out.push({ ...own, offset: field.offset + leaf.offset, ...(bits && { bits }) });
    }
  }
  return out;
}

function sameLeaves(a: readonly Leaf[], b: readonly Leaf[], pointees: Pointees): boolean {
  if (a.length !== b.length) return false;
  return a.every((leaf, i) => {
    const other = b[i]!;
    const sameName = leaf.name === other.name || leaf.name === '' || other.name === '';
    const sameBits = leaf.bits?.start === other.bits?.start && leaf.bits?.width === other.bits?.width;
    return sameName && sameBits && leaf.offset === other.offset && alike(leaf.type, other.type, pointees);
  });
}
