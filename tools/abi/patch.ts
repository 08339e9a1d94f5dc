import { UsageError } from '../exit-code.js';

export interface Hunk {
  readonly header: string;
  /** First line on the old side, from 1. */
  readonly oldStart: number;
  /** Each with its sign: ' ', '-' or '+'. */
  readonly lines: readonly string[];
}

/** What a patch does to one file. */
export interface FilePatch {
  readonly oldPath: string;
  readonly newPath: string;
  readonly hunks: readonly Hunk[];
}

/** The file patches of a text, in order. What is no part of a diff is passed over. */
export function parsePatch(text: string): FilePatch[] {
  const lines = text.split('\n');
  const files: { oldPath: string; newPath: string; hunks: Hunk[] }[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.startsWith('--- ') && lines[i + 1]?.startsWith('+++ ')) {
      files.push({ oldPath: pathOf(lines[i]!), newPath: pathOf(lines[i + 1]!), hunks: [] });
      i++;
    } else if (lines[i]!.startsWith('@@ ') && files.length > 0) {
      const { hunk, end } = readHunk(lines, i);
      files.at(-1)!.hunks.push(hunk);
      i = end - 1;
    }
  }
  return files;
}

function pathOf(line: string): string {
  return line
    .slice(4)
    .replace(/\t.*$/, '')
    .trim()
    .replace(/^[ab]\//, '');
}

function readHunk(lines: readonly string[], at: number): { hunk: Hunk; end: number } {
  const match = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(lines[at]!);
  if (!match)
    throw new UsageError(`the patch has a broken hunk header: ${lines[at]}`, 'get the patch again, unchanged');
  let oldLeft = Number(match[2] ?? 1);
  let newLeft = Number(match[3] ?? 1);
  const out: string[] = [];
  let i = at + 1;
  for (; oldLeft > 0 || newLeft > 0; i++) {
    // Mailers drop the blank of an empty context line.
    const line = lines[i] === '' ? ' ' : lines[i];
    const sign = line?.[0];
    if (line === undefined || !(sign === ' ' || sign === '-' || sign === '+')) {
      if (sign === '\\') continue;
      throw new UsageError(`the patch ends inside a hunk: ${match[0]}`, 'get the patch again, unchanged');
    }
    if (sign !== '+') oldLeft--;
    if (sign !== '-') newLeft--;
    out.push(line);
  }
  return { hunk: { header: match[0], oldStart: Number(match[1]), lines: out }, end: i };
}

/** The text after the patch. A hunk may have moved by any number of lines, but must be there word for word. */
export function applyPatch(text: string, patch: FilePatch): string {
  const lines = text.split('\n');
  let shift = 0;
  for (const hunk of patch.hunks) {
    const before = hunk.lines.filter((line) => line[0] !== '+').map((line) => line.slice(1));
    const after = hunk.lines.filter((line) => line[0] !== '-').map((line) => line.slice(1));
    const wanted = hunk.oldStart - 1 + shift;
    const at = findLines(lines, before, wanted);
    if (at === undefined)
      throw doesNotApply(
        patch,
        hunk,
        before.find((line) => !lines.includes(line)),
      );
    lines.splice(at, before.length, ...after);
    shift += at - wanted + after.length - before.length;
  }
  return lines.join('\n');
}

function doesNotApply(patch: FilePatch, hunk: Hunk, missing: string | undefined): UsageError {
  const why = missing === undefined ? '' : `: there is no line '${missing.trim()}'`;
  return new UsageError(
    `${hunk.header} of ${patch.newPath} does not apply to OLD${why}`,
    'name the header that the patch was made for',
  );
}

/** Where `wanted` lines stand, the nearest to `near`. */
function findLines(lines: readonly string[], wanted: readonly string[], near: number): number | undefined {
  const matches = (at: number) =>
    at >= 0 && at + wanted.length <= lines.length && wanted.every((line, i) => lines[at + i] === line);
  for (let distance = 0; distance <= lines.length; distance++) {
    if (matches(near - distance)) return near - distance;
    if (matches(near + distance)) return near + distance;
  }
  return undefined;
}

/**
 * The text after the patch, where the text is only like what the patch was made for: a dialect's header, without comments and with
 * another layout. Lines that go must be there but for blanks; lines that come go behind the last line that is known.
 */
export function applyLoosely(text: string, patch: FilePatch): string {
  const lines = text.split('\n');
  for (const hunk of patch.hunks) {
    let at = -1;
    const wanted = hunk.lines.filter((line) => !isComment(line.slice(1)));
    wanted.forEach((line, i) => {
      const content = line.slice(1);
      if (line[0] === '+') {
        if (at < 0) at = firstKnown(lines, wanted.slice(i));
        lines.splice(at, 0, content);
        at++;
        return;
      }
      const found = findLike(lines, content, at);
      if (found >= 0) at = found + (line[0] === ' ' ? 1 : 0);
      if (line[0] === '-') {
        if (found < 0) throw doesNotApply(patch, hunk, content);
        lines.splice(found, 1);
      }
    });
  }
  return lines.join('\n');
}

function isComment(line: string): boolean {
  return /^\s*(\/\*|\*|\/\/)/.test(line) || line.trim() === '';
}

function plain(line: string): string {
  return line
    .replace(/\/\*.*?(\*\/|$)/g, '')
    .replace(/\s+/g, '')
    .toLowerCase();
}

function findLike(lines: readonly string[], wanted: string, from: number): number {
  const text = plain(wanted);
  const after = lines.findIndex((line, i) => i >= from && plain(line) === text);
  return after >= 0 ? after : lines.findIndex((line) => plain(line) === text);
}

/** Where the first of the lines stands that is known; the end when none is. */
function firstKnown(lines: readonly string[], wanted: readonly string[]): number {
  for (const line of wanted) {
    const found = line[0] === '+' ? -1 : findLike(lines, line.slice(1), 0);
    if (found >= 0) return found;
  }
  return lines.length;
}
