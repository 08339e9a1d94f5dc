import { EINVAL } from '../../../../uapi/errno.js';
import { parseInteger, prefixedDigits } from '../kstrtox.js';

/** A file of /proc/sys with one number. */
export interface SysctlNumber {
  readonly min?: number;
  readonly max?: number;
  /** `null`: nothing was written, or not at the file's begin. The decimal digits are exact. 0 or a negative errno. */
  set(value: number | null, digits: string | null): number;
}

const MAX_INPUT = 4095;
/** No number may be as long. */
const MAX_LENGTH = 21;

/** How many bytes are taken, or a negative errno. Linux: part of kernel/sysctl.c:__do_proc_doulongvec_minmax() and __do_proc_dointvec() */
export function writeSysctl(sysctl: SysctlNumber, bytes: Uint8Array, offset: number): number {
  if (bytes.length === 0 || offset > 0) return sysctl.set(null, null) || bytes.length;
  const text = String.fromCharCode(...bytes.subarray(0, MAX_INPUT));
  const start = text.length - text.trimStart().length;
  const number = procGetLong(text.slice(start));
  if (number === null) return -EINVAL;
  const { value, digits, length } = number;
  const { min = 0, max = Number.POSITIVE_INFINITY } = sysctl;
  if (value < min || value > max) return -EINVAL;
  const left = text.slice(start + length).trimStart().length;
  return sysctl.set(value, digits) || bytes.length - left;
}

/**
 * The number that a text begins with and the length of it, where white space or nothing follows. No file here takes a negative one.
 * Linux: kernel/sysctl.c:proc_get_long()
 */
function procGetLong(text: string): { value: number; digits: string; length: number } | null {
  const number = prefixedDigits(text);
  if (number === null) return null;
  const { digits, base, length } = number;
  if (length >= MAX_LENGTH || !/^([ \t\n]|$)/.test(text.slice(length))) return null;
  const value = parseInteger(digits, base);
  if (value === Number.POSITIVE_INFINITY) return null;
  // Deviates: of another base they are no more exact than the number.
  return { value, digits: base === 10 ? digits : value.toFixed(0), length };
}
