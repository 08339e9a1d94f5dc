import { EACCES, EBADF, EINVAL, ENODEV } from '../../../uapi/errno.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_TYPE, PROT_WRITE } from '../../../uapi/mman.js';
import { BUS_ADRERR, BUS_MCEERR_AR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV } from '../../../uapi/signal.js';
import type { CallResult } from '../../../uapi/system-call.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { type AccessResult, cpuLoad, cpuStore } from '../../mm/faults/access.js';
import { PAGE_SIZE, Zone } from '../../mm/frames/frames.js';
import { pfnAt } from '../../mm/tables/page-table-text.js';
import { doMadvise } from '../../mm/vmas/madvise.js';
import { doMlock, munlock } from '../../mm/vmas/mlock.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { type MmapRequest, vmMmapPgoff } from '../../mm/vmas/mmap.js';
import { doMprotectPkey } from '../../mm/vmas/mprotect.js';
import { mremap } from '../../mm/vmas/mremap.js';
import { vmMunmap } from '../../mm/vmas/munmap.js';
import { type MapAgain, remapFilePages } from '../../mm/vmas/remap-file-pages.js';
import type { Vma } from '../../mm/vmas/vma.js';
import { OpenFile } from '../files/open-file.js';
import { mmapSharedAnonymous } from '../files/shared-anonymous.js';
import { ShmidKernel } from '../ipc/shmid-kernel.js';
import { shmMmap } from '../ipc/sysv-shm.js';
import { MAX_TRANSFER_BYTES } from '../processes/machine-limits.js';
import { sendSignal } from '../processes/send-signal.js';
import type { Thread } from '../processes/thread.js';
import type { SyscallTable } from './syscall.js';

interface MmapArgs {
  addr: number;
  len: number;
  prot: number;
  flags: number;
  fd: number;
  offset: number;
}

/** The address space, and the CPU's loads and stores in it. */
export const memoryCalls: SyscallTable = {
  mmap: {
    args: 'nnnnnn',
    run: (thread, args) => {
      const [addr, len, prot, flags, fd, offset] = args as number[];
      return ksysMmapPgoff(thread, { addr: addr!, len: len!, prot: prot!, flags: flags!, fd: fd!, offset: offset! });
    },
    note: 'the address',
  },
  munmap: {
    args: 'nn',
    run: (thread, [addr, len]) => vmMunmap(thread.process.mm, addr as number, len as number),
    note: '0',
  },
  mprotect: {
    args: 'nnn',
    run: (thread, [addr, len, prot]) =>
      doMprotectPkey(thread.process.mm, addr as number, len as number, prot as number),
    note: '0',
  },
  mremap: {
    args: 'nnnn?n',
    run: (thread, args) => {
      const [addr, oldLen, newLen, flags, newAddr = 0] = args as number[];
      return mremap(thread.process.mm, { addr: addr!, oldLen: oldLen!, newLen: newLen!, flags: flags!, newAddr });
    },
    note: 'the new address',
  },
  remapFilePages: {
    args: 'nnnnn',
    run: ({ process }, args) => {
      const [start, sizeBytes, prot, pgoff, flags] = args as number[];
      const request = { start: start!, sizeBytes: sizeBytes!, prot: prot!, pgoff: pgoff!, flags: flags! };
      return remapFilePages(process.mm, request, mapAgain);
    },
    note: '0',
  },
  madvise: {
    args: 'nnn',
    run: (thread, [addr, len, advice]) => doMadvise(thread.process.mm, addr as number, len as number, advice as number),
    note: '0',
  },
  mlock: {
    args: 'nn?n',
    run: (thread, [addr, len, flags = 0]) => doMlock(thread.process.mm, addr as number, len as number, flags as number),
    note: '0; flag 1: with the first touch only',
  },
  munlock: {
    args: 'nn',
    run: (thread, [addr, len]) => munlock(thread.process.mm, addr as number, len as number),
    note: '0',
  },
  load: {
    args: 'nn',
    run: (thread, [addr, len]) => load(thread, addr as number, len as number),
    answersArg: 1,
    note: 'bytes done, and them; `signal` when one stopped it',
  },
  store: {
    args: 'nb',
    run: (thread, [addr, bytes]) => store(thread, addr as number, bytes as Uint8Array),
    note: 'bytes done; `signal` when one stopped it',
  },
};

