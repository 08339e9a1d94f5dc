import { PAGE_SIZE } from '../../../mm/frames/frames.js';

/** A piece of text that is made at once, and the index that is behind it. */
export interface SeqRecord {
  readonly text: string;
  readonly next: number;
}

/** What stands at an index, or next behind it; null: there is no more. Linux: struct seq_operations */
export type SeqShow = (index: number) => SeqRecord | null;

/** Text in records, each of which is made when a read comes to it. It remembers where the last read ended. Linux: struct seq_file */
export class SeqFile {
  /** What was made and not read yet. */
  private buffer = '';
  private sizeBytes = PAGE_SIZE;
  private index = 0;
  private readPosition = 0;

  constructor(private readonly show: SeqShow) {}

  /** At most `lenBytes`, and not more than what is left of a record and whole ones that fit the buffer. Linux: part of fs/seq_file.c:seq_read_iter() */
  read(lenBytes: number, offset: number): string {
    if (lenBytes === 0) return '';
    if (offset === 0 || offset !== this.readPosition) this.traverse(offset);
    let text = this.take(lenBytes);
    if (this.buffer === '') {
      this.fill(lenBytes - text.length);
      text += this.take(lenBytes - text.length);
    }
    this.readPosition = offset + text.length;
    return text;
  }

  private take(lenBytes: number): string {
    const text = this.buffer.slice(0, lenBytes);
    this.buffer = this.buffer.slice(lenBytes);
    return text;
  }

  /** The next record, and those behind it as long as more is wanted and they fit. */
  private fill(wantedBytes: number): void {
    while (this.buffer === '') {
      const first = this.next();
      if (first === null) return;
      this.buffer = first.text;
    }
    while (this.buffer.length < wantedBytes) {
      const record = this.show(this.index);
      if (record === null || this.buffer.length + record.text.length >= this.sizeBytes) return;
      this.buffer += record.text;
      this.index = record.next;
    }
  }

  /** The buffer grows to hold one, and stays so. */
  private next(): SeqRecord | null {
    const record = this.show(this.index);
    if (record === null) return null;
    while (record.text.length >= this.sizeBytes) this.sizeBytes *= 2;
    this.index = record.next;
    return record;
  }

  /** From the begin anew, up to `offset`. Linux: fs/seq_file.c:traverse() */
  private traverse(offset: number): void {
    this.buffer = '';
    this.index = 0;
    for (let position = 0; position < offset; ) {
      const record = this.next();
      if (record === null) return;
      this.buffer = record.text.slice(offset - position);
      position += record.text.length;
    }
  }
}

/** One byte for each character, as the texts are ASCII. */
export function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
