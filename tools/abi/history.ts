import { commandSpelling, dialectByName, dialectIds } from '../../uapi/dialect.js';
import { ptrUse } from './compare/effects.js';
import { PREFIX } from './load/dialect-model.js';
import { hex } from './load/model.js';

/** The meanings of one number: each name with the dialects that have it, in the order of history. */
export interface NumberStory {
  readonly value: number;
  readonly meanings: ReadonlyMap<string, readonly string[]>;
}

/** Every number that any of the dialects uses. */
export function numberStories(ids: readonly string[] = dialectIds()): NumberStory[] {
  const stories = new Map<number, Map<string, string[]>>();
  for (const id of ids) {
    const dialect = dialectByName(id)!;
    for (const [command, value] of dialect.numbers) {
      const meanings = stories.get(value) ?? new Map<string, string[]>();
      stories.set(value, meanings);
      const name = commandSpelling(dialect, command);
      meanings.set(name, [...(meanings.get(name) ?? []), id]);
    }
  }
  return [...stories].sort(([a], [b]) => a - b).map(([value, meanings]) => ({ value, meanings }));
}

/** `dmirror abi history`. */
export function historyText(stories: readonly NumberStory[]): string[] {
  return stories.flatMap(({ value, meanings }) => [
    hex(value, 8),
    ...[...meanings].map(([name, ids]) => `    ${name.padEnd(24)} ${ptrText(name).padEnd(28)} ${ids.join(' ')}`),
  ]);
}

function ptrText(name: string): string {
  const use = ptrUse(PREFIX + name);
  if (use === undefined) return 'effect not known';
  const bytes = (n: number) => (n === 1 ? 'npages bytes' : `npages*${n} bytes`);
  if (use.out > 0) return `stores ${bytes(use.out)}`;
  return use.in > 0 ? `reads ${bytes(use.in)}` : 'leaves ptr alone';
}

/** `dmirror abi name VALUE`: a line a dialect that knows the number. */
export function nameText(value: number, ids: readonly string[]): string[] {
  return ids.flatMap((id) => {
    const dialect = dialectByName(id)!;
    const command = dialect.names.get(value);
    return command === undefined ? [] : [`${dialect.id.padEnd(16)} ${PREFIX}${commandSpelling(dialect, command)}`];
  });
}

export function storiesJson(stories: readonly NumberStory[]): string[] {
  return stories.map(({ value, meanings }) =>
    JSON.stringify({ value: hex(value, 8), meanings: Object.fromEntries(meanings) }),
  );
}
