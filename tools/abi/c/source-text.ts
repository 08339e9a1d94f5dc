/** A text and where it came from. Offsets become lines and columns only when someone asks. */
export class SourceText {
  private lineStarts: number[] | undefined;

  constructor(
    readonly name: string,
    readonly text: string,
    /** Part of what was asked about, and not a header that it includes. */
    readonly isMain = false,
  ) {}

  /** Line and column, both from 1. */
  place(offset: number): { line: number; column: number } {
    this.lineStarts ??= lineStartsOf(this.text);
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.lineStarts[low]! + 1 };
  }

  /** The whole line of an offset, without its end. */
  lineText(offset: number): string {
    const start = this.text.lastIndexOf('\n', offset - 1) + 1;
    const end = this.text.indexOf('\n', offset);
    return this.text.slice(start, end < 0 ? undefined : end).trimEnd();
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Where something is: a source and an offset into it. */
export interface Place {
  readonly source: SourceText;
  readonly offset: number;
}

/** A header that can't be read: where, what the text is there, and what to do about it. Never thrown for a bug of ours. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line of the header. */
  readonly text: string;

  constructor(
    place: Place,
    readonly problem: string,
    readonly hint: string,
  ) {
    const { line, column } = place.source.place(place.offset);
    const text = place.source.lineText(place.offset);
    super(`${place.source.name}:${line}:${column}: ${problem}\n  ${text}`);
    this.file = place.source.name;
    this.line = line;
    this.column = column;
    this.text = text;
  }
}
