import { type AbiCommand, type AbiField, type AbiModel, type AbiRecord, titleOf } from '../load/model.js';
import { isExtensible } from './compare-commands.js';
import type { Finding } from './finding.js';
import type { Meaning } from './same-meaning.js';
import { canonicalType, type TypeChange } from './type-change.js';

/** Names of fields that hold room for later ones: what takes their place changes no meaning. */
const RESERVED =
  /(^|[._])(reserved|resv|rsvd?|rsv|pad(ding)?|unused|spare|filler?|mbz|expansion|hole|dummy)\d*[a-z]?(_*\d+)*_*$|^_*(res|fill|zero|future)\d*$|^__align$|:\d+$/i;

interface Context {
  readonly meaning: Meaning;
  readonly typeChange: TypeChange;
  readonly partners: ReadonlyMap<AbiRecord, AbiRecord>;
}

/** Changes of records. Those with one name belong together, and those that one command's value takes on both sides. */
export function compareRecords(older: AbiModel, newer: AbiModel, context: Context): Finding[] {
  const taken = new Set(context.partners.values());
  const findings: Finding[] = [];
  for (const record of older.records) {
    const partner = context.partners.get(record);
    const base = { subject: 'record', old: record } as const;
    if (!partner && record.included) continue;
    if (!partner) findings.push({ ...base, class: 'removed', message: `${titleOf(record)} is gone` });
    else {
      const users = usersOf(older, record);
      const facts = {
        inNumber: users.some((user) => user.size > 0 && !isExtensible(user)),
        onlyRead: isOnlyRead(users),
      };
      findings.push(...new RecordPair(record, partner, { ...context, ...facts }).findings());
    }
  }
  for (const record of newer.records) {
    if (taken.has(record) || record.included) continue;
    const message = `${titleOf(record)} is new, ${record.size} bytes`;
    findings.push({ subject: 'record', class: 'added', new: record, message });
  }
  return findings.map(plainSides);
}

/** Every command that takes the record only fills it: what callers left in it matters to none. */
function isOnlyRead(users: readonly AbiCommand[]): boolean {
  return users.length > 0 && users.every(({ dir }) => dir === 2);
}

