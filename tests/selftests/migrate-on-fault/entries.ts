// What userfaultfd, PAGEMAP_SCAN, soft-dirty, process_vm_readv and MADV_COLLAPSE do where a device has the page, or a migration is under way.

import type { ThreadHandle } from '../../../uapi/client/process-handle.js';
import { EEXIST, EFAULT } from '../../../uapi/errno.js';
import { MADV_COLLAPSE, MAP_PRIVATE, PAGE_SIZE } from '../../../uapi/mman.js';
import { UFFDIO_REGISTER_MODE } from '../../../uapi/userfaultfd.js';
import type { HmmBuffer } from '../buffer.js';
import type { SelftestCase, SelftestContext } from '../case.js';
import { expectEqual, expectRet } from '../expect.js';
import { clearSoftDirty, marksOf, remoteAccess, scanWritten, UserfaultFile } from './userfault-file.js';
import {
  expectAtRest,
  fillPages,
  firstWords,
  hold,
  inspect,
  inspectMemory,
  onFault,
  PAGES_PER_HUGE,
  pageWord,
  World,
} from './world.js';

/** Pages of the kind that a case is about; as many behind them are untouched, or filled where a call moves them. */
const NPAGES = 4;
const SIZE = NPAGES * PAGE_SIZE;
const FILLED = [...Array(NPAGES).keys()].map(pageWord);

const KINDS = ['private', 'exclusive', 'migration'] as const;
type KindName = (typeof KINDS)[number];

/** Entries of the pages when nothing was done yet. A device-exclusive entry of later kernels remembers no rights. */
const BEFORE: Readonly<Record<KindName, string>> = {
  private: 'PTE 0-3 DPRIV-W',
  exclusive: 'PTE 0-3 DEXCL',
  migration: 'PTE 0-3 MIG-W',
};
const SAME: Outcomes = { ret: [0, 0, 0], table: KINDS.map((kind) => BEFORE[kind]) };
const READ_ONLY = ['PTE 0-3 DPRIV-R', 'PTE 0-3 DEXCL', 'PTE 0-3 MIG-RX'];
const HOME = KINDS.map(() => 'PTE 0-3 PRESENT W');
const REFUSED: Outcomes = { ...SAME, ret: [-EEXIST, -EEXIST, -EEXIST] };

/** Pages that begin with these words. */
function pagesOf(words: readonly number[]): Uint32Array {
  const pages = new Uint32Array((words.length * PAGE_SIZE) / 4);
  for (const [page, word] of words.entries()) pages[(page * PAGE_SIZE) / 4] = word;
  return pages;
}

