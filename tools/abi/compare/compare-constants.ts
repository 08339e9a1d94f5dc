import { type AbiConstant, hex } from '../load/model.js';
import type { Finding, Side } from './finding.js';
import type { Meaning } from './same-meaning.js';

/** Changes of enumerators and flag macros. Values are compared inside their group only: a 1 of one enum has nothing to do with another's. */
export function compareConstants(
  older: readonly AbiConstant[],
  newer: readonly AbiConstant[],
  meaning: Meaning,
): Finding[] {
  const findings: Finding[] = [];
  const explained = new Set<AbiConstant>();
  const [before, after] = [byName(older), byName(newer)];
  const isFresh = ({ name, value }: AbiConstant) => before.get(name)?.value !== value;
  const fresh = listsBy([...after.values()].filter(isFresh), ({ value }) => value);
  for (const constant of before.values()) {
    const found = compareOld(constant, { own: after.get(constant.name), fresh, meaning });
    if (found.other) explained.add(found.other);
    if (found.finding) findings.push(found.finding);
  }
  const groups = listsBy(before.values(), ({ group }) => group);
  for (const constant of after.values()) {
    if (before.has(constant.name)) continue;
    if (!explained.has(constant)) {
      const message = `${constant.name} is new, ${hex(constant.value)}`;
      findings.push({ subject: 'constant', class: 'added', new: side(constant), within: constant.group, message });
    }
    findings.push(...overlaps(constant, groups));
  }
  return findings;
}

function byName(constants: readonly AbiConstant[]): Map<string, AbiConstant> {
  const map = new Map<string, AbiConstant>();
  for (const constant of constants) if (!map.has(constant.name)) map.set(constant.name, constant);
  return map;
}

function listsBy<K>(constants: Iterable<AbiConstant>, keyOf: (constant: AbiConstant) => K): Map<K, AbiConstant[]> {
  const lists = new Map<K, AbiConstant[]>();
  for (const constant of constants) {
    const list = lists.get(keyOf(constant));
    if (list) list.push(constant);
    else lists.set(keyOf(constant), [constant]);
  }
  return lists;
}

function side({ name, value, at }: AbiConstant): Side {
  return { name, value, at };
}

function compareOld(
  constant: AbiConstant,
  { own, fresh, meaning }: { own: AbiConstant | undefined; fresh: Map<bigint, AbiConstant[]>; meaning: Meaning },
): { finding?: Finding; other?: AbiConstant } {
  const { name, value, group } = constant;
  const base = { subject: 'constant', old: side(constant), within: group } as const;
  if (own?.value === value) return { other: own };
  if (own) {
    const text = `${name} is ${hex(own.value)}, not ${hex(value)}`;
    const both = { ...base, new: side(own) };
    if (onlyGrew(constant, own)) return { other: own, finding: { ...both, class: 'sentinel-grew', message: text } };
    return { other: own, finding: { ...both, class: 'renumbered', message: text } };
  }
  const here = (fresh.get(value) ?? []).filter((other) => sameGroup(other.group, group));
  const renamed = here.find((other) => meaning(name, other.name));
  if (renamed) {
    const message = `${name} is called ${renamed.name}: ${meaning(name, renamed.name)}`;
    return { other: renamed, finding: { ...base, class: 'renamed', new: side(renamed), message } };
  }
  const other = here.find((item) => !isSentinel(item));
  if (other && !isSentinel(constant)) {
    const message = `${hex(value)} was ${name} and is ${other.name}`;
    return { other, finding: { ...base, class: 'silent-alias', new: side(other), message } };
  }
  return { finding: { ...base, class: 'removed', message: `${name}, ${hex(value)}, is gone` } };
}

/** Last values, counts and versions: not values of the thing itself, and made to grow. A system call's number is none. */
function isSentinel({ name, sentinel }: AbiConstant): boolean {
  if (sentinel || name === '__NR_syscalls') return true;
  if (/^__NR_/.test(name)) return false;
  return (
    /^_*(NUM|NR|MAX|COUNT)_|^NSIG|_(MAX|NUM)_/i.test(name) ||
    /(_|[a-z])(MAX|NBITS)_*$|_(END|LAST|COUNT|CNT|NUM|NR|MAXNR|LIMIT|N)_*$/i.test(name) ||
    /VERSION(_|\d|$)/i.test(name)
  );
}

/** A part of a version, which falls when a part before it grows. */
const VERSION_PART = /(VERSION|_ABI|_API|_PROTO)_(MAJOR|MINOR|PATCH(LEVEL)?|SUBLEVEL|MICRO)$/i;

const MASK = /(^|_)(MASK|VALID|ALL|FLAGS|BITS|FEATURES|SUPPORTED|KNOWN|ALLOWED|OPTIONS|CAPS|IOCTLS)(_|$)/i;

/** A sentinel that only grew, a mask that only got more bits, or one of reserved bits that lost some. */
function onlyGrew(older: AbiConstant, newer: AbiConstant): boolean {
  if (VERSION_PART.test(older.name)) return true;
  if (isSentinel(older)) return newer.value > older.value;
  if (/(^|_)(RESERVED|UNUSED)(_|$)/.test(older.name)) return (older.value & newer.value) === newer.value;
  const isMask = MASK.test(older.name) || (older.combines && newer.combines);
  return isMask === true && (older.value & newer.value) === older.value;
}

/** One group may be known by a longer part of its names than the other. */
function sameGroup(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  return short === long || (long.startsWith(short) && short.split('_').length > 2);
}

/** Bits of old codes that a new code has too, so that an old caller who tests a bit takes the new code for it. */
function overlaps(constant: AbiConstant, groups: ReadonlyMap<string, readonly AbiConstant[]>): Finding[] {
  if (constant.counted || constant.combines || isSentinel(constant) || MASK.test(constant.name)) return [];
  const group = [...groups].flatMap(([name, list]) => (sameGroup(name, constant.group) ? list : []));
  if (!isBitGroup([...group, constant])) return [];
  return group
    .filter(({ value }) => isBit(value) && value !== constant.value && (constant.value & value) !== 0n)
    .map((bit): Finding => {
      const message = `${constant.name}, ${hex(constant.value)}, has the bit of ${bit.name}, ${hex(bit.value)}: who tests that bit takes one for the other`;
      return {
        ...{ subject: 'constant', class: 'code-overlap', within: constant.group, message },
        ...{ old: side(bit), new: side(constant) },
      };
    });
}

function isBit(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

/** Values that are counted are not tested bit by bit: neighbours above 1 and 2 give a sequence away. */
function isBitGroup(group: readonly AbiConstant[]): boolean {
  if (group.some(({ counted }) => counted)) return false;
  const values = new Set(group.map(({ value }) => value));
  const inRow = [...values].some((value) => value >= 2n && values.has(value + 1n));
  const bits = [...values].filter(isBit).length;
  return !inRow && bits >= 2 && bits * 2 > [...values].filter((value) => value !== 0n).length;
}
