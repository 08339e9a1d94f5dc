import type { Finding, Side } from './finding.js';
import { type AbiConstant, hex } from './model.js';
import type { Meaning } from './same-meaning.js';

/** Changes of enumerators and flag macros. Values are compared inside their group only: a 1 of one enum has nothing to do with another's. */
export function compareConstants(
  older: readonly AbiConstant[],
  newer: readonly AbiConstant[],
  meaning: Meaning,
): Finding[] {
  const findings: Finding[] = [];
  const explained = new Set<AbiConstant>();
  for (const constant of older) {
    const found = compareOld(constant, newer, meaning);
    if (found.other) explained.add(found.other);
    if (found.finding) findings.push(found.finding);
  }
  for (const constant of newer) {
    if (older.some(({ name }) => name === constant.name)) continue;
    if (!explained.has(constant)) {
      const message = `${constant.name} is new, ${hex(constant.value)}`;
      findings.push({ subject: 'constant', class: 'added', new: side(constant), within: constant.group, message });
    }
    findings.push(...overlaps(constant, older));
  }
  return findings;
}

function side({ name, value, at }: AbiConstant): Side {
  return { name, value, at };
}

function compareOld(
  constant: AbiConstant,
  newer: readonly AbiConstant[],
  meaning: Meaning,
): { finding?: Finding; other?: AbiConstant } {
  const { name, value, group } = constant;
  const base = { subject: 'constant', old: side(constant), within: group } as const;
  const own = newer.find((other) => other.name === name);
  if (own?.value === value) return { other: own };
  const atValue = newer.find((other) => other.value === value && sameGroup(other.group, group));
  const reason = atValue && meaning(name, atValue.name);
  if (atValue && reason) {
    return {
      other: atValue,
      finding: {
        ...base,
        class: 'renamed',
        new: side(atValue),
        message: `${name} is called ${atValue.name}: ${reason}`,
      },
    };
  }
  if (atValue) {
    const message = `${hex(value)} was ${name} and is ${atValue.name}`;
    return { other: atValue, finding: { ...base, class: 'silent-alias', new: side(atValue), message } };
  }
  if (own) {
    const message = `${name} is ${hex(own.value)}, not ${hex(value)}`;
    return { other: own, finding: { ...base, class: 'renumbered', new: side(own), message } };
  }
  return { finding: { ...base, class: 'removed', message: `${name}, ${hex(value)}, is gone` } };
}

/** One group may be known by a longer part of its names than the other. */
function sameGroup(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  return short === long || (long.startsWith(short) && short.split('_').length > 2);
}

/** Bits of old codes that a new code has too, so that an old caller who tests a bit takes the new code for it. */
function overlaps(constant: AbiConstant, older: readonly AbiConstant[]): Finding[] {
  const group = older.filter((other) => sameGroup(other.group, constant.group));
  if (!isBitGroup(group.map(({ value }) => value))) return [];
  return group
    .filter(({ value }) => isBit(value) && value !== constant.value && (constant.value & value) !== 0n)
    .map(
      (bit) =>
        ({
          ...{
            subject: 'constant',
            class: 'code-overlap',
            old: side(bit),
            new: side(constant),
            within: constant.group,
          },
          message: `${constant.name}, ${hex(constant.value)}, has the bit of ${bit.name}, ${hex(bit.value)}: who tests that bit takes one for the other`,
        }) as Finding,
    );
}

function isBit(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

/** Values that are counted (0, 1, 2, 3) are not tested bit by bit. */
function isBitGroup(values: readonly bigint[]): boolean {
  const sorted = [...new Set(values)].sort((a, b) => (a < b ? -1 : 1));
  const counted = sorted.every((value, i) => i === 0 || value === sorted[i - 1]! + 1n);
  return !counted && sorted.filter(isBit).length >= 2;
}
