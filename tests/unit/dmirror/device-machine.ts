import type { Coroutine } from '../../../driver/core/effect.js';
import { SeededRandom } from '../../../driver/core/policy.js';
import { DmirrorDevices, type DmirrorDevicesOptions, type DmirrorFile } from '../../../driver/dmirror/index.js';
import { migrationPath } from '../../../driver/hmm/index.js';
import { MachineKernel } from '../../../driver/inject/machine-kernel.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import { type ProfileName, profileByName } from '../../../driver/mm/profile.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { operandText } from '../../../driver/trace/trace-text.js';
import { type CommandName, commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { decodeResult, encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import type { PathName } from '../../../uapi/path-name.js';
import { testKernel } from '../helpers.js';
import { BASE, PAGE, TestMachine } from '../test-machine.js';

/** Pages of a chunk here, so that the end of one is near. */
export const CHUNK = 512;
/** The record and the data buffer, outside of what is tested. */
const RECORD = 0x20_0000_0000;
const BUFFER = 0x20_1000_0000;
const BUFFER_PAGES = 2048;
/** Tasks that can be in an ioctl at once, each with a record and a part of the buffer. */
const SLOTS = 8;
const CLEAN = 0xab;

export interface Answer {
  ret: number;
  cpages: number;
  faults: number;
  /** First word of each page of the buffer. */
  words: number[];
  /** The buffer's first bytes, one a page. */
  bytes: number[];
}

/** A machine with four devices of small chunks. */
export class DeviceMachine extends TestMachine {
  readonly devices: DmirrorDevices;
  private readonly dialect = dialectByName('dmirror')!;

  /** With a seed the schedule is random. */
  constructor(
    options: Omit<Partial<DmirrorDevicesOptions>, 'path'> & {
      path?: PathName;
      ramBytes?: number;
      thpEnabled?: 'always' | 'madvise' | 'never';
      profile?: ProfileName;
      seed?: number;
    } = {},
  ) {
    const { seed } = options;
    super({
      kernel: seed === undefined ? testKernel() : new MachineKernel(new SeededRandom(seed), seed, 2_000_000),
      listens: false,
      ramBytes: options.ramBytes ?? 32 << 20,
      coherentBytes: 2 * CHUNK * PAGE,
      privateFrames: 4 * CHUNK,
      hugePages: 0,
      thpEnabled: options.thpEnabled ?? 'never',
      profile: profileByName(options.profile ?? '6.12')!,
    });
    this.devices = new DmirrorDevices(this.memory, {
      chunkPages: CHUNK,
      ...options,
      path: migrationPath(options.path ?? 'classic'),
    });
  }

  /** An empty address space but for the buffers. */
  override newMm(): Mm {
    const mm = super.newMm();
    this.anon(0, SLOTS, { mm, addr: RECORD });
    this.anon(0, BUFFER_PAGES, { mm, addr: BUFFER });
    return mm;
  }

  open(minor: number, mm = this.mm): DmirrorFile {
    const file = this.run(this.devices.dmirrorFopsOpen(minor, mm));
    if (typeof file === 'number') throw new Error(`open answers ${file}`);
    return file;
  }

  close(file: DmirrorFile): void {
    this.run(this.devices.dmirrorFopsRelease(file));
  }

  /** One command over pages; WRITE writes the words `value + i`. */
  command(
    file: DmirrorFile,
    name: CommandName,
    at: number,
    npages: number,
    { mm = file.mm, ptr = BUFFER, value = 0 }: { mm?: Mm; ptr?: number; value?: number } = {},
  ): Answer {
    return this.run(this.commandTask(file, name, { at, npages, mm, ptr, value }));
  }

  *commandTask(
    file: DmirrorFile,
    name: CommandName,
    call: { at: number; npages: number; mm?: Mm; ptr?: number; value?: number; slot?: number },
  ): Coroutine<Answer> {
    const { at, npages, mm = file.mm, value = 0, slot = 0 } = call;
    const buffer = BUFFER + slot * (BUFFER_PAGES / SLOTS) * PAGE;
    const arg = RECORD + slot * PAGE;
    const ptr = call.ptr ?? buffer;
    const cmd = commandNumber(this.dialect, name)!;
    const data = new Uint8Array(npages * PAGE).fill(name === 'WRITE' ? 0 : CLEAN);
    const words = new Uint32Array(data.buffer);
    if (name === 'WRITE') for (let i = 0; i < npages; i++) words[i * 1024] = value + i;
    yield* cpuStore(mm, buffer, data);
    yield* cpuStore(mm, arg, encodeHmmDmirrorCmd({ addr: BASE + at * PAGE, ptr, npages }));
    const ret = yield* this.devices.ioctl(file, { callerMm: mm, cmd, arg, dialect: this.dialect });
    const record = new Uint8Array(40);
    yield* cpuLoad(mm, arg, record);
    yield* cpuLoad(mm, buffer, data);
    const firsts = Array.from({ length: npages }, (_, i) => words[i * 1024]!);
    return { ret, ...decodeResult(record), words: firsts, bytes: [...data.subarray(0, npages)] };
  }

  /** A raw ioctl: the record at `arg` is what the caller put there. */
  ioctl(file: DmirrorFile, cmd: number, arg: number): number {
    return this.run(this.devices.ioctl(file, { callerMm: file.mm, cmd, arg, dialect: this.dialect }));
  }

  /** Events of `kind` while `work` runs, as text. */
  trace(kinds: readonly string[], work: () => void): string[] {
    const lines: string[] = [];
    this.memory.kernel.trace.listen((event) => {
      const { kind } = event;
      if (!kinds.includes(kind)) return;
      if (kind === 'migrate') {
        const { stage, end, pages: done, npages } = event;
        lines.push(`${stage} ${end > 0 ? pagesOf(event) : 'pfns'}: ${done} of ${npages}`);
      } else if (kind === 'notifier') lines.push(`${event.event}${event.owned ? ' owner' : ''} ${pagesOf(event)}`);
      else if (kind === 'walk') lines.push(`${event.walk} ${pagesOf(event)}`);
      else if (kind === 'ioctl') lines.push(`ioctl ${event.command}${event.phase === 'end' ? ' done' : ''}`);
      else if (kind === 'lock' || kind === 'unlock') lines.push(`${kind} ${event.lock}`);
      else lines.push(`${kind} ${operandText(event)}`);
    });
    work();
    this.memory.kernel.trace.listen(null);
    return lines;
  }

  override check(): void {
    super.check();
    this.devices.checkInvariants();
  }
}

function pages(addr: number): number {
  return (addr - BASE) / PAGE;
}

function pagesOf({ start, end }: { start: number; end: number }): string {
  return `${pages(start)}-${pages(end)}`;
}
