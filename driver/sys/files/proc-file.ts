import { EACCES, EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from './open-file.js';

/** Text of a file in /proc or /sys, and what writing it does. */
export interface TextNode {
  read(): string;
  /** Bytes are ASCII, a line end included as in `echo`. 0 or a negative errno; absent: can't be written. */
  write?(text: string): number;
  /** What it keeps by itself is new again, for another life of the machine. */
  reset?(): void;
}

/**
 * Text bytes are ASCII: one character a byte. It is made when it is read from its begin, or from anywhere else than where the last read
 * ended; reads that follow each other see one text. Linux: fs/seq_file.c:seq_read_iter(). Deviates: Linux makes /proc/PID/maps page by page.
 */
export class ProcFile extends OpenFile {
  private text = '';
  private readPosition = 0;

  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly node: TextNode,
  ) {
    super(releases, flags);
  }

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    if (offset === 0 || offset !== this.readPosition) this.text = yield* this.show();
    const text = this.text.slice(offset, offset + lenBytes);
    this.readPosition = offset + text.length;
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  /** The text as it is now. */
  protected *show(): Coroutine<string> {
    return this.node.read();
  }

  override stat(): FileStat {
    return { mode: S_IFREG | (this.node.write === undefined ? 0o444 : 0o644), size: 0, ino: 2, rdev: 0 };
  }

  override *pwrite(_thread: Thread, bytes: Uint8Array, _offset: number): Coroutine<number> {
    if (this.node.write === undefined) return -EACCES;
    if (bytes.length > 4096) return -EINVAL;
    const error = this.node.write(String.fromCharCode(...bytes).trim());
    return error < 0 ? error : bytes.length;
  }
}
