// ABIs as `abi show --json` writes them: for a baseline that is kept, or a dialect that is served without its header.

import { UsageError } from '../../exit-code.js';
import { schemaPath } from '../schemas.js';
import { type AbiModel, hex, holesOf } from './model.js';

/** One JSON object. Numbers that are values are hex, as headers and traces have them. */
export function savedText({ name, commands, records, constants, unread }: AbiModel): string {
  const saved = {
    $schema: schemaPath('dialect', '.'),
    name,
    commands: commands.map(({ value, samples, ...rest }) => ({
      ...rest,
      value: hex(value, 8),
      ...(samples && { samples: samples.map((sample) => ({ ...sample, value: hex(sample.value, 8) })) }),
    })),
    records: records.map((record) => ({ ...record, holes: holesOf(record) })),
    constants: constants.map((constant) => ({ ...constant, value: hex(BigInt.asUintN(64, constant.value)) })),
    ...(unread.length > 0 && { unread }),
  };
  return JSON.stringify(saved, null, 2);
}

const FORM = 'write it with `dmirror abi show ABI --json`, or see docs/schemas/dialect.schema.json';

/** Reads what savedText() wrote. Throws UsageError that names the file and what is wrong in it. */
export function savedAbi(file: string, text: string): AbiModel {
  let saved: Record<string, unknown>;
  try {
    saved = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`, FORM);
  }
  const list = (key: string): Record<string, unknown>[] => {
    const items = saved?.[key] ?? [];
    const isList = Array.isArray(items) && items.every((item) => typeof item === 'object' && item !== null);
    if (!isList) throw new UsageError(`${file}: ${key} is no list of objects`, FORM);
    return items as Record<string, unknown>[];
  };
  if (!Array.isArray(saved?.commands)) throw new UsageError(`${file} has no list of commands`, FORM);
  const model = { name: file, unread: list('unread'), kernelOnly: [] };
  const commands = list('commands').map((command, i) => ({
    ...readNumbers(command, { where: `${file}: command ${i + 1}`, keys: ['dir', 'type', 'nr', 'size'] }),
    value: Number(readValue(command.value, `${file}: command ${i + 1}`)),
    ...(Array.isArray(command.samples) && {
      samples: command.samples.map((s) => ({ ...s, value: Number(readValue(s.value, `${file}: command ${i + 1}`)) })),
    }),
  }));
  const records = list('records').map((record, i) => {
    const where = `${file}: record ${i + 1}`;
    if (!Array.isArray(record.fields)) throw new UsageError(`${where} has no list of fields`, FORM);
    const fields = record.fields.map((field) => readNumbers(field, { where, keys: ['offset', 'size'] }));
    const { holes: _, ...rest } = readNumbers(record, { where, keys: ['size', 'align'] });
    return { ...rest, fields };
  });
  const constants = list('constants').map((constant, i) => ({
    group: '',
    ...readNumbers(constant, { where: `${file}: constant ${i + 1}`, keys: [] }),
    value: BigInt.asIntN(64, readValue(constant.value, `${file}: constant ${i + 1}`)),
  }));
  return { ...model, commands, records, constants } as unknown as AbiModel;
}

function readNumbers(
  item: Record<string, unknown>,
  { where, keys }: { where: string; keys: readonly string[] },
): Record<string, unknown> {
  if (typeof item.name !== 'string') throw new UsageError(`${where} has no name`, FORM);
  const wrong = keys.find((key) => !Number.isSafeInteger(item[key]));
  if (wrong !== undefined) throw new UsageError(`${where} (${item.name}): ${wrong} is no whole number`, FORM);
  return item;
}

function readValue(value: unknown, where: string): bigint {
  if (typeof value === 'string' && /^(0x[\da-f]+|-?\d+)$/i.test(value)) return BigInt(value);
  throw new UsageError(`${where}: the value ${JSON.stringify(value)} is no number in text`, 'write it as "0xc0284804"');
}
