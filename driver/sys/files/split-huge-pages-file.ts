import { EINVAL } from '../../../uapi/errno.js';
import { O_RDONLY } from '../../../uapi/fcntl.js';
import type { Coroutine } from '../../core/effect.js';
import { splitHugePagesAll, splitHugePagesPid } from '../../mm/huge/split-huge-pages.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, S_IFREG } from './open-file.js';

const PAGES_OF_PROCESS = /^(\d+),0x([\da-f]+),0x([\da-f]+)(?:,(\d+))?\s*$/i;
const PAGES_OF_FILE = /^([^,]+),0x[\da-f]+,0x[\da-f]+(?:,\d+)?\s*$/i;
const MAX_INPUT = 255;
const HPAGE_PMD_ORDER = 9;

/**
 * What is written is `1`: all, or `PID,0xSTART,0xEND[,ORDER]`, or `/FILE,0xFIRST,0xEND[,ORDER]`. Deviates: of files nothing is split, as tmpfs has no huge pages; folios become
 * single pages only. Linux: mm/huge_memory.c:split_huge_pages_write()
 */
class SplitHugePagesFile extends OpenFile {
  constructor(
    private readonly machine: Machine,
    flags: number,
  ) {
    super(machine, flags);
  }

  override stat(): FileStat {
    return { mode: S_IFREG | 0o200, size: 0, ino: 2, rdev: 0 };
  }

  override *pwrite(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    const { process } = thread;
    const text = String.fromCharCode(...bytes.subarray(0, MAX_INPUT)).split('\0', 1)[0]!;
    if (/^1\s*$/.test(text)) {
      yield* splitHugePagesAll(this.machine.memory);
      return text.length;
    }
    if (text.startsWith('/')) return yield* this.splitHugePagesInFile(thread, text);
    const match = PAGES_OF_PROCESS.exec(text);
    const order = Number(match?.[4] ?? 0);
    if (match === null) return -EINVAL;
    const [pid, start, end] = [Number(match[1]), Number.parseInt(match[2]!, 16), Number.parseInt(match[3]!, 16)];
    const target = this.machine.process(pid);
    const isOwn = target !== null && target.owner === process.owner;
    if (order > 0 && order < HPAGE_PMD_ORDER) return -EINVAL;
    // No folio is larger than such an order, but the process must be there.
    const error = yield* splitHugePagesPid(isOwn ? target.mm : null, start, order === 0 ? end : start);
    return error < 0 ? error : text.length;
  }

  /** The file must be there; no folio of one is large. Linux: mm/huge_memory.c:split_huge_pages_in_file() */
  private *splitHugePagesInFile(thread: Thread, text: string): Coroutine<number> {
    const match = PAGES_OF_FILE.exec(text);
    if (match === null) return -EINVAL;
    const file = yield* this.machine.vfs.open(thread, match[1]!, O_RDONLY);
    if (typeof file === 'number') return -EINVAL;
    yield* file.put();
    return text.length;
  }
}

export function addSplitHugePages(machine: Machine): void {
  machine.vfs.addSpecial('/sys/kernel/debug/split_huge_pages', function* (_thread, flags) {
    return new SplitHugePagesFile(machine, flags);
  });
}
