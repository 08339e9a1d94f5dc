import { basename } from 'node:path';
import { addDialect, COMMAND_NAMES, type CommandName, type Dialect, dialectByName } from '../../uapi/dialect.js';
import { UsageError } from '../exit-code.js';
import { meaningBetween } from './compare/same-meaning.js';
import { PREFIX } from './load/dialect-model.js';
import { type LoadOptions, loadAbi } from './load/load.js';
import type { AbiCommand, AbiModel } from './load/model.js';

export interface DialectFile {
  readonly dialect: Dialect;
  /** Commands of the header that answer -EINVAL, with why. */
  readonly unmatched: readonly string[];
}

/** Where the device reads and writes its record. */
const RECORD: readonly [name: string, offset: number][] = [
  ['addr', 0],
  ['ptr', 8],
  ['npages', 16],
  ['cpages', 24],
  ['faults', 32],
];

/** Reads a header as a dialect and makes it known. Commands are matched by the names of their macros. Throws UsageError. */
export async function loadDialectFile(
  file: string,
  options: Partial<LoadOptions> & { name?: string | undefined } = {},
): Promise<DialectFile> {
  const name = options.name ?? basename(file).replace(/\.(h|json)$/, '');
  if (dialectByName(name))
    throw new UsageError(`there is a dialect '${name}' already`, 'choose another name with --name');
  const model = await loadAbi(file.includes('/') ? file : `./${file}`, options);
  const unmatched: string[] = [];
  const numbers: Partial<Record<CommandName, number>> = {};
  const spelling: Partial<Record<CommandName, string>> = {};
  for (const command of model.commands) {
    const matched = matchCommand(command, model);
    const why = matched === undefined ? 'no command of that name is known' : recordProblem(command, model);
    if (matched === undefined || why !== undefined || numbers[matched] !== undefined) {
      unmatched.push(`${command.name}: ${why ?? `${numbers[matched!]} has that meaning already`}`);
      continue;
    }
    numbers[matched] = command.value;
    const short = command.name.slice(PREFIX.length);
    if (short !== matched) spelling[matched] = short;
  }
  if (Object.keys(numbers).length === 0) {
    throw new UsageError(
      `${file} has no command that the device knows`,
      `its commands should be named ${PREFIX}READ and so on`,
    );
  }
  const commands = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, value & 0xff]));
  const constants = model.constants
    .filter((constant) => constant.name.startsWith(PREFIX))
    .map((constant) => [constant.name.slice(PREFIX.length), Number(constant.value)] as const);
  const data = { id: name, title: `read from ${basename(file)}`, commands, numbers, spelling };
  return { dialect: addDialect({ ...data, constants: Object.fromEntries(constants) }), unmatched };
}

/** The command that a macro names, also by a name that means the same. */
function matchCommand(command: AbiCommand, model: AbiModel): CommandName | undefined {
  const meaning = meaningBetween(model, model, []);
  const alike = COMMAND_NAMES.find(
    (name) => meaning(command.name, PREFIX + name) !== undefined && PREFIX + name !== command.name,
  );
  const own = COMMAND_NAMES.find((name) => PREFIX + name === command.name);
  return alike === 'MIGRATE_TO_DEV' || own === undefined ? (alike ?? own) : own;
}

/** Why the device can't read a command's record; undefined when it can. */
function recordProblem(command: AbiCommand, model: AbiModel): string | undefined {
  const record = model.records.find(({ kind, name }) => `${kind} ${name}` === command.argument);
  if (record === undefined) return 'its record is not in the header';
  const wrong = RECORD.find(
    ([name, offset]) => !record.fields.some((f) => f.name === name && f.offset === offset && f.size === 8),
  );
  return wrong && `its record has no 8-byte ${wrong[0]} at offset ${wrong[1]}, where the device looks for it`;
}
