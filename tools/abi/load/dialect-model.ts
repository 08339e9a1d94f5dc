import {
  type CommandName,
  commandSpelling,
  type Dialect,
  dialectByName,
  recordDataBytes,
} from '../../../uapi/dialect.js';
import { _IOC_DIR, _IOC_NR, _IOC_SIZE, _IOC_TYPE } from '../../../uapi/ioc.js';
import type { AbiCommand, AbiConstant, AbiModel, AbiRecord } from './model.js';

export const PREFIX = 'HMM_DMIRROR_';

/** A dialect as an ABI, by its name. */
export function dialectAbi(name: string): AbiModel | undefined {
  const dialect = dialectByName(name);
  return dialect && modelOfDialect(dialect);
}

/** A dialect as an ABI: what its header would say. */
export function modelOfDialect(dialect: Dialect): AbiModel {
  const records = dialect.records.map(recordModel);
  const numbers = [...dialect.numbers].sort(([, a], [, b]) => a - b);
  const commands = numbers.map(([name, value]) => commandModel(dialect, name, value));
  const constants = [...dialect.constants].map(([name, value]) => constantModel(name, value));
  return { name: dialect.id, commands, records, constants, unread: [], kernelOnly: [] };
}

function commandModel(dialect: Dialect, name: CommandName, value: number): AbiCommand {
  const record = dialect.recordOf.get(name) ?? dialect.records[0]?.name;
  return {
    name: PREFIX + commandSpelling(dialect, name),
    value,
    dir: _IOC_DIR(value),
    type: _IOC_TYPE(value),
    nr: _IOC_NR(value),
    size: _IOC_SIZE(value),
    argument: record && `struct ${record}`,
    at: undefined,
  };
}

function recordModel(data: Dialect['records'][number]): AbiRecord {
  let offset = 0;
  const fields = data.fields.map((text) => {
    const [type, name] = text.split(' ') as [string, string];
    const size = type === '__u32' ? 4 : 8;
    const field = { name, type, offset, size };
    offset += size;
    return field;
  });
  return { kind: 'struct', name: data.name, size: recordDataBytes(data), align: 8, fields, at: undefined };
}

function constantModel(name: string, value: number): AbiConstant {
  const kind = name.slice(0, name.indexOf('_') + 1);
  return { name: PREFIX + name, value: BigInt(value), group: PREFIX + kind, at: undefined };
}
