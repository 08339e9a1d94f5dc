import { readU64 } from '../../uapi/u64.js';
import { PAGE_SIZE } from '../mm/frames/frames.js';
import { TASK_SIZE } from '../mm/tables/page-table.js';

const ELF_MAGIC = 0x464c457f;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_RISCV = 243;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PHDR_BYTES = 56;
const SHDR_BYTES = 64;
const SHT_SYMTAB = 2;
/** What a report shows of a symbol; a hostile file may name one with all that it has. */
const LONGEST_NAME = 512;
const SYM_BYTES = 24;
const STT_FUNC = 2;

/** A part of the file that is mapped: `fileBytes` of it from `offset`, and zeros up to `memBytes`. */
export interface ElfSegment {
  readonly addr: number;
  readonly offset: number;
  readonly fileBytes: number;
  readonly memBytes: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
}

/** What a loader needs of a static RV64 executable. */
export interface ElfImage {
  /** A static-PIE: every address is relative to where it is put. */
  readonly isRelocatable: boolean;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  /** Where the program headers are, as a file offset, and how many. */
  readonly phoff: number;
  readonly phnum: number;
}

/** A function's name and place, for backtraces. */
export interface ElfSymbol {
  readonly addr: number;
  readonly size: number;
  readonly name: string;
}

/** Why a file is no program for this machine, in words for its user. */
export class ElfError extends Error {
  override readonly name = 'ElfError';
}

/** Reads the headers of a static or static-PIE RV64 executable. Throws ElfError. */
export function parseElf(file: Uint8Array): ElfImage {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 64 || view.getUint32(0, true) !== ELF_MAGIC) throw new ElfError('it is not an ELF file');
  if (file[4] !== ELFCLASS64 || file[5] !== ELFDATA2LSB)
    throw new ElfError('it is not a little-endian 64-bit ELF file');
  const machine = view.getUint16(18, true);
  if (machine !== EM_RISCV) throw new ElfError(`its machine is ${machine}, not RISC-V (${EM_RISCV})`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) throw new ElfError('it is not an executable');
  const phoff = readU64(view, 32);
  const phnum = view.getUint16(56, true);
  if (view.getUint16(54, true) !== PHDR_BYTES) throw new ElfError('its program headers have an unknown size');
  if (phoff + phnum * PHDR_BYTES > file.length) throw new ElfError('its program headers are cut off');
  const segments: ElfSegment[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * PHDR_BYTES;
    const kind = view.getUint32(at, true);
    if (kind === PT_INTERP) throw new ElfError('it is dynamically linked; link it with -static');
    if (kind === PT_LOAD) segments.push(parseSegment(view, at));
  }
  if (segments.length === 0) throw new ElfError('it has nothing to load');
  return { isRelocatable: type === ET_DYN, entry: readU64(view, 24), segments, phoff, phnum };
}

function parseSegment(view: DataView, at: number): ElfSegment {
  const segment = {
    flags: view.getUint32(at + 4, true),
    offset: readU64(view, at + 8),
    addr: readU64(view, at + 16),
    fileBytes: readU64(view, at + 32),
    memBytes: readU64(view, at + 40),
  };
  const { offset, addr, fileBytes, memBytes } = segment;
  if (offset + fileBytes > view.byteLength) throw new ElfError('a segment is cut off');
  if (memBytes < fileBytes || addr + memBytes > TASK_SIZE) throw new ElfError('a segment has an impossible size');
  if (addr % PAGE_SIZE !== offset % PAGE_SIZE) throw new ElfError('a segment is not aligned as its file offset is');
  return segment;
}

/** The functions of the symbol table by address; empty for a stripped file. */
export function functionSymbols(file: Uint8Array): ElfSymbol[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const shoff = readU64(view, 40);
  const shnum = view.getUint16(60, true);
  if (shoff === 0 || shoff + shnum * SHDR_BYTES > file.length) return [];
  const symbols: ElfSymbol[] = [];
  for (let i = 0; i < shnum; i++) {
    const at = shoff + i * SHDR_BYTES;
    if (view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const names = readU64(view, shoff + view.getUint32(at + 40, true) * SHDR_BYTES + 24);
    const start = readU64(view, at + 24);
    const count = Math.floor(readU64(view, at + 32) / SYM_BYTES);
    for (let n = 0; n < count; n++) readSymbol(file, view, { at: start + n * SYM_BYTES, names }, symbols);
  }
  return symbols.sort((a, b) => a.addr - b.addr);
}

function readSymbol(
  file: Uint8Array,
  view: DataView,
  { at, names }: { at: number; names: number },
  out: ElfSymbol[],
): void {
  if (at + SYM_BYTES > file.length || (view.getUint8(at + 4) & 0xf) !== STT_FUNC) return;
  const start = names + view.getUint32(at, true);
  const end = file.indexOf(0, start);
  if (end < 0) return;
  const name = String.fromCharCode(...file.subarray(start, Math.min(end, start + LONGEST_NAME)));
  out.push({ addr: readU64(view, at + 8), size: readU64(view, at + 16), name });
}