function usersOf({ commands }: AbiModel, record: AbiRecord): AbiCommand[] {
  return commands.filter(({ canonical, argument }) => (canonical ?? argument) === titleOf(record));
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

/** The record of the new side for each of the old side that has one. */
export function partnersOf(older: AbiModel, newer: AbiModel): Map<AbiRecord, AbiRecord> {
  const [oldByTitle, newByTitle] = [older, newer].map(
    ({ records }) => new Map(records.map((r) => [titleOf(r), r])),
  ) as [Map<string, AbiRecord>, Map<string, AbiRecord>];
  const partners = new Map<AbiRecord, AbiRecord>();
  for (const [title, record] of oldByTitle) {
    const same = newByTitle.get(title);
    if (same) partners.set(record, same);
  }
  const byValue = new Map(newer.commands.map((command) => [command.value, command]));
  for (const command of older.commands) {
    const other = byValue.get(command.value);
    const record = oldByTitle.get(command.canonical ?? command.argument ?? '');
    const partner = newByTitle.get(other?.canonical ?? other?.argument ?? '');
    if (record && partner && !partners.has(record)) partners.set(record, partner);
  }
  return partners;
}

/** What happens to a field of a record that does more than grow at its end. */
const LOST: ReadonlySet<string> = new Set(['moved', 'removed', 'size-changed', 'silent-alias']);

class RecordPair {
  private readonly found: Finding[] = [];
  private readonly title: string;

  constructor(
    private readonly older: AbiRecord,
    private readonly newer: AbiRecord,
    /** `inNumber`: the record's size is part of a command's number. */
    private readonly context: Context & { onlyRead: boolean; inNumber: boolean },
  ) {
    this.title = titleOf(newer);
  }

  findings(): Finding[] {
    const { older, newer } = this;
    const both = { subject: 'record', old: older, new: newer } as const;
    if (titleOf(older) !== this.title) {
      this.found.push({ ...both, class: 'renamed', message: `${titleOf(older)} is called ${this.title}` });
    }
    this.keptFields();
    this.otherFields();
    if (older.size !== newer.size) {
      const inPlace = !this.found.some(({ class: kind }) => LOST.has(kind));
      const grew = newer.size > older.size && inPlace && !this.context.inNumber;
      const message = `${this.title} has ${newer.size} bytes, not ${older.size}`;
      if (!grew) this.found.push({ ...both, class: 'size-changed', message });
      else this.found.push({ ...both, class: 'grew', message: `${message}; all that was in it is where it was` });
    }
    if (older.size === newer.size && older.align !== newer.align && !this.found.some((f) => LOST.has(f.class))) {
      const message = `${this.title} is aligned to ${newer.align} bytes, not ${older.align}; its fields are where they were`;
      this.found.push({ ...both, class: 'alignment-changed', message });
    }
    return this.found;
  }

  private add(finding: Pick<Finding, 'class' | 'message' | 'harmless'>, a?: AbiField, b?: AbiField): void {
    this.found.push({
      ...{ subject: 'field', within: this.title },
      ...finding,
      ...(a && { old: { name: a.name, at: this.older.at } }),
      ...(b && { new: { name: b.name, at: this.newer.at } }),
    });
  }

  private keptFields(): void {
    const byName = new Map(this.newer.fields.map((field) => [field.name, field]));
    for (const a of this.older.fields) {
      const b = byName.get(a.name);
      // What is left of reserved bytes may be anywhere.
      const change = b && !RESERVED.test(a.name) && this.fieldChange(a, b);
      if (change) this.add(change, a, b);
    }
  }

  private fieldChange(a: AbiField, b: AbiField): Pick<Finding, 'class' | 'message'> | undefined {
    const [x, y] = [spanOf(a), spanOf(b)];
    const name = `${b.name} of ${this.title}`;
    if (x.start !== y.start) return { class: 'moved', message: `${name} went from ${placeText(a)} to ${placeText(b)}` };
    if (x.width !== y.width) {
      if (this.isElsewhere(a, b)) return undefined;
      const inBits = a.bits !== undefined || b.bits !== undefined;
      const width = (bits: number) => (inBits ? `${bits} bits` : `${bits / 8} bytes`);
      return { class: 'size-changed', message: `${name} has ${width(y.width)}, not ${width(x.width)}` };
    }
    if (a.type === b.type && canonicalType(a) === canonicalType(b)) return undefined;
    const why = this.context.typeChange(a, b);
    return why === undefined ? undefined : { class: 'type-changed', message: `${name} is ${b.type}, not ${a.type}` };
  }

  /** Another size that the record of the field, or the size of this one, tells about: an array of one that became one without an end. */
  private isElsewhere(a: AbiField, b: AbiField): boolean {
    const [x, y] = [canonicalType(a), canonicalType(b)];
    return (x === y && /^(struct|union) /.test(x)) || (x !== y && x.replace('[1]', '[]') === y);
  }

  /** Fields of one side only. */
  private otherFields(): void {
    const { older, newer } = this;
    const [oldNames, newNames] = [older, newer].map(({ fields }) => new Set(fields.map(({ name }) => name)));
    const fresh = newer.fields.filter(({ name }) => !oldNames!.has(name));
    const replaced = new Set<AbiField>();
    for (const a of older.fields) {
      if (newNames!.has(a.name) || RESERVED.test(a.name)) continue;
      const b = fresh.find((other) => spanOf(other).start === spanOf(a).start && !replaced.has(other));
      if (b) replaced.add(b);
      this.add(
        b ? this.replacement(a, b) : { class: 'removed', message: `${a.name} is gone from ${this.title}` },
        a,
        b,
      );
    }
    for (const b of fresh) {
      if (!replaced.has(b) && !b.name.includes(':')) this.add(this.freshField(b), undefined, b);
    }
  }

  private replacement(a: AbiField, b: AbiField): Pick<Finding, 'class' | 'message'> {
    const { title } = this;
    const reason = this.context.meaning(a.name, b.name);
    if (reason) return { class: 'renamed', message: `${a.name} of ${title} is called ${b.name}: ${reason}` };
    if (RESERVED.test(b.name)) return { class: 'removed', message: `${a.name} of ${title} is gone; its place is kept` };
    const message = `the bytes of ${title} at ${placeText(a)} were ${a.name} and are ${b.name}`;
    return { class: 'silent-alias', message };
  }

  private freshField(b: AbiField): Pick<Finding, 'class' | 'message' | 'harmless'> {
    const text = `${this.title} has ${b.name} at ${placeText(b)}`;
    const span = spanOf(b);
    const under = this.older.fields.filter((a) => overlap(spanOf(a), span));
    const reserved = under.find(({ name }) => RESERVED.test(name));
    if (reserved) return { class: 'reserved-used', message: `${text}, where ${reserved.name} was` };
    const inside = span.width > 0 && span.start < this.older.size * 8;
    if (under.length > 0 || !inside || this.older.kind === 'union' || RESERVED.test(b.name))
      return { class: 'added', message: text };
    const message = `${text}, where old callers have padding that they need not have cleared`;
    if (!this.context.onlyRead) return { class: 'field-in-hole', message };
    return { class: 'field-in-hole', message: `${message}; only the kernel writes it`, harmless: true };
  }
}

interface Span {
  /** In bits. */
  readonly start: number;
  readonly width: number;
}

function spanOf({ offset, size, bits }: AbiField): Span {
  return bits ?? { start: offset * 8, width: size * 8 };
}

function overlap(x: Span, y: Span): boolean {
  return x.start < y.start + y.width && y.start < x.start + x.width;
}

function placeText({ offset, bits }: AbiField): string {
  return bits ? `offset ${bits.start >> 3}, bit ${bits.start & 7}` : `offset ${offset}`;
}
