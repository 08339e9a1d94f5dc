import type { IocParts } from '../c/const-expr.js';
import type { Header, HeaderMacro, Sample } from '../c/parse-header.js';
import type { Place } from '../c/source-text.js';
import { type CType, canonicalOf, elementOf, type RecordLayout } from '../c/types.js';
import {
  type AbiCommand,
  type AbiConstant,
  type AbiField,
  type AbiModel,
  type AbiRecord,
  type Position,
  titleOf,
  type UnreadCommand,
} from './model.js';

/** A header as an ABI: its own commands, records and constants, and the records of others that they are made of. */
export function modelOfHeader(header: Header): AbiModel {
  const { macros, enums } = header;
  const read = macros.filter(({ name, text }) => text !== name);
  const commands = [...enumCommands(header), ...read.flatMap((macro) => commandOf(macro) ?? [])];
  const constants = [...enumConstants(enums), ...grouped(read.flatMap((macro) => constantOf(macro) ?? []))];
  return {
    name: header.name,
    commands,
    records: reachable(header).map(recordModel),
    constants,
    unread: read.flatMap((macro) => unreadOf(macro) ?? []),
    kernelOnly: [
      ...header.kernelOnly.map((token) => ({ name: token.text, at: positionOf(token) })),
      ...read.flatMap(({ name, kernelOnly, constant, samples, unread, place }) => {
        const isCommand = (constant?.ioc ?? samples ?? unread) !== undefined;
        return (kernelOnly ?? []).map((type) => ({ name: type, user: name, isCommand, at: positionOf(place) }));
      }),
    ],
    included: includedBy(header),
  };
}

