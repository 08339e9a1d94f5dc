// One call where a device has the pages, or a migration is under way: what a row of such calls says, and how it is run for each kind of entry.

import type { ThreadHandle } from '../../../uapi/client/process-handle.js';
import { EEXIST } from '../../../uapi/errno.js';
import { MAP_PRIVATE, PAGE_SIZE } from '../../../uapi/mman.js';
import { UFFDIO_REGISTER_MODE } from '../../../uapi/userfaultfd.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestCase, SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import { clearSoftDirty, marksOf, UserfaultFile } from './userfault-file.js';
import {
  expectAtRest,
  fillPages,
  firstWords,
  hold,
  inspect,
  inspectMemory,
  onFault,
  pageWord,
  World,
} from './world.js';

type KindName = 'private' | 'exclusive' | 'migration';

/** What rows of one family are about. */
interface EntryFamily {
  /** The first word of the names of its cases. */
  readonly name: string;
  readonly kinds: readonly KindName[];
  /** Pages of the kind; as many behind them are untouched, or filled where a call moves them. */
  readonly npages: number;
  /** Both are one huge page each, where they are there. */
  readonly isHuge?: true;
}

/** By kind, in the order of the family. */
interface Outcomes {
  readonly ret: readonly number[];
  /** Entries of the pages afterwards; during the migration unless the call waits for its end. */
  readonly table: readonly string[];
  /** What /proc/self/pagemap says of each page, or of the first ones. */
  readonly marks?: readonly string[];
}

/** What a call finds: everything that its arguments are made of. */
interface Scene {
  /** A thread of its own, as the first one lets go of migrations. */
  readonly process: ThreadHandle;
  readonly buffer: HmmBuffer;
  readonly addr: number;
  /** Where the pages behind those of the kind begin. */
  readonly behind: number;
  readonly userfault: UserfaultFile;
}

export interface EntryRow extends Outcomes {
  readonly name: string;
  /** Pages of the buffer; twice those of the kind unless given. */
  readonly npages?: number;
  /** Copies of a file's pages, which the file has too. */
  readonly isOfFile?: true;
  /** No userfaultfd serves the memory. */
  readonly isUnserved?: true;
  /** The pages behind those of the kind are filled too. */
  readonly isFilledBehind?: true;
  /** A call that waits for migrations ends after them. */
  readonly waits?: true;
  /** How many of the first pages have gone to behind those of the kind when it succeeds, and how many are dropped. */
  readonly moved?: number;
  readonly dropped?: number;
  run(scene: Scene): Promise<number>;
}

/** Bytes of the pages that a call is about where it is not about all of them. */
export const PART_SIZE = 4 * PAGE_SIZE;

/** What fills memory, where something is: 4 pages of it are tried. `before` says what stays. */
export function fillRows(before: Pick<Outcomes, 'table'>): EntryRow[] {
  const refused = { ...before, ret: before.table.map(() => -EEXIST) };
  return [
    {
      name: 'copy',
      ...refused,
      run: ({ userfault, addr, buffer }) => userfault.ioctl('COPY', addr, buffer.mirror.addr, PART_SIZE, 0, 0),
    },
    { name: 'zeropage', ...refused, run: ({ userfault, addr }) => userfault.ioctl('ZEROPAGE', addr, PART_SIZE, 0, 0) },
    { name: 'poison', ...refused, run: ({ userfault, addr }) => userfault.ioctl('POISON', addr, PART_SIZE, 0, 0) },
  ];
}

/** UFFDIO_WRITEPROTECT and back of `sizeBytes`. */
export async function unprotect({ userfault, addr }: Scene, sizeBytes: number): Promise<number> {
  expectRet(await userfault.ioctl('WRITEPROTECT', addr, sizeBytes, 1), 0, 'UFFDIO_WRITEPROTECT');
  return userfault.ioctl('WRITEPROTECT', addr, sizeBytes, 0);
}

/** Pages that begin with the words that they are filled with. */
export function filledBytes(npages: number): Uint8Array {
  const words = new Uint32Array((npages * PAGE_SIZE) / 4);
  for (let page = 0; page < npages; page++) words[(page * PAGE_SIZE) / 4] = pageWord(page);
  return new Uint8Array(words.buffer);
}

/** A row for one kind, on a machine of all kinds. */
class EntryRun {
  private readonly size: number;
  private readonly at: number;

