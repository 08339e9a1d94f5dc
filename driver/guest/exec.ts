import { E2BIG, ENOMEM } from '../../uapi/errno.js';
import { O_RDONLY } from '../../uapi/fcntl.js';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../uapi/mman.js';
import type { Coroutine } from '../core/effect.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { TASK_SIZE } from '../mm/tables/page-table.js';
import { type Mm, vmEnoughMemory } from '../mm/vmas/mm.js';
import { vmMmapPgoff } from '../mm/vmas/mmap.js';
import { fillRandom } from '../sys/files/dev-nodes.js';
import { TmpfsFile, type TmpfsInode } from '../sys/files/tmpfs-file.js';
import type { Machine } from '../sys/machine/machine.js';
import { words32, words64, writeUser } from '../sys/processes/user-memory.js';
import type { ElfImage, ElfSegment } from './elf.js';

const STACK_BYTES = 8 * 2 ** 20;
const STACK_END = TASK_SIZE - PAGE_SIZE;
const STACK_START = STACK_END - STACK_BYTES;
/** Where a static-PIE is put. Linux: ELF_ET_DYN_BASE without ASLR */
const DYN_BASE = 0x555555554000;
/** Arguments and environment together. Linux: a quarter of the stack limit */
const MAX_ARG_BYTES = STACK_BYTES / 4;

/** The page that signal handlers return to: Linux keeps it in the vDSO, which is absent here. */
export const SIGRETURN_PAGE = STACK_START - 0x10000;
/** li a7, 139 (rt_sigreturn); ecall: the two instructions that unwinders know a signal frame by. */
const SIGRETURN_CODE = words32(0x08b00893, 0x00000073);

const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

const AT = {
  null: 0,
  phdr: 3,
  phent: 4,
  phnum: 5,
  pagesz: 6,
  base: 7,
  flags: 8,
  entry: 9,
  uid: 11,
  euid: 12,
  gid: 13,
  egid: 14,
  hwcap: 16,
  clktck: 17,
  secure: 23,
  random: 25,
  execfn: 31,
  minsigstksz: 51,
} as const;
/** Bits of the letters I, M, A, F, D and C. */
const HWCAP = (1 << 8) | (1 << 12) | (1 << 0) | (1 << 5) | (1 << 3) | (1 << 2);
const MIN_SIGNAL_STACK = 2048;

