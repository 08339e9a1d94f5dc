import type { Header, HeaderMacro } from './c/parse-header.js';
import type { Place } from './c/source-text.js';
import type { RecordLayout } from './c/types.js';
import type { AbiCommand, AbiConstant, AbiField, AbiModel, AbiRecord, Position } from './model.js';

/** A header as an ABI: its own commands, records and constants, and the records of others that its commands take. */
export function modelOfHeader(header: Header, text: string): AbiModel {
  const commands: AbiCommand[] = [];
  const constants: AbiConstant[] = [];
  const macros: AbiConstant[] = [];
  const wanted = new Set<RecordLayout>(header.records.filter((r) => r.tag !== '' && r.place?.source.isMain));
  for (const macro of header.macros) {
    const ioc = macro.constant?.ioc;
    if (ioc) {
      commands.push(commandModel(macro));
      if (ioc.argument?.record?.tag) wanted.add(ioc.argument.record);
    } else if (macro.constant) {
      macros.push({ name: macro.name, value: macro.constant.value, group: '', at: positionOf(macro.place) });
    }
  }
  for (const { tag, values } of header.enums) {
    const own = values.filter(({ place }) => place.source.isMain);
    const group = commonPrefix(own.map(({ name }) => name)) || `enum ${tag}`.trim();
    for (const { name, value, place } of own) constants.push({ name, value, group, at: positionOf(place) });
  }
  constants.push(...grouped(macros));
  return { name: header.name, text, commands, records: [...wanted].map(recordModel), constants };
}

export function positionOf(place: Place | undefined): Position | undefined {
  return place && { file: place.source.name, ...place.source.place(place.offset) };
}

function commandModel(macro: HeaderMacro): AbiCommand {
  const { dir, type, nr, size, argument } = macro.constant!.ioc!;
  const value = Number(BigInt.asUintN(32, macro.constant!.value));
  const alias = /^\(?\s*([A-Za-z_]\w*)\s*\)?$/.exec(macro.text)?.[1];
  return {
    ...{ name: macro.name, value, dir, type, nr, size, argument: argument?.name },
    ...(alias !== undefined && { aliasOf: alias }),
    at: positionOf(macro.place),
  };
}

function recordModel(record: RecordLayout): AbiRecord {
  const { kind, tag, size, align } = record;
  return {
    kind,
    name: tag,
    size,
    align,
    fields: fieldsOf(record, { path: '', offset: 0 }),
    at: positionOf(record.place),
  };
}

function fieldsOf(record: RecordLayout, base: { path: string; offset: number }): AbiField[] {
  return record.fields.flatMap((field): AbiField[] => {
    const offset = base.offset + field.offset;
    const path = field.name === '' ? base.path : base.path + field.name;
    const inner = field.type.record;
    // A record without a tag is seen nowhere else, so its fields are listed here.
    if (field.name === '') return fieldsOf(inner!, { path, offset });
    if (inner && inner.tag === '' && inner.fields.length > 0) return fieldsOf(inner, { path: `${path}.`, offset });
    const own = { name: path, type: field.type.name, offset, size: field.size };
    if (field.bits === undefined) return [own];
    return [{ ...own, bits: { start: base.offset * 8 + field.bits.start, width: field.bits.width } }];
  });
}

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