  constructor(
    private readonly world: World,
    private readonly family: EntryFamily,
    private readonly row: EntryRow,
    private readonly kind: KindName,
  ) {
    this.size = family.npages * PAGE_SIZE;
    this.at = family.kinds.indexOf(kind);
  }

  async run(): Promise<void> {
    const { row, at } = this;
    const scene = await this.prepare();
    const { process, buffer, userfault } = scene;
    const pages = buffer.memory.slice(0, row.npages === undefined ? this.size : row.npages * PAGE_SIZE);
    await this.answer(scene, async () => {
      const table = await inspectMemory('page_table', pages);
      expectEqual(table.replace(/DEXCL-[RW]/g, 'DEXCL'), row.table[at], `${this.what}: entries`);
      const marks = row.marks?.[at];
      if (marks === undefined) return;
      const seen = await marksOf(process, pages.slice(0, marks.length * PAGE_SIZE));
      expectEqual(seen, marks, `${this.what}: marks`);
    });
    await userfault.close();
    await expectAtRest(buffer.memory, row.name);
    await this.expectWords(buffer);
    await buffer.free();
  }

  private get what(): string {
    return `${this.row.name} (${this.kind})`;
  }

  /** Everything filled, registered and, but for a migration, brought into the state. */
  private async prepare(): Promise<Scene> {
    const { world, row, family, kind } = this;
    const process = await world.process.newThread();
    const npages = row.npages ?? 2 * family.npages;
    const isHuge = family.isHuge ?? false;
    const map = row.isOfFile ? { fd: await world.file(npages), flags: MAP_PRIVATE } : {};
    const buffer = await world.buffer(npages, map, { isHuge });
    const { memory } = buffer;
    const filled = row.isFilledBehind ? 2 * family.npages : family.npages;
    await fillPages(memory, 0, filled);
    expectRet(await clearSoftDirty(process), 1, 'clear_refs');
    await fillPages(memory, 0, filled);
    const userfault = await UserfaultFile.open(process);
    const { missing, wp, minor } = UFFDIO_REGISTER_MODE;
    const modes = row.isOfFile ? minor | wp : missing | wp;
    if (!row.isUnserved)
      expectRet(await userfault.ioctl('REGISTER', memory.addr, memory.sizeBytes, modes, 0), 0, 'UFFDIO_REGISTER');
    const command = { npages: family.npages };
    if (kind === 'private') await buffer.commandOk(world.device, 'MIGRATE_TO_DEV', command);
    if (kind === 'exclusive') await buffer.commandOk(world.device, 'EXCLUSIVE', command);
    return { process, buffer, addr: memory.addr, behind: memory.addr + this.size, userfault };
  }

  /** The call's answer; one that waits for the migration is let wait for a while. */
  private async answer(scene: Scene, check: () => Promise<void>): Promise<void> {
    const { row, kind, at } = this;
    const { process } = this.world;
    const pages = scene.buffer.memory.slice(0, this.size);
    const holder = kind === 'migration' ? await hold(process, 'migration', pages) : null;
    try {
      const answer = row.run(scene);
      if (row.waits && holder !== null) {
        await inspect(process, 'ticks');
        await holder.letGo();
      }
      expectRet(await answer, row.ret[at]!, this.what);
      await check();
    } finally {
      if (!row.waits) await holder?.letGo();
    }
  }

  private async expectWords({ memory }: HmmBuffer): Promise<void> {
    const { row, size } = this;
    const isDone = row.ret[this.at]! >= 0;
    const moved = isDone ? (row.moved ?? 0) * PAGE_SIZE : 0;
    const dropped = isDone ? (row.dropped ?? 0) : 0;
    const words: number[] = [];
    if (moved > 0) words.push(...(await firstWords(memory.slice(size, moved))));
    if (moved < size) words.push(...(await firstWords(memory.slice(moved, size - moved))));
    const expected = words.map((_word, page) => (page < dropped ? 0 : pageWord(page)));
    expectEqual(words.join(' '), expected.join(' '), `${this.what}: words`);
  }
}

async function runRow(family: EntryFamily, row: EntryRow, ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  for (const kind of family.kinds) await new EntryRun(world, family, row, kind).run();
  await inspect(world.process, 'invariants');
  await world.close();
}

/** A case a row. */
export function entryRowCases(family: EntryFamily, rows: readonly EntryRow[]): SelftestCase[] {
  return rows.map((row) => onFault(`${family.name}.${row.name}`, (ctx) => runRow(family, row, ctx)));
}
