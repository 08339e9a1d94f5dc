import { hex } from '../load/model.js';
import type { CallStatus, Matrix } from './matrix-run.js';

const SIGNS: Readonly<Record<CallStatus, string>> = { same: '.', silent: 'S', refused: 'e', 'not modelled': '?' };

/** A sign a cell, then the first wrong effect of each pair that has one. */
export function matrixText({ ids, cells }: Matrix): string[] {
  const width = Math.max(...ids.map((id) => id.length));
  const lines = ['rows: what the client was built for; columns: what the device speaks', ''];
  for (let i = 0; i < width; i++) {
    lines.push(' '.repeat(width + 1) + ids.map((id) => id.padStart(width)[i]).join(' '));
  }
  cells.forEach((row, i) => {
    lines.push(`${ids[i]!.padEnd(width)} ${row.map(({ status }) => SIGNS[status]).join(' ')}`);
  });
  lines.push('', '. the same   S silently another effect   e an error   ? not modelled', '');
  for (const row of cells) {
    for (const { client, device, status, text } of row) {
      if (status === 'silent') lines.push(`${client} on ${device}: ${text}`);
    }
  }
  return lines;
}

export function matrixJson({ cells }: Matrix): string[] {
  return cells
    .flat()
    .map(({ calls, ...cell }) =>
      JSON.stringify({ ...cell, calls: calls.map((call) => ({ ...call, number: hex(call.number, 8) })) }),
    );
}
