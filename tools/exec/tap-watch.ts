const RESULT = /^ *(not )?ok /m;
const HEADER = /^(K?TAP version|1\.\.\d)/m;
/** What begins later is no selftest's output. */
const HEADER_BYTES = 65536;

/** Looks whether what a program prints is TAP, and has a result. */
export class TapWatch {
  private text = '';
  private hasHeader = false;
  private isDone = false;

  look(bytes: Uint8Array): void {
    if (this.isDone) return;
    this.text += Buffer.from(bytes).toString('latin1');
    this.hasHeader ||= HEADER.test(this.text);
    this.isDone = RESULT.test(this.text) || (!this.hasHeader && this.text.length > HEADER_BYTES);
    // A result may come in parts, but not one of several lines.
    if (this.hasHeader) this.text = this.text.slice(this.text.lastIndexOf('\n') + 1);
  }

  /** It began as a selftest, and no result came. */
  get ranNothing(): boolean {
    return this.hasHeader && !this.isDone;
  }
}
