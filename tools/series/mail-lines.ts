// Lines of a plain text mail.

const COLUMNS = 72;

/** Words in lines of at most 72 columns; what is one word stays one, as does each of a list. */
export function wrapped(text: string | readonly string[], indent = ''): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of typeof text === 'string' ? text.split(' ') : text) {
    if (line.length > indent.length && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}

export function sentence(text: string): string {
  const isName = /^\w*[_(]/.test(text);
  return `${isName ? text[0]! : text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** A message without numbers, and without what only one run tells. */
export function plain(message: string): string {
  return message.replace(/\d+\/\d+|0x[\da-f]+|\d+/g, '#').split(/; |, holds/)[0]!;
}
