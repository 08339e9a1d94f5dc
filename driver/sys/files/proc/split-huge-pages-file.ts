import { EINVAL, ESPIPE } from '../../../../uapi/errno.js';
import { O_RDONLY } from '../../../../uapi/fcntl.js';
import type { Coroutine } from '../../../core/effect.js';
import { splitHugePagesAll, splitHugePagesInFile, splitHugePagesPid } from '../../../mm/huge/split-huge-pages.js';
import type { Machine } from '../../machine/machine.js';
import type { Thread } from '../../processes/thread.js';
import { cString } from '../kstrtox.js';
import { type FileStat, OpenFile, S_IFREG } from '../open-file.js';

/** As much of the four numbers as is there; what follows them is passed over. Linux: lib/vsprintf.c:vsscanf() */
const PAGES_OF_PROCESS =
  /^\s*(-?\d+)(?:,0x\s*(?:0[xX])?([\da-fA-F]+)(?:,0x\s*(?:0[xX])?([\da-fA-F]+)(?:,\s*(-?\d+))?)?)?/;
const PAGES_OF_FILE = /^([^,]+),0x\s*([\da-fA-F]+),0x\s*([\da-fA-F]+)(?:,\s*(-?\d+))?/;
const MAX_INPUT = 254;

/**
 * What is written is `1`: all, or `PID,0xSTART,0xEND[,ORDER]`, or `/FILE,0xFIRST,0xEND[,ORDER]`.
 * Linux: mm/huge_memory.c:split_huge_pages_write()
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

  /** Linux: split_huge_pages_fops, which has none */
  override llseek(): number {
    return -ESPIPE;
  }

  override *pwrite(thread: Thread, bytes: Uint8Array): Coroutine<number> {
    const { process } = thread;
    const text = cString(bytes.subarray(0, MAX_INPUT));
    if (text.startsWith('/')) return yield* this.splitHugePagesInFile(thread, text);
    const [, id, first, last, orderText] = PAGES_OF_PROCESS.exec(text) ?? [];
    const pid = Number(id);
    if (pid === 1 && first === undefined) {
      yield* splitHugePagesAll(this.machine.memory);
      return text.length;
    }
    if (last === undefined) return -EINVAL;
    const [start, end, order] = [Number.parseInt(first!, 16), Number.parseInt(last, 16), Number(orderText ?? 0)];
    const target = this.machine.process(pid);
    const isOwn = target !== null && target.owner === process.owner;
    const error = yield* splitHugePagesPid(isOwn ? target.mm : null, { start, end, newOrder: unsignedOrder(order) });
    return error < 0 ? error : text.length;
  }

  /** The file must be there. Linux: part of mm/huge_memory.c:split_huge_pages_in_file() */
  private *splitHugePagesInFile(thread: Thread, text: string): Coroutine<number> {
    const match = PAGES_OF_FILE.exec(text);
    if (match === null) return -EINVAL;
    const file = yield* this.machine.vfs.open(thread, match[1]!, O_RDONLY);
    if (typeof file === 'number') return -EINVAL;
    const [first, end] = [Number.parseInt(match[2]!, 16), Number.parseInt(match[3]!, 16)];
    const { memory } = this.machine;
    const newOrder = unsignedOrder(Number(match[4] ?? 0));
    if (file.mapping !== null) yield* splitHugePagesInFile(memory, file.mapping, { first, end, newOrder });
    yield* file.put();
    return text.length;
  }
}

/** A number that is unsigned in Linux: no folio is larger than the order that a negative one is. */
function unsignedOrder(order: number): number {
  return order < 0 ? order + 2 ** 32 : order;
}

export function addSplitHugePages(machine: Machine): void {
  machine.vfs.addSpecial('/sys/kernel/debug/split_huge_pages', function* (_thread, flags) {
    return new SplitHugePagesFile(machine, flags);
  });
}
