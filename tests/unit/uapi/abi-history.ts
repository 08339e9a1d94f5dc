import { readFileSync } from 'node:fs';

interface HistoryCommand {
  nr: number;
  ioctl: string;
  size: number;
}

interface HistoryStruct {
  fields: { name: string; type: string; offset: number; size: number }[];
  size: number;
}

/** One generation of the header. P1 has M1's tables instead of its own. */
export interface Generation {
  id: string;
  commands: Record<string, HistoryCommand>;
  structs: Record<string, HistoryStruct>;
  enums: { prot: Record<string, number>; memory_type: Record<string, number> };
  flags: Record<string, number>;
}

interface Transition {
  old: string;
  new: string;
  renamed: { ioctl: string; old: string; new: string }[];
  reinterpreted: {
    ioctl: string;
    old: string;
    new: string;
    old_binary_on_new_kernel: string[];
    new_binary_on_old_kernel: string[];
  }[];
  unchanged: { ioctl: string; name: string }[];
  unknown_in_new: { ioctl: string; old: string }[];
  added_in_new: { ioctl: string; new: string }[];
}

export interface AbiHistory {
  generations: Generation[];
  transitions: Transition[];
  number_meanings: Record<string, Record<string, string>>;
  highest_accepted_nr: Record<string, number>;
  ptr_effect: Record<string, { direction: string; bytes: string }>;
  gup_test: { commands?: Record<string, HistoryCommand> }[];
}

/** The header's history, collected from patches and kernel trees apart from this code: what the code is checked against. */
export function loadAbiHistory(): AbiHistory {
  const history = JSON.parse(readFileSync(new URL('./abi-history.json', import.meta.url), 'utf8')) as AbiHistory;
  const byId = new Map(history.generations.map((g) => [g.id, g]));
  history.generations = history.generations.map((g) =>
    typeof g.commands === 'string' ? { ...byId.get('M1')!, id: g.id } : g,
  );
  return history;
}
