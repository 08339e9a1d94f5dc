import { ENOSPC } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { Prng } from '../../core/prng.js';
import type { IovIter } from '../../mm/faults/iov-iter.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { addUserfaultDevice } from '../userfaultfd/userfault-fd.js';
import { OpenFile, type ReleaseQueue } from './open-file.js';

interface DevNodeKind {
  readonly fill: ((out: Uint8Array) => void) | null;
  readonly isFull?: boolean;
  readonly mapsAnonymous?: boolean;
  /** What is written is read from memory. */
  readonly isRandom?: boolean;
}

/** /dev/null, zero, full and urandom: what reading fills in, and whether anything can be written. */
class DevNode extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly node: DevNodeKind,
  ) {
    super(releases, flags);
  }

  override get mapsAnonymous(): boolean {
    return this.node.mapsAnonymous ?? false;
  }

  override *pread(_thread: Thread, lenBytes: number): Coroutine<Uint8Array | number> {
    const { fill } = this.node;
    const out = new Uint8Array(fill === null ? 0 : lenBytes);
    fill?.(out);
    return out;
  }

  override *pwrite(_thread: Thread, bytes: Uint8Array): Coroutine<number> {
    return bytes.length;
  }

  /** Of these only the random ones look at what is written. Linux: part of drivers/char/mem.c:write_null() and write_full() */
  override *writeIter(thread: Thread, from: IovIter, offset: number | null): Coroutine<number> {
    if (this.node.isRandom) return yield* super.writeIter(thread, from, offset);
    return this.node.isFull ? -ENOSPC : from.count;
  }

  /** Linux: part of drivers/char/mem.c:null_lseek() */
  override llseek(): number {
    this.position = 0;
    return 0;
  }
}

/** Puts /dev/null and its like into the tree of paths. */
export function addDevNodes(machine: Machine): void {
  const random = (out: Uint8Array): void => fillRandom(machine.kernel.prng, out);
  const zero = (): void => {};
  const nodes = {
    '/dev/null': { fill: null },
    '/dev/zero': { fill: zero, mapsAnonymous: true },
    '/dev/full': { fill: zero, isFull: true },
    '/dev/urandom': { fill: random, isRandom: true },
    '/dev/random': { fill: random, isRandom: true },
  };
  addUserfaultDevice(machine);
  for (const [path, node] of Object.entries(nodes)) {
    machine.vfs.addSpecial(path, function* (_thread, flags) {
      return new DevNode(machine, flags, node);
    });
  }
}

/** Bytes that follow from the machine's seed. */
export function fillRandom(prng: Prng, out: Uint8Array): void {
  for (let i = 0; i < out.length; i++) out[i] = prng.nextU32() >>> 24;
}
