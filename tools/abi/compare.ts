import { type CommandComparison, compareCommands } from './compare-commands.js';
import { compareConstants } from './compare-constants.js';
import { compareRecords } from './compare-records.js';
import { type ChangeClass, CLASSES, type Finding } from './finding.js';
import type { AbiModel } from './model.js';
import { meaningBetween, type SameMeaning } from './same-meaning.js';

export interface Comparison {
  readonly old: AbiModel;
  readonly new: AbiModel;
  readonly commands: CommandComparison;
  /** All that differs: what breaks first, in the order of CLASSES. */
  readonly findings: readonly Finding[];
}

/** Everything that differs between two ABIs. Comparing one with itself finds nothing. */
export function compare(older: AbiModel, newer: AbiModel, renames: readonly SameMeaning[] = []): Comparison {
  const meaning = meaningBetween(older, newer, renames);
  const commands = compareCommands(older.commands, newer.commands, meaning);
  const findings = [
    ...commands.findings,
    ...compareRecords(older, newer, meaning),
    ...compareConstants(older.constants, newer.constants, meaning),
  ];
  const rank = (finding: Finding) => CLASS_ORDER.indexOf(finding.class);
  return { old: older, new: newer, commands, findings: findings.sort((a, b) => rank(a) - rank(b)) };
}

const CLASS_ORDER = Object.keys(CLASSES) as ChangeClass[];
