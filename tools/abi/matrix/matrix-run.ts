import { Machine } from '../../../driver/sys/machine/machine.js';
import type { Process } from '../../../driver/sys/processes/process.js';
import {
  type CommandName,
  commandByNumber,
  commandNumber,
  commandSpelling,
  DEFAULT_DIALECT,
  type Dialect,
  dialectByName,
  dialectIds,
} from '../../../uapi/dialect.js';
import { EINVAL } from '../../../uapi/errno.js';
import { O_RDWR } from '../../../uapi/fcntl.js';
import { decodeResult, encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { GoesOn } from '../../output.js';
import { ptrUse } from '../compare/effects.js';
import { PREFIX } from '../load/dialect-model.js';
import { describeRun, type Observation } from './matrix-effect.js';

export type CallStatus = 'same' | 'silent' | 'refused' | 'not modelled';

/** What one call of a client came to. */
export interface MatrixCall {
  readonly wanted: string;
  readonly number: number;
  /** What the device ran; undefined when it does not know the number. */
  readonly ran: string | undefined;
  readonly status: CallStatus;
  readonly text: string;
}

/** A client of one dialect on a device of another. */
export interface MatrixCell {
  readonly client: string;
  readonly device: string;
  readonly status: CallStatus;
  /** The first wrong effect: a silent one before a refusal. */
  readonly text: string;
  readonly calls: readonly MatrixCall[];
}

export interface Matrix {
  readonly ids: readonly string[];
  /** Rows are clients, columns devices. */
  readonly cells: readonly (readonly MatrixCell[])[];
}

const NPAGES = 4;
const PAGE = 4096;
const RANGE_BYTES = NPAGES * PAGE;
/** Where the client's buffer begins in its mapping, and what lies behind it to be overrun. */
const BUFFER_BYTES = RANGE_BYTES + 2 * PAGE;
const UNTOUCHED = 0xa5;

/** Runs every dialect's calls against every dialect's device, client after client until `goesOn` says no. */
export async function runMatrix(ids: readonly string[], goesOn: GoesOn = async () => true): Promise<Matrix> {
  const runner = new MatrixRunner();
  const dialects = ids.map((id) => dialectByName(id)!);
  const cells: MatrixCell[][] = [];
  for (const client of dialects) {
    if (!(await goesOn({ done: cells.length, total: ids.length, failed: 0, name: client.id }))) break;
    cells.push(dialects.map((device) => runner.cell(client, device)));
  }
  return { ids, cells };
}

/** Runs calls on one machine, each in a new life of it. The same call on the same command is run once. */
class MatrixRunner {
  private readonly machine = new Machine({ ramBytes: 64 * 2 ** 20, coherent: false });
  private readonly runs = new Map<string, Observation>();
  private readonly modelled = new Map<CommandName, boolean>();

  cell(client: Dialect, device: Dialect): MatrixCell {
    const wanted = [...client.numbers].sort(([, a], [, b]) => a - b);
    const calls = wanted.map(([name]) => this.call(client, device, name));
    const worst = ORDER.find((status) => calls.some((call) => call.status === status)) ?? 'same';
    const first = calls.find(({ status }) => status === worst);
    const text = worst === 'same' ? 'every call does what it did' : first!.text;
    return { client: client.id, device: device.id, status: worst, text, calls };
  }

  private call(client: Dialect, device: Dialect, wanted: CommandName): MatrixCall {
    const number = commandNumber(client, wanted)!;
    const ran = commandByNumber(device, number);
    const names = {
      wanted: commandSpelling(client, wanted),
      ran: ran && commandSpelling(device, ran),
    };
    const base = { wanted: names.wanted, number, ran: names.ran };
    if (ran === wanted) return { ...base, status: 'same', text: `${names.wanted} runs ${names.ran}` };
    const missing = [wanted, ran].find((name) => name !== undefined && !this.isModelled(name));
    if (ran !== undefined && missing) {
      return { ...base, status: 'not modelled', text: `${names.wanted} runs ${names.ran}: ${missing} is not modelled` };
    }
    const expected = this.isModelled(wanted) ? this.run(wanted, client, number) : undefined;
    const got = this.run(wanted, device, number);
    return { ...base, ...describeRun(names, got, expected) };
  }

  /** A command that its own dialect's device refuses is not modelled. */
  private isModelled(name: CommandName): boolean {
    const known = this.modelled.get(name);
    if (known !== undefined) return known;
    const dialect = dialectIds()
      .map((id) => dialectByName(id)!)
      .find((d) => d.numbers.has(name))!;
    const modelled = this.run(name, dialect, commandNumber(dialect, name)!).ret !== -EINVAL;
    this.modelled.set(name, modelled);
    return modelled;
  }

  private run(wanted: CommandName, device: Dialect, number: number): Observation {
    const key = `${wanted} ${commandByNumber(device, number)}`;
    const known = this.runs.get(key);
    if (known) return known;
    const observation = this.observe(wanted, device, number);
    this.runs.set(key, observation);
    return observation;
  }

  /** One client, as its test would do it: prepare the range, call, look at all that could have changed. */
  private observe(wanted: CommandName, device: Dialect, number: number): Observation {
    const { machine } = this;
    machine.reset();
    const client = new MatrixClient(machine, machine.createProcess({ dialect: device.id }));
    client.prepare(wanted);
    const use = ptrUse(PREFIX + wanted) ?? { out: 0, in: 0 };
    const roomBytes = Math.max(use.out, use.in) * NPAGES;
    if (use.in > 0) client.fillBuffer(0x11, roomBytes);
    const before = client.buffer();
    const { ret, cpages } = client.ioctl(number, undefined);
    const after = client.buffer();
    let stored = 0;
    let end = 0;
    for (let i = 0; i < after.length; i++) {
      if (after[i] === before[i]) continue;
      stored++;
      end = i + 1;
    }
    const state = client.state();
    const contents = client.contents();
    return {
      ret,
      cpages,
      stored,
      roomBytes,
      overrun: Math.max(0, end - roomBytes),
      state,
      contents,
      later: client.later(),
    };
  }
}

/** What a reader must know first. */
const ORDER: readonly CallStatus[] = ['silent', 'refused', 'not modelled'];

/** A process with a range, a buffer and an open device. */
class MatrixClient {
  private readonly fd: number;
  private readonly range: number;
  private readonly bufferAt: number;
  private readonly other: number;

  constructor(
    private readonly machine: Machine,
    private readonly process: Process,
  ) {
    this.fd = this.call('open', '/dev/hmm_dmirror0', O_RDWR, 0).ret;
    this.range = this.map(RANGE_BYTES);
    this.bufferAt = this.map(BUFFER_BYTES);
    this.other = this.map(PAGE);
    this.call('store', this.range, new Uint8Array(RANGE_BYTES).fill(0x33));
    this.call('store', this.other, new Uint8Array(PAGE).fill(0x44));
    this.fillBuffer(UNTOUCHED, BUFFER_BYTES);
  }

  private call(name: string, ...args: (number | string | Uint8Array)[]) {
    return this.machine.call(this.process.main, name, ...args);
  }

  private map(sizeBytes: number): number {
    return this.call('mmap', 0, sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0).ret;
  }

  fillBuffer(byte: number, sizeBytes: number): void {
    this.call('store', this.bufferAt, new Uint8Array(sizeBytes).fill(byte));
  }

  buffer(): Uint8Array {
    return this.call('load', this.bufferAt, BUFFER_BYTES).bytes!.slice();
  }

  /** Puts the range where the command has something to do. */
  prepare(wanted: CommandName): void {
    const first: Partial<Record<CommandName, CommandName>> = {
      MIGRATE_TO_SYS: 'MIGRATE_TO_DEV',
      RELEASE: 'MIGRATE_TO_DEV',
      CHECK_EXCLUSIVE: 'EXCLUSIVE',
    };
    const name = first[wanted];
    if (name) this.own(name, this.range, NPAGES);
    this.fillBuffer(UNTOUCHED, BUFFER_BYTES);
  }

  /** The client's call, in the numbering of the device. */
  ioctl(number: number, dialect: string | undefined): { ret: number; cpages: number } {
    const record = encodeHmmDmirrorCmd({ addr: this.range, ptr: this.bufferAt, npages: NPAGES });
    return this.send(number, record, dialect);
  }

  private send(number: number, record: Uint8Array, dialect: string | undefined): { ret: number; cpages: number } {
    const extra = dialect === undefined ? [] : [dialect];
    const { ret, bytes } = this.call('ioctlBytes', this.fd, number, record, ...extra);
    return { ret, cpages: ret < 0 || !bytes ? 0 : decodeResult(bytes).cpages };
  }

  /** A command by its meaning, whatever the device speaks. */
  private own(name: CommandName, addr: number, npages: number): { ret: number; cpages: number } {
    const number = commandNumber(dialectByName(DEFAULT_DIALECT)!, name)!;
    return this.send(number, encodeHmmDmirrorCmd({ addr, ptr: this.bufferAt, npages }), DEFAULT_DIALECT);
  }

  /** Where the pages are, a byte a page as SNAPSHOT has it. */
  state(): string {
    this.own('SNAPSHOT', this.range, NPAGES);
    const bytes = this.call('load', this.bufferAt, NPAGES).bytes!;
    return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  }

  /** The first byte of each page, as the CPU reads it. */
  contents(): string {
    const pages = Array.from({ length: NPAGES }, (_, i) => this.call('load', this.range + i * PAGE, 1).bytes![0]!);
    return pages.map((b) => b.toString(16).padStart(2, '0')).join(' ');
  }

  /** Whether the next migration works: an armed failure shows only there. */
  later(): string {
    const { ret, cpages } = this.own('MIGRATE_TO_DEV', this.other, 1);
    return `${ret} ${cpages}`;
  }
}
