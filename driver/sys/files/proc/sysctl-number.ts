import { EINVAL } from '../../../../uapi/errno.js';
import { parseInteger } from './kstrtox.js';

/** A file of /proc/sys with one number. */
export interface SysctlNumber {
  readonly min?: number;
  readonly max?: number;
  /** `null`: nothing was written, or not at the file's begin. 0 or a negative errno. */
  set(value: number | null): number;
}

const MAX_INPUT = 4095;
/** No number may be as long. */
const MAX_LENGTH = 21;

/** How many bytes are taken, or a negative errno. Linux: part of kernel/sysctl.c:__do_proc_doulongvec_minmax() and __do_proc_dointvec() */
export function writeSysctl(sysctl: SysctlNumber, bytes: Uint8Array, offset: number): number {
  if (bytes.length === 0 || offset > 0) return sysctl.set(null) || bytes.length;
  const text = String.fromCharCode(...bytes.subarray(0, MAX_INPUT));
  const start = text.length - text.trimStart().length;
  const number = procGetLong(text.slice(start));
  if (number === null) return -EINVAL;
  const { value, length } = number;
  const { min = 0, max = Number.POSITIVE_INFINITY } = sysctl;
  if (value < min || value > max) return -EINVAL;
  const left = text.slice(start + length).trimStart().length;
  return sysctl.set(value) || bytes.length - left;
}

/**
 * The number that a text begins with and the length of it, where white space or nothing follows. No file here takes a negative one.
 * Linux: kernel/sysctl.c:proc_get_long()
 */
function procGetLong(text: string): { value: number; length: number } | null {
  const [all, hex, octal, decimal] = /^(?:0x([\da-f]+)|(0[0-7]*)|([1-9]\d*))(?=[ \t\n]|$)/i.exec(text) ?? [];
  if (all === undefined || all.length >= MAX_LENGTH) return null;
  const digits = hex ?? octal ?? decimal!;
  const value = parseInteger(digits, hex !== undefined ? 16 : octal !== undefined ? 8 : 10);
  return value === Number.POSITIVE_INFINITY ? null : { value, length: all.length };
}