/** Linux: mm/mmap.c:ksys_mmap_pgoff() */
function* ksysMmapPgoff(thread: Thread, { addr, len, prot, flags: asked, fd, offset }: MmapArgs): Coroutine<number> {
  if (offset % PAGE_SIZE !== 0 || addr < 0 || len < 0) return -EINVAL;
  const pgoff = (offset < 0 ? offset + 2 ** 64 : offset) / PAGE_SIZE;
  const { mm, files } = thread.process;
  const zero = asked & MAP_ANONYMOUS ? null : files.get(fd);
  if (zero?.mapsAnonymous && !isOpenFor(zero, prot, asked)) return -EACCES;
  const flags = zero?.mapsAnonymous ? asked | MAP_ANONYMOUS : asked;
  const mode = { read: true, write: zero?.mapsAnonymous !== true || zero.isWritable };
  const request = { addr, len, prot, flags, file: null, pgoff, mode };
  if (!(flags & MAP_ANONYMOUS)) {
    const file = files.get(fd);
    if (file === null) return -EBADF;
    file.get();
    const result = yield* mapFile(mm, file, request);
    yield* file.put();
    return result;
  }
  if ((flags & MAP_TYPE) === MAP_PRIVATE) return yield* vmMmapPgoff(mm, request);
  return yield* mmapSharedAnonymous(mm, thread.process.machine, request);
}

/** Linux: the part of mm/mmap.c:do_mmap() that looks at f_mode */
function isOpenFor(file: OpenFile, prot: number, flags: number): boolean {
  const writesFile = (flags & MAP_TYPE) !== MAP_PRIVATE && (prot & PROT_WRITE) !== 0;
  return file.isReadable && (!writesFile || file.isWritable);
}

function* mapFile(mm: Mm, file: OpenFile, request: MmapRequest): Coroutine<number> {
  if (!file.isMappable) return -ENODEV;
  const mode = { read: file.isReadable, write: file.isWritable };
  return yield* vmMmapPgoff(mm, { ...request, file, mode, mmapFile: (vma) => file.mmap(vma) });
}

/** The file that a vma has says how, and the segment that it is of. */
function mapAgain({ file, ops }: Vma): ReturnType<MapAgain> {
  assert(file instanceof OpenFile, 'only what is open is mapped shared');
  const mode = { read: file.isReadable, write: file.isWritable };
  return { mode, mmapFile: (vma) => (ops instanceof ShmidKernel ? shmMmap(ops, file, vma) : file.mmap(vma)) };
}

function* load(thread: Thread, addr: number, len: number): Coroutine<number | CallResult> {
  if (addr < 0 || len < 0 || len > MAX_TRANSFER_BYTES) return -EINVAL;
  const out = newAnswer(thread, len);
  const result = yield* cpuLoad(thread.process.mm, addr, out);
  const bytes = result.done === len ? out : out.subarray(0, result.done);
  if (result.fault === 'none') return { ret: result.done, bytes };
  return { ret: result.done, bytes, ...stopped(thread, result) };
}

/** Where the answer goes: where the caller wants it, or into lent or new memory. */
function newAnswer({ process, currentCall }: Thread, len: number): Uint8Array {
  const into = currentCall?.into;
  if (into !== undefined && into.length === len) return into;
  return process.machine.newAnswer?.(len) ?? new Uint8Array(len);
}

function* store(thread: Thread, addr: number, bytes: Uint8Array): Coroutine<number | CallResult> {
  if (addr < 0) return -EINVAL;
  const result = yield* cpuStore(thread.process.mm, addr, bytes);
  if (result.fault === 'none') return result.done;
  return { ret: result.done, ...stopped(thread, result) };
}

/** Signal and si_code of each fault. Linux: arch/x86/mm/fault.c; without memory the OOM killer strikes. */
const FAULT_SIGNALS = {
  maperr: { signo: SIGSEGV, code: SEGV_MAPERR },
  accerr: { signo: SIGSEGV, code: SEGV_ACCERR },
  sigbus: { signo: SIGBUS, code: BUS_ADRERR },
  hwpoison: { signo: SIGBUS, code: BUS_MCEERR_AR },
  oom: { signo: SIGKILL, code: 0 },
} as const;

/** Why an access did not get on: a signal, or a fault that was served again and again. */
function stopped(thread: Thread, result: AccessResult): Pick<CallResult, 'signal' | 'stuck'> {
  if (result.fault !== 'endless') return { signal: raiseFault(thread, result) };
  const { mm } = thread.process;
  const { memory } = mm;
  const pfn = pfnAt(mm, Math.floor(result.addr / PAGE_SIZE));
  const pagemap = memory.frames.zone[pfn] === Zone.system ? null : memory.pagemaps[memory.frames.pagemap[pfn]!];
  const server = pagemap ? `by ${pagemap.name}` : 'by no driver';
  return {
    stuck: `the fault at 0x${result.addr.toString(16)} was served ${memory.maxRefaults} times (last ${server}) and never let the access through`,
  };
}

/** A caught signal only stops the access; else the process dies of it. Linux: part of kernel/signal.c:force_sig_fault() */
function raiseFault(thread: Thread, { fault, addr }: AccessResult): NonNullable<CallResult['signal']> {
  assert(fault !== 'none' && fault !== 'endless', 'an access that went well raises no signal');
  const { signo, code } = FAULT_SIGNALS[fault];
  if (thread.process.dispositions.get(signo) !== 'catch') sendSignal(thread.process, signo);
  return { signo, code, addr };
}
