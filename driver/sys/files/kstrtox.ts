import { EINVAL, ERANGE } from '../../../uapi/errno.js';

/** What is written to a file is a C string: it ends at its first 0. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
}

/** A decimal number and at most one line end; more than `max` is -ERANGE. Linux: lib/kstrtox.c:kstrtoull() */
export function kstrtoull(text: string, max = Number.MAX_VALUE): number {
  const digits = /^\+?(\d+)\n?$/.exec(text)?.[1];
  if (digits === undefined) return -EINVAL;
  const value = parseInteger(digits, 10);
  return value > max ? -ERANGE : value;
}

const INT_MAX = 2 ** 31 - 1;

/** Of what can only be positive: below 0 is -EINVAL. Linux: lib/kstrtox.c:kstrtoint() */
export function kstrtoint(text: string): number {
  if (!text.startsWith('-')) return kstrtoull(text, INT_MAX);
  const value = text[1] === '+' ? -EINVAL : kstrtoull(text.slice(1), INT_MAX + 1);
  return value > 0 ? -EINVAL : value;
}

/** The greatest of 64 bits. */
const ULLONG_MAX: Readonly<Record<number, string>> = {
  8: '1777777777777777777777',
  10: '18446744073709551615',
  16: 'ffffffffffffffff',
};

/** The digits that a text begins with, in the base that their prefix says, and the length of both. Linux: part of lib/kstrtox.c:_parse_integer_fixup_radix() */
export function prefixedDigits(text: string): { digits: string; base: 8 | 10 | 16; length: number } | null {
  const [all, hex, octal, decimal] = /^(?:0x([\da-f]+)|(0[0-7]*)|([1-9]\d*))/i.exec(text) ?? [];
  if (all === undefined) return null;
  return {
    digits: hex ?? octal ?? decimal!,
    base: hex !== undefined ? 16 : octal !== undefined ? 8 : 10,
    length: all.length,
  };
}

/** Infinity where it has more than 64 bits. Linux: lib/kstrtox.c:_parse_integer() */
export function parseInteger(digits: string, base: 8 | 10 | 16): number {
  const significant = digits.replace(/^0+/, '').toLowerCase();
  const max = ULLONG_MAX[base]!;
  const overflows = significant.length - max.length || (significant > max ? 1 : 0);
  return overflows > 0 ? Number.POSITIVE_INFINITY : Number.parseInt(significant || '0', base);
}