/** A program on its way into an address space. */
export interface ExecRequest {
  readonly machine: Machine;
  /** Empty. */
  readonly mm: Mm;
  readonly elf: ElfImage;
  /** The file that the image came from. */
  readonly inode: TmpfsInode;
  readonly path: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** A program in place, ready to run. */
export interface LoadedProgram {
  readonly pc: number;
  readonly sp: number;
  /** What was added to every address of the file. */
  readonly bias: number;
  readonly startBrk: number;
  readonly stackStart: number;
  readonly stackEnd: number;
}

/** Maps the program and fills its stack; or a negative errno. Linux: fs/binfmt_elf.c:load_elf_binary() */
export function* loadElfBinary(request: ExecRequest): Coroutine<LoadedProgram | number> {
  const { machine, mm, elf, inode } = request;
  const bias = elf.isRelocatable ? DYN_BASE : 0;
  const file = new TmpfsFile(machine, O_RDONLY, inode);
  file.path = request.path;
  let error = 0;
  let end = 0;
  for (const segment of elf.segments) {
    if (error === 0) error = yield* elfLoad(mm, file, { ...segment, addr: segment.addr + bias });
    end = Math.max(end, segment.addr + bias + segment.memBytes);
  }
  yield* file.put();
  if (error === 0) error = yield* mapStack(mm);
  if (error !== 0) return error;
  const sp = yield* createElfTables(request, bias);
  if (sp < 0) return sp;
  const startBrk = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
  return { pc: elf.entry + bias, sp, bias, startBrk, stackStart: STACK_START, stackEnd: STACK_END };
}

/** Linux: fs/binfmt_elf.c:elf_load() */
function* elfLoad(mm: Mm, file: TmpfsFile, segment: ElfSegment): Coroutine<number> {
  const { addr, offset, fileBytes, memBytes } = segment;
  const skew = addr % PAGE_SIZE;
  const start = addr - skew;
  const fileEnd = addr + fileBytes;
  const mappedEnd = fileBytes === 0 ? start : Math.ceil(fileEnd / PAGE_SIZE) * PAGE_SIZE;
  const end = Math.ceil((addr + memBytes) / PAGE_SIZE) * PAGE_SIZE;
  const prot = protOf(segment.flags);
  if (mappedEnd > start) {
    const request = { addr: start, len: mappedEnd - start, prot, flags: MAP_PRIVATE | MAP_FIXED };
    const mapped = yield* vmMmapPgoff(mm, { ...request, file, pgoff: (offset - skew) / PAGE_SIZE });
    if (mapped < 0) return mapped;
  }
  if (end > mappedEnd) {
    const mapped = yield* mapAnonymous(mm, { addr: mappedEnd, len: end - mappedEnd, prot });
    if (mapped < 0) return mapped;
  }
  // What the file has behind the segment's end is not the program's; where it may not write, that stays.
  if (memBytes > fileBytes && mappedEnd > fileEnd && prot & PROT_WRITE) {
    return yield* writeUser(mm, fileEnd, new Uint8Array(mappedEnd - fileEnd));
  }
  return 0;
}

function protOf(flags: number): number {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

/** Private anonymous memory at a fixed place, no more than there is RAM and swap; 0 or a negative errno. Linux: part of mm/mmap.c:vm_brk_flags() */
export function* mapAnonymous(
  mm: Mm,
  { addr, len, prot, extra = 0 }: { addr: number; len: number; prot: number; extra?: number },
): Coroutine<number> {
  if (!vmEnoughMemory(mm.memory, len / PAGE_SIZE)) return -ENOMEM;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | extra;
  const mapped = yield* vmMmapPgoff(mm, { addr, len, prot, flags, file: null, pgoff: 0 });
  return Math.min(mapped, 0);
}

/** The stack is mapped as a whole. Deviates: it does not grow, as its limit is fixed. */
function* mapStack(mm: Mm): Coroutine<number> {
  const stack = { addr: STACK_START, len: STACK_BYTES, prot: PROT_READ | PROT_WRITE, extra: MAP_GROWSDOWN };
  const error = yield* mapAnonymous(mm, stack);
  if (error !== 0) return error;
  const page = { addr: SIGRETURN_PAGE, len: PAGE_SIZE, prot: PROT_READ | PROT_WRITE | PROT_EXEC };
  return (yield* mapAnonymous(mm, page)) || (yield* writeUser(mm, SIGRETURN_PAGE, SIGRETURN_CODE));
}

/** Strings, then argc, the pointers and the auxiliary vector; the stack pointer. Linux: fs/binfmt_elf.c:create_elf_tables() */
function* createElfTables(request: ExecRequest, bias: number): Coroutine<number> {
  const { machine, mm, elf, path, argv, envp } = request;
  const random = new Uint8Array(16);
  fillRandom(machine.kernel.prng, random);
  const strings = [path, ...argv, ...envp].map(nulTerminated);
  const total = strings.reduce((sum, bytes) => sum + bytes.length, 0);
  if (total > MAX_ARG_BYTES) return -E2BIG;
  let at = STACK_END - 8;
  const place = (bytes: Uint8Array): number => (at -= bytes.length);
  const pieces = [random, ...strings].map((bytes) => ({ bytes, addr: place(bytes) }));
  for (const { bytes, addr } of pieces) if ((yield* writeUser(mm, addr, bytes)) !== 0) return -ENOMEM;
  const pointers = pieces.map(({ addr }) => addr);
  const argvPointers = pointers.slice(2, 2 + argv.length);
  const auxv = auxiliaryVector(elf, bias, { random: pointers[0]!, execfn: pointers[1]! });
  const table = [argv.length, ...argvPointers, 0, ...pointers.slice(2 + argv.length), 0, ...auxv];
  const sp = Math.floor((at - 8 * table.length) / 16) * 16;
  return (yield* writeUser(mm, sp, words64(...table))) === 0 ? sp : -ENOMEM;
}

function auxiliaryVector(elf: ElfImage, bias: number, at: { random: number; execfn: number }): number[] {
  const holder = elf.segments.find(({ offset, fileBytes }) => offset <= elf.phoff && elf.phoff < offset + fileBytes);
  const phdr = holder === undefined ? 0 : holder.addr + bias + elf.phoff - holder.offset;
  return [
    ...[AT.hwcap, HWCAP, AT.pagesz, PAGE_SIZE, AT.clktck, 100],
    ...[AT.phdr, phdr, AT.phent, 56, AT.phnum, elf.phnum],
    ...[AT.base, 0, AT.flags, 0, AT.entry, elf.entry + bias],
    ...[AT.uid, 0, AT.euid, 0, AT.gid, 0, AT.egid, 0, AT.secure, 0],
    ...[AT.random, at.random, AT.execfn, at.execfn, AT.minsigstksz, MIN_SIGNAL_STACK, AT.null, 0],
  ];
}

function nulTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
