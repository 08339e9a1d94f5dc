// What the checker compares: an ABI without the notation it came from. Dialects and headers both become one.

export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface AbiCommand {
  readonly name: string;
  /** The whole ioctl number, unsigned. */
  readonly value: number;
  /** 0 none, 1 write, 2 read, 3 both, as in _IOC. */
  readonly dir: number;
  readonly type: number;
  readonly nr: number;
  /** Bytes of the argument. */
  readonly size: number;
  /** The argument's type as C writes it; undefined where the number does not say. */
  readonly argument: string | undefined;
  /** The header defines it as nothing but this other name. */
  readonly aliasOf?: string;
  readonly at: Position | undefined;
}

export interface AbiField {
  /** Dotted from the record; the fields of anonymous members are the record's own. */
  readonly name: string;
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly bits?: { readonly start: number; readonly width: number };
}

export interface AbiRecord {
  readonly kind: 'struct' | 'union';
  readonly name: string;
  readonly size: number;
  readonly align: number;
  readonly fields: readonly AbiField[];
  readonly at: Position | undefined;
}

/** An enumerator or a macro with a constant value. */
export interface AbiConstant {
  readonly name: string;
  readonly value: bigint;
  /** Constants of one group are values of one thing, and may stand for each other: an enum, or macros with a common prefix. */
  readonly group: string;
  readonly at: Position | undefined;
}

export interface AbiModel {
  /** What it was asked for as. */
  readonly name: string;
  /** The header's text, or undefined for a dialect. */
  readonly text: string | undefined;
  readonly commands: readonly AbiCommand[];
  readonly records: readonly AbiRecord[];
  readonly constants: readonly AbiConstant[];
}

/** A gap between fields, or behind the last: bytes [start, end). */
export interface Hole {
  readonly start: number;
  readonly end: number;
}

/** The bytes of a record that no field covers. A union has none between its fields. */
export function holesOf(record: AbiRecord): Hole[] {
  const spans = record.fields
    .map(({ offset, size, bits }) =>
      bits
        ? { start: Math.floor(bits.start / 8), end: Math.ceil((bits.start + bits.width) / 8) }
        : { start: offset, end: offset + size },
    )
    .sort((a, b) => a.start - b.start);
  const holes: Hole[] = [];
  let end = 0;
  for (const span of spans) {
    if (span.start > end) holes.push({ start: end, end: span.start });
    end = Math.max(end, span.end);
  }
  if (record.size > end) holes.push({ start: end, end: record.size });
  return holes;
}

export const hex = (value: number | bigint, digits = 0): string => `0x${value.toString(16).padStart(digits, '0')}`;