/** By kind, in the order of KINDS. */
interface Outcomes {
  readonly ret: readonly number[];
  /** Entries of the pages afterwards; during the migration unless the call waits for its end. */
  readonly table: readonly string[];
  /** What /proc/self/pagemap says of each page. */
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

interface Row extends Outcomes {
  readonly name: string;
  readonly npages?: number;
  /** Copies of a file's pages, which the file has too. */
  readonly isOfFile?: true;
  /** Pages that are filled. */
  readonly filled?: number;
  /** A call that waits for migrations ends after them. */
  readonly waits?: true;
  /** The pages have gone elsewhere when it succeeds. */
  readonly moves?: true;
  run(scene: Scene): Promise<number>;
}

const ROWS: readonly Row[] = [
  {
    name: 'copy',
    ...REFUSED,
    run: ({ userfault, addr, buffer }) => userfault.ioctl('COPY', addr, buffer.mirror.addr, SIZE, 0, 0),
  },
  { name: 'zeropage', ...REFUSED, run: ({ userfault, addr }) => userfault.ioctl('ZEROPAGE', addr, SIZE, 0, 0) },
  { name: 'poison', ...REFUSED, run: ({ userfault, addr }) => userfault.ioctl('POISON', addr, SIZE, 0, 0) },
  {
    name: 'continue',
    isOfFile: true,
    ...REFUSED,
    run: ({ userfault, addr }) => userfault.ioctl('CONTINUE', addr, SIZE, 0, 0),
  },
  {
    name: 'move_from',
    waits: true,
    moves: true,
    ret: [-EFAULT, -EFAULT, 0],
    table: [BEFORE.private, BEFORE.exclusive, 'PTE 0-3 NONE'],
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', behind, addr, SIZE, 0, 0),
  },
  {
    name: 'move_to',
    filled: 2 * NPAGES,
    ...REFUSED,
    run: ({ userfault, addr, behind }) => userfault.ioctl('MOVE', addr, behind, SIZE, 0, 0),
  },
  {
    name: 'writeprotect',
    ret: [0, 0, 0],
    table: READ_ONLY,
    marks: ['2222', '3333', '3333'],
    run: ({ userfault, addr }) => userfault.ioctl('WRITEPROTECT', addr, SIZE, 1),
  },
  {
    name: 'writeunprotect',
    ret: [0, 0, 0],
    table: READ_ONLY,
    marks: ['0000', '1111', '1111'],
    async run({ userfault, addr }) {
      expectRet(await userfault.ioctl('WRITEPROTECT', addr, SIZE, 1), 0, 'UFFDIO_WRITEPROTECT');
      return userfault.ioctl('WRITEPROTECT', addr, SIZE, 0);
    },
  },
  {
    // Entries keep their rights: what was writable comes back so, protected or not.
    name: 'scan',
    ...SAME,
    ret: [1, 1, 1],
    marks: ['3333', '3333', '3333'],
    async run({ process, buffer }) {
      const memory = buffer.memory.slice(0, SIZE);
      const found = await scanWritten(process, memory, buffer.mirror.addr);
      expectRet(await scanWritten(process, memory, buffer.mirror.addr), 0, 'PAGEMAP_SCAN once more');
      return found;
    },
  },
  {
    name: 'clear_refs',
    waits: true,
    ret: [1, 1, 1],
    table: [BEFORE.private, BEFORE.exclusive, 'PTE 0-3 PRESENT R'],
    marks: ['0000', '0000', '0000'],
    run: ({ process }) => clearSoftDirty(process),
  },
  {
    name: 'remote_read',
    waits: true,
    ret: [SIZE, SIZE, SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, SIZE),
  },
  {
    name: 'remote_write',
    waits: true,
    ret: [SIZE, SIZE, SIZE],
    table: HOME,
    run: ({ process, addr }) => remoteAccess(process, addr, new Uint8Array(pagesOf(FILLED).buffer)),
  },
  {
    // One page must be there and writable.
    name: 'collapse',
    filled: 2 * NPAGES,
    npages: PAGES_PER_HUGE,
    waits: true,
    ret: [0, 0, 0],
    table: KINDS.map(() => 'PMD 0-511 HUGE W'),
    run: ({ process, buffer }) => process.madvise(buffer.memory.addr, buffer.memory.sizeBytes, MADV_COLLAPSE),
  },
];

/** Everything filled, registered and, but for a migration, brought into the state. */
async function prepare(world: World, row: Row, kind: KindName): Promise<Scene> {
  const process = await world.process.newThread();
  const npages = row.npages ?? 2 * NPAGES;
  const buffer = await world.buffer(npages, row.isOfFile ? { fd: await world.file(npages), flags: MAP_PRIVATE } : {});
  const { memory } = buffer;
  await fillPages(memory, 0, row.filled ?? NPAGES);
  expectRet(await clearSoftDirty(process), 1, 'clear_refs');
  await fillPages(memory, 0, row.filled ?? NPAGES);
  const userfault = await UserfaultFile.open(process);
  const { missing, wp, minor } = UFFDIO_REGISTER_MODE;
  const modes = row.isOfFile ? minor | wp : missing | wp;
  if (row.npages === undefined)
    expectRet(await userfault.ioctl('REGISTER', memory.addr, memory.sizeBytes, modes, 0), 0, 'UFFDIO_REGISTER');
  if (kind === 'private') await buffer.commandOk(world.device, 'MIGRATE_TO_DEV', { npages: NPAGES });
  if (kind === 'exclusive') await buffer.commandOk(world.device, 'EXCLUSIVE', { npages: NPAGES });
  return { process, buffer, addr: memory.addr, behind: memory.addr + SIZE, userfault };
}

/** The call's answer; one that waits for the migration is let wait for a while. */
async function answerOf(
  world: World,
  scene: Scene,
  row: Row,
  kind: KindName,
  check: () => Promise<void>,
): Promise<void> {
  const { process } = world;
  const at = KINDS.indexOf(kind);
  const pages = scene.buffer.memory.slice(0, SIZE);
  const holder = kind === 'migration' ? await hold(process, 'migration', pages) : null;
  try {
    const answer = row.run(scene);
    if (row.waits && holder !== null) {
      await inspect(process, 'ticks');
      await holder.letGo();
    }
    expectRet(await answer, row.ret[at]!, `${row.name} (${kind})`);
    await check();
  } finally {
    if (!row.waits) await holder?.letGo();
  }
}

async function runKind(world: World, row: Row, kind: KindName): Promise<void> {
  const scene = await prepare(world, row, kind);
  const { process, buffer, userfault } = scene;
  const at = KINDS.indexOf(kind);
  const pages = buffer.memory.slice(0, row.npages === undefined ? SIZE : row.npages * PAGE_SIZE);
  await answerOf(world, scene, row, kind, async () => {
    const table = await inspectMemory('page_table', pages);
    expectEqual(table.replace(/DEXCL-[RW]/g, 'DEXCL'), row.table[at], `${row.name} (${kind}): entries`);
    const marks = row.marks?.[at];
    if (marks !== undefined) expectEqual(await marksOf(process, pages), marks, `${row.name} (${kind}): marks`);
  });
  await userfault.close();
  await expectAtRest(buffer.memory, row.name);
  const moved = row.moves && row.ret[at] === 0 ? NPAGES : 0;
  const words = await firstWords(buffer.memory.slice(moved * PAGE_SIZE, SIZE));
  expectEqual(words.join(' '), FILLED.join(' '), `${row.name} (${kind}): words`);
  await buffer.free();
}

async function runRow(row: Row, ctx: SelftestContext): Promise<void> {
  const world = await World.boot(ctx);
  for (const kind of KINDS) await runKind(world, row, kind);
  await inspect(world.process, 'invariants');
  await world.close();
}

export const entryCases: SelftestCase[] = ROWS.map((row) => onFault(`entries.${row.name}`, (ctx) => runRow(row, ctx)));