/** What the header does not define itself, but has. */
function includedBy(header: Header): NonNullable<AbiModel['included']> {
  const macroNamed = (name: string) => {
    const macro = header.macro(name);
    return macro && macro.text !== name ? macro : undefined;
  };
  const enumerator = (name: string) => header.enums.find(({ values }) => values.some((value) => value.name === name));
  return {
    command(name) {
      const macro = macroNamed(name.replace(/\(.*/, ''));
      const own = enumerator(name);
      return macro ? commandOf(macro) : own && enumCommands({ enums: [own] }, true).find((c) => c.name === name);
    },
    constant(name) {
      const macro = macroNamed(name);
      const own = enumerator(name);
      const found = macro ? grouped([constantOf(macro)].filter((c) => c !== undefined))[0] : undefined;
      return found ?? (own && enumConstants([own], true).find((constant) => constant.name === name));
    },
    record(title) {
      const found = header.records.find((record) => `${record.kind} ${record.tag}` === title);
      return found && recordModel(found);
    },
  };
}

/** The header's records with names, and those that they and the commands are made of. */
function reachable({ records, macros, enums }: Header): RecordLayout[] {
  const wanted = new Set<RecordLayout>();
  const add = (type: CType | undefined): void => {
    if (type?.kind === 'array') add(type.of);
    else if (type?.record && !wanted.has(type.record)) addRecord(type.record);
  };
  const addRecord = (record: RecordLayout) => {
    if (record.tag !== '' && record.place) wanted.add(record);
    for (const field of record.fields) add(field.type);
  };
  for (const record of records) if (record.tag !== '' && record.place?.source.isMain) addRecord(record);
  for (const { constant, samples } of macros) {
    add(constant?.ioc?.argument);
    for (const sample of samples ?? []) add(sample.constant.ioc?.argument);
  }
  for (const { values } of enums) for (const { constant } of values) add(constant.ioc?.argument);
  return [...wanted];
}

function positionOf(place: Place | undefined): Position | undefined {
  return place && { file: place.source.name, ...place.source.place(place.offset) };
}

function numberOf({ dir, type, nr, size, argument }: IocParts) {
  const value = ((dir << 30) | (size << 16) | (type << 8) | nr) >>> 0;
  const canonical = argument && canonicalOf(argument);
  return { value, dir, type, nr, size, argument: argument?.name, ...(canonical !== undefined && { canonical }) };
}

function commandOf({ name, params, samples, constant, text, place }: HeaderMacro): AbiCommand | undefined {
  const at = positionOf(place);
  if (samples) {
    const call = `${name}(${params!.join(', ')})`;
    return { name: call, ...numberOf(samples[0]!.constant.ioc!), samples: samples.map(sampleOf), at };
  }
  if (!constant?.ioc) return undefined;
  const alias = /^\(?\s*([A-Za-z_]\w*)\s*\)?$/.exec(text)?.[1];
  return { name, ...numberOf(constant.ioc), ...(alias !== undefined && { aliasOf: alias }), at };
}

function sampleOf({ call, constant }: Sample): NonNullable<AbiCommand['samples']>[number] {
  const { value, canonical } = numberOf(constant.ioc!);
  return { call, value, ...(canonical !== undefined && { canonical }) };
}

function unreadOf({ name, unread, text, place }: HeaderMacro): UnreadCommand | undefined {
  if (unread === undefined) return undefined;
  const at = positionOf(place);
  const partial = unread.ioc && { name, ...numberOf(unread.ioc), at };
  return { name, problem: unread.problem, ...(partial && { partial }), text, at };
}

function constantOf({ name, constant, combines, place }: HeaderMacro): AbiConstant | undefined {
  if (!constant || constant.ioc) return undefined;
  return { name, value: constant.value, group: '', ...(combines && { combines }), at: positionOf(place) };
}

function enumCommands({ enums }: Pick<Header, 'enums'>, any = false): AbiCommand[] {
  return enums.flatMap(({ values }) =>
    values.flatMap(({ name, constant, place }) =>
      constant.ioc && (any || place.source.isMain) ? [{ name, ...numberOf(constant.ioc), at: positionOf(place) }] : [],
    ),
  );
}

function enumConstants(enums: Header['enums'], any = false): AbiConstant[] {
  return enums.flatMap(({ tag, values }) => {
    const own = values.filter(({ place, constant }) => !constant.ioc && (any || place.source.isMain));
    // Names that begin with underscores are not values of the thing, and have another prefix.
    const plain = own.map(({ name }) => name).filter((name, _, all) => !name.startsWith('_') || all.every(isInternal));
    const group = commonPrefix(plain) || `enum ${tag || own[0]?.name}`;
    return own.map(({ name, constant, place, explicit }, i) => {
      const counted = !explicit && i > 0;
      const last = counted && i === own.length - 1 && isInternal(name);
      const more = { ...(counted && { counted }), ...(last && { sentinel: true }) };
      return { name, value: constant.value, group, ...more, at: positionOf(place) };
    });
  });
}

function recordModel(record: RecordLayout): AbiRecord {
  const { kind, tag, size, align, place } = record;
  const fields = fieldsOf(record, { path: '', offset: 0 });
  const elsewhere = place?.source.isMain === true ? {} : { included: true };
  return { kind, name: tag, size, align, fields, ...elsewhere, at: positionOf(place) };
}

function fieldsOf(record: RecordLayout, base: { path: string; offset: number }): AbiField[] {
  return record.fields.flatMap((field): AbiField[] => {
    const offset = base.offset + field.offset;
    const path = field.name === '' ? base.path : base.path + field.name;
    const inner = field.type.record;
    // A bit-field without a name is room that the header keeps, as one called reserved.
    if (field.name === '' && field.bits) {
      const { start, width } = field.bits;
      const own = { name: `${path}:${width}`, type: field.type.name, offset, size: field.size };
      return [{ ...own, canonical: canonicalOf(field.type), bits: { start: base.offset * 8 + start, width } }];
    }
    // A record without a tag is seen nowhere else, so its fields are listed here. One without fields is only a place for a name.
    if (field.name === '') return fieldsOf(inner!, { path, offset });
    if (inner && inner.tag === '' && inner.place) return fieldsOf(inner, { path: `${path}.`, offset });
    const { type } = field;
    const own = { name: path, type: type.name, canonical: canonicalOf(type), offset, size: field.size };
    const element = elementOf(type);
    if (element.record?.tag === '' && element.record.place) {
      return [own, ...fieldsOf(element.record, { path: `${path}[].`, offset })];
    }
    if (field.bits === undefined) return [own];
    return [{ ...own, bits: { start: base.offset * 8 + field.bits.start, width: field.bits.width } }];
  });
}

const isInternal = (name: string): boolean => name.startsWith('_');

/** Macros are values of one thing when their names agree up to the last but one part: FOO_FLAG_A and FOO_FLAG_B. */
function grouped(macros: readonly AbiConstant[]): AbiConstant[] {
  return macros.map((macro) => {
    const cut = macro.name.lastIndexOf('_');
    return { ...macro, group: cut > 0 ? macro.name.slice(0, cut + 1) : macro.name };
  });
}

/** What all names begin with, up to and with an underscore; a single name's own all but last part. */
function commonPrefix(names: readonly string[]): string {
  const [first] = names;
  if (first === undefined) return '';
  let prefix = names.length === 1 ? first : names.reduce((a, b) => shared(a, b));
  prefix = prefix.slice(0, prefix.lastIndexOf('_') + 1);
  return prefix;
}

function shared(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(0, i);
}

/** Each side with what the other has of its own and this one has from a header that it includes: moving a thing there changes nothing. */
export function withMoved(model: AbiModel, other: AbiModel): AbiModel {
  const { included } = model;
  if (!included) return model;
  const missing = <T>(own: readonly T[], others: readonly T[], key: (item: T) => string) => {
    const names = new Set(own.map(key));
    return others.map(key).filter((name) => !names.has(name));
  };
  const key = ({ name }: { name: string }) => name.replace(/\(.*/, '');
  const commands = missing(model.commands, other.commands, key).flatMap((name) => included.command(name) ?? []);
  const constants = missing(model.constants, other.constants, key).flatMap((name) => included.constant(name) ?? []);
  const records = missing(model.records, other.records, titleOf).flatMap((title) => included.record(title) ?? []);
  if (commands.length + constants.length + records.length === 0) return model;
  return {
    ...model,
    commands: [...model.commands, ...commands],
    constants: [...model.constants, ...constants],
    records: [...model.records, ...records],
  };
}
