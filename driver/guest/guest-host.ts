/** What is outside of the emulated machine, as far as a program on it can reach: its three streams, and our reports. */
export interface GuestHost {
  /** Standard output (1) or error (2). */
  write(fd: 1 | 2, bytes: Uint8Array): void;
  /** Output has to wait: its reader is slow. */
  isFull(): boolean;
  /** At most `lenBytes` of standard input; none at its end; null: nothing yet, `wake` tells when to ask again. */
  read(lenBytes: number, wake: () => void): Uint8Array | null;
  /** What isatty(3) answers for 0, 1 and 2. */
  isTerminal(fd: number): boolean;
  /** One line for each finished system call; null: nobody wants them. */
  readonly strace: ((line: string) => void) | null;
  /** A program died of a fault, or for lack of memory. */
  crashed(report: string): void;
  /** Something was asked for in vain that real Linux has: `system call mseal (462)`, `ioctl FIONREAD of /dev/x`, `file /proc/x`. */
  unsupported(what: string): void;
  /** The bytes of a program that execve(2) names; null: there is none. */
  program(path: string): Uint8Array | null;
}
