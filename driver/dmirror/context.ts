import type { CommandName } from '../../uapi/dialect.js';
import { preemptPoint } from '../core/effect.js';
import { MigrateVma, type MigrationPath } from '../hmm/index.js';
import type { Memory } from '../mm/memory.js';
import type { Command } from './commands/command.js';
import type { DmirrorFile } from './file.js';
import type { DmirrorDevice } from './memory/device.js';
import { BouncePool } from './mirror/bounce.js';

/** Behaviour of the real driver that would crash or hang a kernel; all off by default. */
export interface DmirrorQuirks {
  /** Q3: the mirror takes device pages as hmm reports them, and touching one is a `KernelOops`. Off: their backing pages. */
  readonly q3Strict: boolean;
  /** Q7: a huge page whose lock was taken can never migrate again. */
  readonly q7LeakedReference: boolean;
  /** Q18: a CPU fault without a free system page is answered with "try again". Off: with an out of memory. */
  readonly q18EndlessRefault: boolean;
  /**
   * Q20: the mirror keeps a page that has gone: one that was dropped while a migration copied it, or that a migration of the same device
   * has moved since a range fault looked. Off: both are noticed.
   */
  readonly q20StaleMirror: boolean;
}

export const NO_QUIRKS: DmirrorQuirks = {
  q3Strict: false,
  q7LeakedReference: false,
  q18EndlessRefault: false,
  q20StaleMirror: false,
};

/** Pages that EXCLUSIVE of 6.12 works on at a time. */
export const EXCLUSIVE_CHUNK_PAGES = 64;
/** How long a command tries to see a range unchanged. Linux: HMM_RANGE_DEFAULT_TIMEOUT */
export const RANGE_FAULT_TIMEOUT_MS = 1000;

export const CHUNK_POINT = preemptPoint('dmirror chunk');
export const RETRY_POINT = preemptPoint('dmirror retry');
export const COPY_POINT = preemptPoint('dmirror copy');

/** What all devices of a machine share. */
export class DmirrorContext {
  readonly bounce: BouncePool;
  /** By id. Closed ones stay until no page of their device is in use: pages that could not be evicted still name theirs. */
  readonly files = new Map<number, DmirrorFile>();
  nextFileId = 0;
  /** Told each command before it runs: the only place where a record is read. It looks on and changes nothing. */
  onCommand: ((name: CommandName, command: Command) => void) | null = null;
  private readonly closed = new Map<DmirrorDevice, DmirrorFile[]>();
  private readonly idleMigrations = new Map<number, MigrateVma[]>();

  constructor(
    readonly memory: Memory,
    readonly path: MigrationPath,
    readonly quirks: DmirrorQuirks,
  ) {
    this.bounce = new BouncePool(memory.kernelMemory);
  }

  /** Migration state for `capacity` pages, to be given back after its finalize. */
  takeMigration(capacity: number): MigrateVma {
    const idle = this.idleMigrations.get(capacity)?.pop();
    if (idle !== undefined) {
      idle.dst.fill(0);
      idle.dstPfn.fill(0);
      return idle;
    }
    const migrate = new MigrateVma(capacity, this.path);
    migrate.leaksThpReference = this.quirks.q7LeakedReference;
    return migrate;
  }

  giveMigration(migrate: MigrateVma): void {
    const capacity = migrate.src.length;
    const idle = this.idleMigrations.get(capacity);
    if (idle === undefined) this.idleMigrations.set(capacity, [migrate]);
    else idle.push(migrate);
  }

  /** `file` was closed: it is forgotten, with those closed before, unless pages of the device are in use that may name it. */
  closeFile(file: DmirrorFile): void {
    const closed = this.closed.get(file.device) ?? [];
    this.closed.set(file.device, closed);
    closed.push(file);
    if (file.device.chunks.some((chunk) => file.device.pagesInUse(chunk) > 0)) return;
    for (const { id } of closed.splice(0)) this.files.delete(id);
  }

  reset(): void {
    this.bounce.reset();
    this.files.clear();
    this.closed.clear();
    this.nextFileId = 0;
    this.idleMigrations.clear();
  }
}
