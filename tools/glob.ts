/**
 * A shell-style pattern as a regular expression over the whole name: `*` any text, `?` one character, `[abc]` and
 * `[!abc]` one of a set, `{a,b}` alternatives. A dot is an ordinary character, as in kselftest names.
 */
export function globToRegExp(glob: string): RegExp {
  let source = '';
  let braces = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    if (c === '*') source += '.*';
    else if (c === '?') source += '.';
    else if (c === '[' && setEnd(glob, i) > 0) {
      const end = setEnd(glob, i);
      const set = glob.slice(i + 1, end).replace(/[\\\]^]/g, '\\$&');
      source += set.startsWith('!') ? `[^${set.slice(1)}]` : `[${set}]`;
      i = end;
    } else if (c === '{' && glob.indexOf('}', i) > 0) {
      source += '(?:';
      braces++;
    } else if (c === '}' && braces > 0) {
      source += ')';
      braces--;
    } else if (c === ',' && braces > 0) source += '|';
    else source += escapeText(c);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // An open brace or a backward range is text, as in a shell.
    return new RegExp(`^${escapeText(glob)}$`);
  }
}

/** The bracket that closes the set opened at `open`; one right after the opening, or after `!`, belongs to the set. */
function setEnd(glob: string, open: number): number {
  return glob.indexOf(']', open + (glob[open + 1] === '!' ? 3 : 2));
}

function escapeText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Quotes a word for a POSIX shell when it needs it, so a printed command can be pasted. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-][\w@%+=:,./~-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function shellWords(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** What does again what a token names, with the file that it needs beside it. */
export function replayCommand(...words: readonly string[]): string {
  return `npx --no-install dmirror explore replay ${shellWords(words)}`;
}
