import { type AbiModel, type AbiRecord, hex, titleOf } from '../load/model.js';
import type { Finding } from './finding.js';

/** What one header gives on one target. */
export interface OnTarget {
  readonly target: string;
  readonly model: AbiModel;
}

/** Records and numbers of one header that are not the same on every target: a 64-bit kernel must translate them for 32-bit programs. */
export function targetDifferences(all: readonly OnTarget[]): Finding[] {
  const { model } = all[0]!;
  const records = model.records.flatMap((record) => recordDifference(record, all));
  const commands = model.commands.flatMap((command) => {
    const groups = grouped(all, ({ commands }) => {
      const found = commands.find(({ name }) => name === command.name);
      return found ? hex(found.value, 8) : 'not there';
    });
    if (groups.length === 1) return [];
    return [finding('command', command, `${command.name} is ${groups.map(inWords).join(', ')}`)];
  });
  return [...records, ...commands];
}

function finding(
  subject: Finding['subject'],
  { name, at }: { name: string; at: AbiRecord['at'] },
  message: string,
): Finding {
  return { subject, class: 'target-differs', new: { name, at }, message };
}

interface Group {
  readonly text: string;
  readonly targets: readonly string[];
}

function grouped(all: readonly OnTarget[], textOf: (model: AbiModel) => string): Group[] {
  const groups = new Map<string, string[]>();
  for (const { target, model } of all) {
    const text = textOf(model);
    groups.set(text, [...(groups.get(text) ?? []), target]);
  }
  return [...groups].map(([text, targets]) => ({ text, targets }));
}

function inWords({ text, targets }: Group): string {
  return `${text} on ${targets.join(', ')}`;
}

function recordDifference(record: AbiRecord, all: readonly OnTarget[]): Finding[] {
  const title = titleOf(record);
  const on = (model: AbiModel) => model.records.find((other) => titleOf(other) === title);
  const layouts = grouped(all, (model) => {
    const own = on(model);
    const fields = own?.fields.map(({ name, offset, size, bits }) => `${name} ${offset} ${size} ${bits?.start}`);
    return own ? `${own.size} ${fields!.join()}` : '';
  });
  if (layouts.length === 1) return [];
  const sizes = grouped(all, (model) => (on(model) ? `${on(model)!.size} bytes` : 'not there'));
  const moved = record.fields.find(({ name }) => placeGroups(name, on, all).length > 1);
  const places = moved ? `; ${moved.name} is ${placeGroups(moved.name, on, all).map(inWords).join(', ')}` : '';
  const users = all[0]!.model.commands.filter(({ canonical, argument }) => (canonical ?? argument) === title);
  const why = users.length === 0 ? '' : `: ${users.map(({ name }) => name).join(', ')} needs compat_ioctl`;
  return [finding('record', record, `${title} is ${sizes.map(inWords).join(', ')}${places}${why}`)];
}

function placeGroups(name: string, on: (model: AbiModel) => AbiRecord | undefined, all: readonly OnTarget[]): Group[] {
  return grouped(all, (model) => {
    const field = on(model)?.fields.find((other) => other.name === name);
    return field ? `${field.size} bytes at ${field.offset}` : 'not there';
  });
}
