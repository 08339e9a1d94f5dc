import { PAGE_SIZE } from '../../../driver/mm/frames/frames.js';
import { pfnAt } from '../../../driver/mm/tables/page-table-text.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import type { Process } from '../../../driver/sys/processes/process.js';
import type { TraceEvent } from '../../../driver/trace/trace-event.js';
import { type CommandName, commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { decodeResult, encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';

export const BASE = 0x1000000000;
const MIRROR = 0x2000000000;
const RW = PROT_READ | PROT_WRITE;
const LONGEST_BLOCK = 12;
const LOCKS = /^\(?[+-]/;

/** One process with two devices and a small buffer, of which everything that happens can be written down. */
export class Observed {
  readonly machine: Machine;
  readonly process: Process;
  /** Descriptors of device 0 and 1. */
  readonly fds: number[];
  private readonly lines: string[] = [];

  constructor(
    path: PathName,
    readonly npages: number,
  ) {
    this.machine = new Machine({ path, ramBytes: 32 << 20, swapBytes: 1 << 20, coherent: false });
    this.process = this.machine.createProcess();
    this.mmap(BASE, npages, MAP_PRIVATE);
    this.mmap(MIRROR, npages, MAP_SHARED);
    this.fds = [0, 1].map((minor) => this.call('open', `/dev/hmm_dmirror${minor}`, 2, 0).ret);
    // The first ioctl makes the scratch page, and the store the pages behind `ptr`.
    this.command('CHECK_EXCLUSIVE');
    this.call('store', MIRROR, new Uint8Array(npages * PAGE_SIZE));
  }

  mmap(addr: number, npages: number, flags: number): void {
    this.call('mmap', addr, npages * PAGE_SIZE, RW, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }

  call(name: string, ...args: CallArg[]): CallResult {
    return this.machine.call(this.process.main, name, ...args);
  }

  store(page: number, npages = 1): void {
    this.call('store', BASE + page * PAGE_SIZE, new Uint8Array(npages * PAGE_SIZE).fill(7));
  }

  command(name: CommandName, { device = 0, page = 0, npages = this.npages } = {}): string {
    const record = encodeHmmDmirrorCmd({ addr: BASE + page * PAGE_SIZE, ptr: MIRROR, npages });
    const number = commandNumber(dialectByName('dmirror')!, name)!;
    const { ret, bytes } = this.call('ioctlBytes', this.fds[device]!, number, record);
    const { cpages, faults } = decodeResult(bytes!);
    return ret === 0 ? `0 cpages ${cpages} faults ${faults}` : String(ret);
  }

  entries(): string {
    const { machine, process, npages } = this;
    return machine.pageTableText(process, BASE, BASE + npages * PAGE_SIZE).replaceAll('\n', ', ');
  }

  /** What happens inside `work`, one line an event, repeated blocks together: `(+a, -a) x3`; without walks where paths are compared. */
  watch(work: () => void, { walks = true } = {}): string {
    this.lines.length = 0;
    this.machine.trace.listen((event) => {
      if (walks || event.kind !== 'walk') this.record(event);
    });
    work();
    this.machine.trace.listen(null);
    return `\n${fold(this.lines).join('\n')}\n`;
  }

  /** A command from its beginning to its end, without the copies of the record, and without walks where paths are compared. */
  watchCommand(
    name: CommandName,
    { walks = true, ...options }: { device?: number; page?: number; npages?: number; walks?: boolean } = {},
  ): string {
    let isInside = false;
    this.lines.length = 0;
    this.machine.trace.listen((event) => {
      if (event.kind === 'ioctl') isInside = event.phase === 'begin';
      else if (isInside && (walks || event.kind !== 'walk')) this.record(event);
    });
    const result = this.command(name, options);
    this.machine.trace.listen(null);
    return `\n${[...fold(this.lines), `= ${result}, ${this.entries()}`].join('\n')}\n`;
  }

  /** Counters that a piece of work moves, without those that stay 0. */
  work(run: () => void): string {
    const { stats } = this.machine;
    stats.reset();
    run();
    return Object.entries(stats)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  }

  private record(event: TraceEvent): void {
    const range = 'start' in event ? `${pageOf(event.start)}-${pageOf(event.end)}` : '';
    if (event.kind === 'lock') this.lines.push(`+${event.lock}${event.trylock ? '?' : ''}`);
    else if (event.kind === 'unlock') this.lines.push(`-${event.lock}`);
    else if (event.kind === 'notifier')
      this.lines.push(`notifier ${event.event}${event.owned ? ' owner' : ''} ${range}`);
    else if (event.kind === 'walk') this.lines.push(`walk ${event.walk} ${range}`);
    else if (event.kind === 'fault') this.lines.push(`fault ${event.access} ${pageOf(event.addr)}`);
    // The end of setup shows what the end of its last step does.
    else if (event.kind === 'migrate' && event.stage !== 'unmap')
      this.lines.push(`* ${event.stage}: ${this.entries()}; refs ${this.counts()}`);
  }

  /** References and mappings of the page behind each entry. */
  private counts(): string {
    const { frames } = this.machine.memory;
    const counts: string[] = [];
    for (let page = 0; page < this.npages; page++) {
      const pfn = pfnAt(this.process.mm, BASE / PAGE_SIZE + page);
      counts.push(pfn === 0 || pfn === 1 ? '-' : `${frames.refcount(pfn)}/${frames.mapcount(pfn)}`);
    }
    return counts.join(' ');
  }
}

/** Page of the buffer; addresses elsewhere are told apart. */
function pageOf(addr: number): string {
  if (addr >= 2 ** 47) return 'end';
  if (addr === 0) return '0';
  const page = (addr - BASE) / PAGE_SIZE;
  return page < 0 || page > 4096 ? `0x${addr.toString(16)}` : String(page);
}

/** Blocks that come several times in a row, once with their number; what is locked and unlocked between two events, in one line. */
function fold(lines: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < lines.length; ) {
    const { length, times } = bestRepeat(lines, i);
    const repeated = lines.slice(i, i + length).join(' ');
    const block = times === 1 ? repeated : `(${repeated}) x${times}`;
    if (LOCKS.test(block) && LOCKS.test(out.at(-1) ?? '')) out.push(`${out.pop()} ${block}`);
    else out.push(block);
    i += length * times;
  }
  return out;
}

function bestRepeat(lines: readonly string[], at: number): { length: number; times: number } {
  let best = { length: 1, times: 1 };
  for (let length = 1; length <= LONGEST_BLOCK; length++) {
    let times = 1;
    while (isSame(lines, at, at + times * length, length)) times++;
    if (times > 1 && length * times > best.length * best.times) best = { length, times };
  }
  return best;
}

function isSame(lines: readonly string[], a: number, b: number, length: number): boolean {
  if (b + length > lines.length) return false;
  for (let i = 0; i < length; i++) if (lines[a + i] !== lines[b + i]) return false;
  return true;
}
