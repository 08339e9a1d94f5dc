import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../../../driver/daemon/daemon.js';
import { connect } from '../../../uapi/client/connect.js';
import { Dmirror } from '../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../uapi/client/process-handle.js';
import type { Transport } from '../../../uapi/client/transport.js';
import type { PathName } from '../../../uapi/path-name.js';
import type { WireCase, WireUnit } from './wire.js';
import { WIRE_FAULTS, type WireFault, WireProxy } from './wire-proxy.js';

const PAGES = 66;
const PAGE_SIZE = 4096;
const SETTLE_MS = 2000;

/** How one run with one mistreated frame ended. */
interface WireResult {
  readonly kind: WireFault | null;
  readonly nth: number;
  readonly path: PathName;
  /** Frames that the client sent. */
  readonly frames: number;
  /** What must not be: empty when all is well. */
  readonly violations: readonly string[];
}

/** A client migrates through a proxy that mistreats one of its frames, while another client must not notice anything. */
export async function runWireFault(
  path: PathName,
  fault: { kind: WireFault; nth: number } | null,
): Promise<WireResult> {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-wire-'));
  const daemon = new Daemon({ machine: { ramBytes: 64 * 2 ** 20, coherent: false, path } });
  const proxy = new WireProxy(join(folder, 'd'), fault);
  const violations: string[] = [];
  try {
    await daemon.listen(join(folder, 'd'));
    await proxy.listen(join(folder, 'p'));
    const bystander = await connect({ socket: join(folder, 'd') });
    const before = await Bystander.start(bystander);
    let died = false;
    daemon.host.machine.kernel.trace.listen(null);
    const { machine } = daemon.host;
    await client(join(folder, 'p')).catch(() => {
      died = true;
    });
    const isLoss = fault?.kind === 'frame_cut' || fault?.kind === 'session_drop';
    if (fault === null && died) violations.push('the client fails without any fault');
    if ((fault?.kind === 'frame_delay' || fault?.kind === 'slow_reader') && died)
      violations.push('a late frame costs the client its session');
    if (isLoss || died) await until(() => machine.allProcesses().length <= 1);
    if (daemon.host.machine !== machine) violations.push('the machine broke and was booted again');
    else violations.push(...(await before.check()));
    if (machine.allProcesses().length > 1 && died) violations.push('processes outlive their session');
    if (machine.kernel.scheduler.busyCount === 0) checkBooks(machine, violations);
    else violations.push('a call is left in the kernel');
    await bystander.close();
  } finally {
    await proxy.close();
    await daemon.shutdown();
    rmSync(folder, { recursive: true, force: true });
  }
  return { kind: fault?.kind ?? null, nth: fault?.nth ?? 0, path, frames: proxy.frames, violations };
}

function checkBooks(machine: { checkInvariants(): void }, violations: string[]): void {
  try {
    machine.checkInvariants();
  } catch (error) {
    violations.push(error instanceof Error ? error.message.split('\n')[0]! : String(error));
  }
}

/** One round of migration, and then the process ends. Rejects when the session is lost. */
async function client(socket: string): Promise<void> {
  const transport = await connect({ socket });
  try {
    await migrateOnce(transport);
  } finally {
    await transport.close();
  }
}

async function migrateOnce(transport: Transport): Promise<void> {
  const process = await ProcessHandle.create(transport);
  const device = await Dmirror.open(process, 0);
  const memory = await process.map(PAGES * PAGE_SIZE);
  const mirror = await process.map(PAGES * PAGE_SIZE);
  await memory.writeBytes(new Uint8Array(PAGES * PAGE_SIZE).fill(7));
  await device.command('MIGRATE_ON_FAULT_TO_DEV', memory.addr, PAGES, mirror.addr);
  await memory.readBytes(0, 2 * PAGE_SIZE);
  await device.command('MIGRATE_TO_SYS', memory.addr, PAGES, mirror.addr);
  await device.command('READ', memory.addr, PAGES, mirror.addr);
  await process.exit(0);
}

/** Another session of the same daemon, with data of its own on device 1. */
class Bystander {
  private constructor(
    private readonly process: ProcessHandle,
    private readonly device: Dmirror,
    private readonly memory: Awaited<ReturnType<ProcessHandle['map']>>,
  ) {}

  static async start(transport: Transport): Promise<Bystander> {
    const process = await ProcessHandle.create(transport);
    const device = await Dmirror.open(process, 1);
    const memory = await process.map(8 * PAGE_SIZE);
    await memory.writeBytes(new Uint8Array(8 * PAGE_SIZE).fill(3));
    await device.command('MIGRATE_TO_DEV', memory.addr, 8, (await process.map(8 * PAGE_SIZE)).addr);
    return new Bystander(process, device, memory);
  }

  /** It can still do everything, and its memory is as it was. */
  async check(): Promise<string[]> {
    const bytes = await this.memory.readBytes(0, 8 * PAGE_SIZE);
    const wrong = bytes.every((byte) => byte === 3) ? [] : ["another session's memory has changed"];
    const mirror = await this.process.map(8 * PAGE_SIZE);
    const { ret } = await this.device.command('READ', this.memory.addr, 8, mirror.addr);
    return ret === 0 ? wrong : [...wrong, `another session's READ answers ${ret}`];
  }
}

async function until(test: () => boolean): Promise<void> {
  const end = Date.now() + SETTLE_MS;
  while (!test() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** For `dmirror fault wire --socket`: each interface fault at each frame of a client, over sockets and in the host's time. */
export function socketUnits(paths: readonly PathName[]): WireUnit[] {
  return paths.flatMap((path) =>
    WIRE_FAULTS.map((kind) => ({ name: `${path} socket.${kind}`, run: () => socketRuns(path, kind) })),
  );
}

async function* socketRuns(path: PathName, kind: WireFault): AsyncGenerator<WireCase> {
  const { frames } = await runWireFault(path, null);
  for (let nth = 1; nth <= frames; nth++) {
    const { violations } = await runWireFault(path, { kind, nth });
    const name = `${kind}.frame_${nth}`;
    const status = violations.length > 0 ? 'fail' : 'pass';
    const lines = status === 'fail' ? [`faults injected: ${kind} at frame ${nth}`, ...violations] : [];
    const record = { type: 'wire', name, path, status, violations };
    yield { name, path, status, lines, message: violations[0] ?? '', record };
  }
}
