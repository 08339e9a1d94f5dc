import { type AbiCommand, type AbiModel, type AbiRecord, titleOf } from '../load/model.js';
import type { Finding } from './finding.js';
import type { Meaning } from './same-meaning.js';
import type { TypeChange } from './type-change.js';

/** Commands whose number stays and whose argument is read as something else: no caller gets an error. */
export function compareArguments(
  older: AbiModel,
  newer: AbiModel,
  {
    meaning,
    typeChange,
    partners,
  }: { meaning: Meaning; typeChange: TypeChange; partners: ReadonlyMap<AbiRecord, AbiRecord> },
): Finding[] {
  const byValue = new Map<number, AbiCommand[]>();
  for (const command of newer.commands) {
    if (!command.samples) byValue.set(command.value, [...(byValue.get(command.value) ?? []), command]);
  }
  return older.commands.flatMap((command) => {
    if (command.samples) return [];
    const others = byValue.get(command.value) ?? [];
    const other = others.find(({ name }) => name === command.name) ?? others.find((o) => meaning(command.name, o.name));
    if (other === undefined || command.argument === undefined || other.argument === undefined) return [];
    // Records that take each other's place are compared field by field.
    const record = older.records.find((r) => titleOf(r) === command.canonical);
    const partner = record && partners.get(record);
    if (partner && titleOf(partner) === other.canonical) return [];
    return argumentFinding(command, other, typeChange);
  });
}

function argumentFinding(command: AbiCommand, other: AbiCommand, typeChange: TypeChange): Finding[] {
  const [a, b] = [command, other].map(({ argument, canonical }) => ({
    type: argument!,
    ...(canonical !== undefined && { canonical }),
  }));
  const why = typeChange(a!, b!);
  if (why === undefined) return [];
  const message = `${other.name} takes ${b!.type}, not ${a!.type}, ${why}: the number stays, and no caller gets an error`;
  const side = ({ name, value, at }: AbiCommand) => ({ name, value, at });
  return [{ subject: 'command', class: 'type-changed', old: side(command), new: side(other), message }];
}
