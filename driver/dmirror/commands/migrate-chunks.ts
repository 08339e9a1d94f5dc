import { EINTR, EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { MigrateSelect, type MigrateVma, migrateVmaSetup } from '../../hmm/index.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { mmput } from '../../mm/vmas/exit-mmap.js';
import { mmgetNotZero } from '../../mm/vmas/mm.js';
import { VM } from '../../mm/vmas/vm-flags.js';
import { CHUNK_POINT } from '../context.js';
import { type Command, traceChunk } from './command.js';

/** What is done with one chunk between its setup and the next; it ends with finalize. */
export type MigrateChunk = (command: Command, migrate: MigrateVma) => Coroutine<number>;

/**
 * The frame of MIGRATE_TO_DEV and MIGRATE_TO_SYS: chunks of 64 pages (512 where 2 MiB migrate as one), cut at vma ends, under one read hold of mmap_lock.
 * -EINVAL for an address space that is dead, a gap, an unreadable or a special vma; chunks before it stay migrated.
 */
export function* migrateChunks(command: Command, select: number, migrateChunk: MigrateChunk): Coroutine<number> {
  const { context, file } = command;
  const { mm } = file;
  const { kernel } = context.memory;
  if (!mmgetNotZero(mm)) return -EINVAL;
  const { migrateChunkPages, deviceThp } = context.memory.profile;
  const flags = deviceThp ? select | MigrateSelect.compound : select;
  const migrate = context.takeMigration(migrateChunkPages);
  if (kernel.inject.armed) yield* kernel.inject.reach(InjectPoint.mmapLock);
  yield* mm.mmapLock.readLock();
  let ret = 0;
  for (let addr = command.addr; addr < command.end; addr = migrate.end) {
    if (kernel.scheduler.contended) yield CHUNK_POINT;
    if (kernel.inject.armed) yield* kernel.inject.betweenChunks(addr);
    // Deviates: Linux goes on to the end, for hours if need be. Only who serves the machine can ask for this.
    if (kernel.current.isAbandoned) {
      ret = -EINTR;
      break;
    }
    const vma = mm.vmaLookup(addr);
    if (vma === null || !(vma.flags & VM.read)) {
      ret = -EINVAL;
      break;
    }
    const end = Math.min(command.end, addr + migrateChunkPages * PAGE_SIZE, vma.end);
    migrate.request({ vma, start: addr, end, flags, pgmapOwner: file.device });
    traceChunk(kernel, addr, 'begin');
    ret = yield* migrateVmaSetup(migrate);
    if (ret === 0) ret = yield* migrateChunk(command, migrate);
    traceChunk(kernel, addr, 'end', ret);
    if (ret !== 0) break;
    migrate.end = end;
  }
  mm.mmapLock.readUnlock();
  context.giveMigration(migrate);
  yield* mmput(mm);
  return ret;
}
