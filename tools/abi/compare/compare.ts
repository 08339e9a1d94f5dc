import { withMoved } from '../load/header-model.js';
import type { AbiCommand, AbiModel } from '../load/model.js';
import { compareArguments } from './compare-arguments.js';
import { type CommandComparison, compareCommands, compareMacros } from './compare-commands.js';
import { compareConstants } from './compare-constants.js';
import { compareRecords, partnersOf } from './compare-records.js';
import { compareKernelOnly, compareUnread } from './compare-unread.js';
import { CLASS_NAMES, type Finding } from './finding.js';
import { meaningBetween, type SameMeaning } from './same-meaning.js';
import { typeChangeBetween } from './type-change.js';

export interface Comparison {
  readonly old: AbiModel;
  readonly new: AbiModel;
  readonly commands: CommandComparison;
  /** All that differs: what breaks first, in the order of CLASSES. */
  readonly findings: readonly Finding[];
}

/** Everything that differs between two ABIs. Comparing one with itself finds nothing but what can't be compared. */
export function compare(before: AbiModel, after: AbiModel, renames: readonly SameMeaning[] = []): Comparison {
  const [older, newer] = aligned(withMoved(before, after), withMoved(after, before));
  const meaning = meaningBetween(older, newer, renames);
  const typeChange = typeChangeBetween(older, newer);
  const partners = partnersOf(older, newer);
  const commands = compareCommands(plain(older, newer), plain(newer, older), meaning);
  const findings = [
    ...commands.findings,
    ...compareMacros(older, newer, typeChange),
    ...compareArguments(older, newer, { meaning, typeChange, partners }),
    ...compareUnread(older, newer),
    ...compareKernelOnly(older, newer),
    ...compareRecords(older, newer, { meaning, typeChange, partners }),
    ...compareConstants(older.constants, newer.constants, meaning),
  ];
  const rank = (finding: Finding) => CLASS_NAMES.indexOf(finding.class);
  return { old: before, new: after, commands, findings: findings.sort((a, b) => rank(a) - rank(b)) };
}

/** The commands whose whole number is known on both sides, if they are on both. */
function plain(model: AbiModel, { unread }: AbiModel): AbiCommand[] {
  return model.commands.filter(({ name, samples }) => !samples && !unread.some((other) => other.name === name));
}

/** What is a bare number on one side counts as one on the other too, however that one makes it. */
function aligned(older: AbiModel, newer: AbiModel): [AbiModel, AbiModel] {
  return [withBare(older, newer), withBare(newer, older)];
}

function withBare(model: AbiModel, other: AbiModel): AbiModel {
  const bare = new Set(other.constants.map(({ name }) => name));
  const turned = model.commands.filter(({ name }) => bare.has(name));
  if (turned.length === 0) return model;
  const constants = turned.map(({ name, value, at }) => {
    return { name, value: BigInt(value), group: other.constants.find((c) => c.name === name)!.group, at };
  });
  return {
    ...model,
    commands: model.commands.filter((command) => !turned.includes(command)),
    constants: [...model.constants, ...constants],
  };
}
