import { DEFAULT_TARGET } from './c/target.js';
import { knownTypes } from './c/types.js';
import type { Finding } from './finding.js';
import type { AbiField, AbiModel, AbiRecord } from './model.js';
import type { Meaning } from './same-meaning.js';

/** Names of fields that hold room for later ones: what takes their place changes no meaning. */
const RESERVED = /^_*(reserved|resv|rsvd|pad|padding|unused|expansion|spare|fill(er)?)\d*_*\d*$/i;

/** Changes of records. Those with one name belong together, and those that one command's value takes on both sides. */
export function compareRecords(older: AbiModel, newer: AbiModel, meaning: Meaning): Finding[] {
  const partners = partnersOf(older, newer);
  const taken = new Set(partners.values());
  const findings: Finding[] = [];
  for (const record of older.records) {
    const partner = partners.get(record);
    if (partner) findings.push(...compareRecord(record, partner, meaning));
    else findings.push({ subject: 'record', class: 'removed', old: record, message: `${titleOf(record)} is gone` });
  }
  for (const record of newer.records) {
    if (taken.has(record)) continue;
    const message = `${titleOf(record)} is new, ${record.size} bytes`;
    findings.push({ subject: 'record', class: 'added', new: record, message });
  }
  return findings.map(plainSides);
}

/** Records carry their fields; a finding names them only. */
function plainSides(finding: Finding): Finding {
  const { old, new: now, ...rest } = finding;
  return {
    ...rest,
    ...(old && { old: { name: old.name, at: old.at } }),
    ...(now && { new: { name: now.name, at: now.at } }),
  };
}

function titleOf(record: AbiRecord): string {
  return `${record.kind} ${record.name}`;
}

function partnersOf(older: AbiModel, newer: AbiModel): Map<AbiRecord, AbiRecord> {
  const partners = new Map<AbiRecord, AbiRecord>();
  for (const record of older.records) {
    const same = newer.records.find((other) => titleOf(other) === titleOf(record));
    if (same) partners.set(record, same);
  }
  for (const command of older.commands) {
    const record = older.records.find((r) => titleOf(r) === command.argument);
    const other = newer.commands.find(({ value }) => value === command.value);
    const partner = newer.records.find((r) => titleOf(r) === other?.argument);
    if (record && partner && !partners.has(record)) partners.set(record, partner);
  }
  return partners;
}

function compareRecord(older: AbiRecord, newer: AbiRecord, meaning: Meaning): Finding[] {
  const findings: Finding[] = [];
  const title = titleOf(newer);
  if (titleOf(older) !== title) {
    const message = `${titleOf(older)} is called ${title}`;
    findings.push({ subject: 'record', class: 'renamed', old: older, new: newer, message });
  }
  if (older.size !== newer.size) {
    const message = `${title} has ${newer.size} bytes, not ${older.size}`;
    findings.push({ subject: 'record', class: 'size-changed', old: older, new: newer, message });
  }
  const add = (finding: Pick<Finding, 'class' | 'message'>, a?: AbiField, b?: AbiField) => {
    findings.push({
      ...{ subject: 'field', within: title },
      ...finding,
      ...(a && { old: { name: a.name, at: older.at } }),
      ...(b && { new: { name: b.name, at: newer.at } }),
    } as Finding);
  };
  const gone = older.fields.filter((a) => !newer.fields.some((b) => b.name === a.name));
  const fresh = newer.fields.filter((b) => !older.fields.some((a) => a.name === b.name));
  for (const a of older.fields) {
    const b = newer.fields.find(({ name }) => name === a.name);
    const change = b && fieldChange(a, b);
    if (change) add(change, a, b);
  }
  const replaced = new Set<AbiField>();
  for (const a of gone) {
    const b = fresh.find((other) => spanOf(other).start === spanOf(a).start && !replaced.has(other));
    if (RESERVED.test(a.name) && fresh.some((other) => overlap(a, other))) continue;
    if (b === undefined) add({ class: 'removed', message: `${a.name} is gone from ${title}` }, a);
    else {
      replaced.add(b);
      add(replacement(a, b, { title, reason: meaning(a.name, b.name) }), a, b);
    }
  }
  for (const b of fresh) {
    if (!replaced.has(b)) add({ class: 'added', message: `${title} has ${b.name} at ${placeText(b)}` }, undefined, b);
  }
  return findings;
}

function replacement(
  a: AbiField,
  b: AbiField,
  { title, reason }: { title: string; reason: string | undefined },
): Pick<Finding, 'class' | 'message'> {
  if (reason) return { class: 'renamed', message: `${a.name} of ${title} is called ${b.name}: ${reason}` };
  if (RESERVED.test(b.name)) return { class: 'removed', message: `${a.name} of ${title} is gone; its place is kept` };
  return {
    class: 'silent-alias',
    message: `the bytes of ${title} at ${placeText(a)} were ${a.name} and are ${b.name}`,
  };
}

function fieldChange(a: AbiField, b: AbiField): Pick<Finding, 'class' | 'message'> | undefined {
  const spans = [spanOf(a), spanOf(b)] as const;
  if (spans[0].start !== spans[1].start) {
    return { class: 'moved', message: `${b.name} went from ${placeText(a)} to ${placeText(b)}` };
  }
  if (spans[0].width !== spans[1].width) {
    return { class: 'size-changed', message: `${b.name} has ${widthText(b)}, not ${widthText(a)}` };
  }
  if (canonicalType(a.type) === canonicalType(b.type)) return undefined;
  return { class: 'type-changed', message: `${b.name} is ${b.type}, not ${a.type}` };
}

function spanOf({ offset, size, bits }: AbiField): { start: number; width: number } {
  return bits ?? { start: offset * 8, width: size * 8 };
}

function overlap(a: AbiField, b: AbiField): boolean {
  const [x, y] = [spanOf(a), spanOf(b)];
  return x.start < y.start + y.width && y.start < x.start + x.width;
}

function placeText({ offset, bits }: AbiField): string {
  return bits ? `bit ${bits.start}` : `offset ${offset}`;
}

function widthText({ size, bits }: AbiField): string {
  return bits ? `${bits.width} bits` : `${size} bytes`;
}

/** One spelling for types that are read alike: __u64, uint64_t and unsigned long long. Byte orders stay apart. */
function canonicalType(name: string): string {
  const [, base, bounds] = /^([^[]*)(.*)$/.exec(name) as unknown as [string, string, string];
  if (/^__(le|be)\d/.test(base)) return name;
  const type = knownTypes(DEFAULT_TARGET).get(base.trim().split(' ').sort().join(' '));
  if (type?.kind !== 'int') return name;
  return `${type.unsigned ? 'u' : 's'}${type.size * 8}${bounds}`;
}
