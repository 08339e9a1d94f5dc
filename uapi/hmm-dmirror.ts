// The ABI of lib/test_hmm.c: one 40-byte record for every command, and the bytes SNAPSHOT answers.
// Linux: lib/test_hmm_uapi.h. Which number names which command is a dialect's business (dialect.ts).

import { EINVAL } from './errno.js';
import { readU64, writeU64 } from './u64.js';

/** Bytes of the command record: five u64, little endian. */
export const HMM_DMIRROR_CMD_BYTES = 40;

const OFFSET_ADDR = 0;
const OFFSET_PTR = 8;
const OFFSET_NPAGES = 16;
const OFFSET_CPAGES = 24;
const OFFSET_FAULTS = 32;

export const HMM_DMIRROR_PROT_ERROR = 0xff;
export const HMM_DMIRROR_PROT_NONE = 0x00;
export const HMM_DMIRROR_PROT_READ = 0x01;
export const HMM_DMIRROR_PROT_WRITE = 0x02;
export const HMM_DMIRROR_PROT_PMD = 0x04;
export const HMM_DMIRROR_PROT_PUD = 0x08;
export const HMM_DMIRROR_PROT_ZERO = 0x10;
// 0x20 to 0x50 are codes in bits 4 to 6, not bits of their own: 0x30 and 0x50 hold the ZERO bit.
export const HMM_DMIRROR_PROT_DEV_PRIVATE_LOCAL = 0x20;
export const HMM_DMIRROR_PROT_DEV_PRIVATE_REMOTE = 0x30;
export const HMM_DMIRROR_PROT_DEV_COHERENT_LOCAL = 0x40;
export const HMM_DMIRROR_PROT_DEV_COHERENT_REMOTE = 0x50;

/** 0 is reserved to catch uninitialized type fields. */
export const HMM_DMIRROR_MEMORY_DEVICE_PRIVATE = 1;
export const HMM_DMIRROR_MEMORY_DEVICE_COHERENT = 2;

/** The record as a caller gives it; fields left out are 0. */
export interface HmmDmirrorCmdInput {
  addr: number | bigint;
  ptr?: number | bigint;
  npages: number | bigint;
  cpages?: number | bigint;
  faults?: number | bigint;
}

/** The record with every field exact. */
export interface HmmDmirrorCmd {
  addr: bigint;
  ptr: bigint;
  npages: bigint;
  cpages: bigint;
  faults: bigint;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Encode a record to its 40 bytes. Negative values wrap as in C. */
export function encodeHmmDmirrorCmd(cmd: HmmDmirrorCmdInput): Uint8Array {
  const bytes = new Uint8Array(HMM_DMIRROR_CMD_BYTES);
  const view = viewOf(bytes);
  writeU64(view, OFFSET_ADDR, cmd.addr);
  writeU64(view, OFFSET_PTR, cmd.ptr ?? 0);
  writeU64(view, OFFSET_NPAGES, cmd.npages);
  writeU64(view, OFFSET_CPAGES, cmd.cpages ?? 0);
  writeU64(view, OFFSET_FAULTS, cmd.faults ?? 0);
  return bytes;
}

/** Decode 40 bytes exactly. Throws RangeError when there are fewer. */
export function decodeHmmDmirrorCmd(bytes: Uint8Array): HmmDmirrorCmd {
  const view = viewOf(bytes);
  return {
    addr: view.getBigUint64(OFFSET_ADDR, true),
    ptr: view.getBigUint64(OFFSET_PTR, true),
    npages: view.getBigUint64(OFFSET_NPAGES, true),
    cpages: view.getBigUint64(OFFSET_CPAGES, true),
    faults: view.getBigUint64(OFFSET_FAULTS, true),
  };
}

/** What the driver works with: a checked record in plain numbers. */
export interface DmirrorCommand {
  /** Page aligned, so exact as a double up to 2^64. */
  addr: number;
  /** addr plus the size in bytes; exact, above addr and below 2^64. */
  end: number;
  /** Where data goes or comes from. Exact below 2^53; anything above is no user address. */
  ptr: number;
  /** Pages between addr and end. The 12 top bits of the field are gone, as the shift to bytes drops them in C. */
  npages: number;
}

const PAGE_MASK = 0xfff;
const U64_PAGES = 2 ** 52;

/**
 * Check and decode a record in the order the driver does: alignment, then `addr >= addr + (npages << 12)` in u64 arithmetic, which
 * refuses npages 0, a wrap and a shift that overflows to 0. Answers -EINVAL or the command. Bytes are not changed.
 * Linux: lib/test_hmm.c:dmirror_fops_unlocked_ioctl()
 */
export function decodeCommand(view: DataView): DmirrorCommand | number {
  const addrLow = view.getUint32(OFFSET_ADDR, true);
  if ((addrLow & PAGE_MASK) !== 0) return -EINVAL;
  // In units of pages a u64 has 52 bits, so that sums are exact in doubles and one comparison sees every wrap.
  const firstPage = view.getUint32(OFFSET_ADDR + 4, true) * 0x100000 + (addrLow >>> 12);
  const npages =
    (view.getUint32(OFFSET_NPAGES + 4, true) & 0xfffff) * 0x1_0000_0000 + view.getUint32(OFFSET_NPAGES, true);
  const endPage = firstPage + npages;
  if (npages === 0 || endPage >= U64_PAGES) return -EINVAL;
  return { addr: firstPage * 4096, end: endPage * 4096, ptr: readU64(view, OFFSET_PTR), npages };
}

/** Store the two output fields of a record; the input fields stay as the caller sent them. */
export function encodeResult(view: DataView, cpages: number, faults: number): void {
  writeU64(view, OFFSET_CPAGES, cpages);
  writeU64(view, OFFSET_FAULTS, faults);
}

/** The two output fields of a record as numbers. */
export function decodeResult(bytes: Uint8Array): { cpages: number; faults: number } {
  const view = viewOf(bytes);
  return { cpages: readU64(view, OFFSET_CPAGES), faults: readU64(view, OFFSET_FAULTS) };
}

/** FLAGS: the next allocation of the file fails. */
export const HMM_DMIRROR_FLAG_FAIL_ALLOC = 1;
