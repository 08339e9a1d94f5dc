import { fstatSync, readSync } from 'node:fs';

/**
 * Standard input of a program that runs on a machine of this process. What comes from a file is read at once. Other input
 * comes when it comes: then whoever runs the machine waits for it, so that signals and timeouts are seen meanwhile.
 */
export class ProgramInput {
  private readonly isFile = isFile(0);
  private readonly chunks: Buffer[] = [];
  private isOpen = false;
  private hasEnded = false;
  private wakers: (() => void)[] = [];

  /** At most `lenBytes`; none at its end; null when there is nothing yet, and `wake` is called once there is. */
  read(lenBytes: number, wake: () => void): Uint8Array | null {
    if (this.isFile) return readFile(lenBytes);
    this.open();
    const [first] = this.chunks;
    if (first !== undefined) {
      if (first.length <= lenBytes) return this.chunks.shift()!;
      this.chunks[0] = first.subarray(lenBytes);
      return first.subarray(0, lenBytes);
    }
    if (this.hasEnded) return new Uint8Array();
    this.wakers.push(wake);
    return null;
  }

  /** Somebody waits for input. */
  get isWanted(): boolean {
    return this.wakers.length > 0;
  }

  /** Comes at a terminal, where people want to see the other threads go on; else the machine stands still for it. */
  get isInteractive(): boolean {
    return process.stdin.isTTY === true;
  }

  /** Until there is input or its end, and everybody who waited for it knows. */
  async arrived(): Promise<void> {
    while (this.chunks.length === 0 && !this.hasEnded) {
      await new Promise<void>((resolve) => {
        process.stdin
          .once('data', () => resolve())
          .once('close', resolve)
          .once('end', resolve)
          .once('error', () => resolve());
      });
    }
    for (const wake of this.wakers.splice(0)) wake();
  }

  close(): void {
    if (this.isOpen) process.stdin.destroy();
  }

  private open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    const end = (): void => {
      this.hasEnded = true;
    };
    process.stdin
      .on('data', (chunk: Buffer) => this.chunks.push(chunk))
      .on('end', end)
      .on('close', end)
      .on('error', end);
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

function readFile(lenBytes: number): Uint8Array {
  const buffer = new Uint8Array(lenBytes);
  try {
    return buffer.subarray(0, readSync(0, buffer));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EOF') return buffer.subarray(0, 0);
    throw error;
  }
}
