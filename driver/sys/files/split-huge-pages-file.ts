import { EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { splitHugePagesAll, splitHugePagesPid } from '../../mm/huge/split-huge-pages.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, S_IFREG } from './open-file.js';

const PAGES_OF_PROCESS = /^(\d+),0x([\da-f]+),0x([\da-f]+)(?:,(\d+))?\s*$/i;
const MAX_INPUT = 255;
const HPAGE_PMD_ORDER = 9;

/**
 * What is written is `1`: all, or `PID,0xSTART,0xEND[,ORDER]`. Deviates: of files nothing is split, as tmpfs has no huge pages; folios become
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

  override *pwrite({ process }: Thread, bytes: Uint8Array): Coroutine<number> {
    const text = String.fromCharCode(...bytes.subarray(0, MAX_INPUT)).split('\0', 1)[0]!;
    if (/^1\s*$/.test(text)) {
      yield* splitHugePagesAll(this.machine.memory);
      return text.length;
    }
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
}

export function addSplitHugePages(machine: Machine): void {
  machine.vfs.addSpecial('/sys/kernel/debug/split_huge_pages', function* (_thread, flags) {
    return new SplitHugePagesFile(machine, flags);
  });
}
