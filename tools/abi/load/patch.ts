import * as diff from 'diff';
import { UsageError } from '../../exit-code.js';

/** What a patch does to one file. */
export interface FilePatch {
  readonly oldPath: string;
  readonly newPath: string;
  readonly hunks: readonly diff.StructuredPatchHunk[];
}

/** The file patches of a text, in order. What is no part of a diff is passed over. */
export function parsePatches(text: string): FilePatch[] {
  try {
    return diff.parsePatch(diffLines(text).join('\n')).map(({ oldFileName = '', newFileName = '', hunks }) => {
      return { oldPath: withoutPrefix(oldFileName), newPath: withoutPrefix(newFileName), hunks };
    });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`the patch is broken: ${(error as Error).message}`, 'get the patch again, unchanged');
  }
}

function withoutPrefix(path: string): string {
  return path.trim().replace(/^[ab]\//, '');
}

/** The lines of diffs alone. The library refuses what a mail has around them: words before, a signature or a list's footer after. */
function diffLines(text: string): string[] {
  const lines = text.split('\n');
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.startsWith('--- ') && lines[i + 1]?.startsWith('+++ ')) {
      out.push(lines[i]!, lines[++i]!);
    } else if (lines[i]!.startsWith('@@ ') && out.length > 0) {
      const end = hunkEnd(lines, i);
      out.push(...lines.slice(i, end));
      i = end - 1;
    }
  }
  return out;
}

function hunkEnd(lines: readonly string[], at: number): number {
  const match = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(lines[at]!);
  if (!match)
    throw new UsageError(`the patch has a broken hunk header: ${lines[at]}`, 'get the patch again, unchanged');
  let oldLeft = Number(match[1] ?? 1);
  let newLeft = Number(match[2] ?? 1);
  let i = at + 1;
  for (; oldLeft > 0 || newLeft > 0 || lines[i]?.startsWith('\\'); i++) {
    // Mailers drop the blank of an empty context line.
    const sign = lines[i] === '' ? ' ' : lines[i]?.[0];
    if (sign === '\\') continue;
    if (sign !== ' ' && sign !== '-' && sign !== '+')
      throw new UsageError(`the patch ends inside a hunk: ${match[0]}`, 'get the patch again, unchanged');
    if (sign !== '+') oldLeft--;
    if (sign !== '-') newLeft--;
  }
  return i;
}

function headerOf({ oldStart, oldLines, newStart, newLines }: diff.StructuredPatchHunk): string {
  return `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`;
}

/** The text of `name` after the patch. A hunk may have moved by any number of lines, but must be there word for word. */
export function applyPatch(text: string, patch: FilePatch, name: string): string {
  const apply = (hunks: readonly diff.StructuredPatchHunk[]) => {
    return diff.applyPatch(text, { oldFileName: '', newFileName: '', oldHeader: '', newHeader: '', hunks: [...hunks] });
  };
  const after = apply(patch.hunks);
  if (after !== false) return after;
  const at = patch.hunks.findIndex((_, i) => apply(patch.hunks.slice(0, i + 1)) === false);
  const hunk = patch.hunks[at < 0 ? 0 : at]!;
  const lines = new Set(text.split('\n'));
  const wanted = hunk.lines.filter((line) => /^[ -]/.test(line)).map((line) => line.slice(1));
  const missing = wanted.find((line) => !lines.has(line));
  throw doesNotApply(patch, hunk, { name, missing });
}

function doesNotApply(
  patch: FilePatch,
  hunk: diff.StructuredPatchHunk,
  { name, missing }: { name: string; missing: string | undefined },
): UsageError {
  const why = missing === undefined ? '' : `: there is no line '${missing.trim()}'`;
  return new UsageError(
    `${headerOf(hunk)} of ${patch.newPath} does not apply to ${name}${why}`,
    'name the header that the patch was made for',
  );
}

/**
 * The text after the patch, where the text is only like what the patch was made for: a dialect's header, without comments and with
 * another layout. Lines that go must be there but for blanks; lines that come go behind the last line that is known.
 */
export function applyLoosely(text: string, patch: FilePatch, name: string): string {
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
        if (found < 0) throw doesNotApply(patch, hunk, { name, missing: content });
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
