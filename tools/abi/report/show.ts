import { type AbiCommand, type AbiModel, type AbiRecord, hex, holesOf } from '../load/model.js';

const DIRECTIONS = ['-', 'W', 'R', 'RW'] as const;

/** An ABI for a reader. */
export function showText(model: AbiModel): string[] {
  const lines = [model.name, ''];
  if (model.commands.length > 0) lines.push('commands', ...commandTable(model.commands), '');
  for (const record of model.records) lines.push(...recordLines(record), '');
  for (const group of new Set(model.constants.map((constant) => constant.group))) {
    lines.push(`constants ${group}`);
    for (const { name, value } of model.constants.filter((constant) => constant.group === group)) {
      lines.push(`  ${hex(BigInt.asUintN(64, value), 2).padEnd(12)} ${name}`);
    }
    lines.push('');
  }
  if (model.unread.length > 0) {
    lines.push('commands that the header alone does not size');
    for (const { name, problem } of model.unread) lines.push(`  ${name}: ${problem}`);
    lines.push('');
  }
  for (const { name, user, at } of model.kernelOnly) {
    const what = user ?? 'the header';
    lines.push(
      `note: ${at?.file}:${at?.line} uses ${name}, which only the kernel has: ${what} does not compile in a program`,
    );
  }
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function commandTable(commands: readonly AbiCommand[]): string[] {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const head = `  ${'number'.padEnd(10)}  nr    type  dir  size  ${'name'.padEnd(width)}  argument`;
  const rows = commands.map(({ name, value, nr, type, dir, size, argument }) => {
    const letter = type >= 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : hex(type, 2);
    const parts = [hex(value, 8), hex(nr, 2), letter.padEnd(4), DIRECTIONS[dir]!.padEnd(3), String(size).padStart(4)];
    return `  ${parts.join('  ')}  ${name.padEnd(width)}  ${argument ?? ''}`.trimEnd();
  });
  return [head, ...rows];
}

function recordLines(record: AbiRecord): string[] {
  const lines = [`${record.kind} ${record.name}, ${record.size} bytes, aligned to ${record.align}`];
  const rows = [
    ...record.fields.map(({ name, type, offset, size, bits }) => ({
      at: bits ? bits.start / 8 : offset,
      text: bits
        ? `bits ${bits.start}-${bits.start + bits.width - 1}  ${type} ${name}:${bits.width}`
        : `${String(size).padStart(5)}  ${type} ${name}`,
    })),
    ...(record.kind === 'struct' ? holesOf(record) : []).map(({ start, end }) => ({
      at: start,
      text: `${String(end - start).padStart(5)}  hole${end === record.size ? ' at the end' : ''}`,
    })),
  ].sort((a, b) => a.at - b.at);
  for (const { at, text } of rows) lines.push(`  ${String(Math.floor(at)).padStart(5)}  ${text}`);
  return lines;
}
