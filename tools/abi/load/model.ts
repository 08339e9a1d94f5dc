// What the checker compares: an ABI without the notation it came from. Dialects and headers both become one.

export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A type as far as its bytes go. */
export interface AbiType {
  /** As C writes it. */
  readonly type: string;
  /** One spelling for all that is read alike, such as `u64`; a record by its title. Left out where `type` itself is known. */
  readonly canonical?: string;
}

export interface AbiCommand {
  /** With its parameters, as `NAME(len)`, where a program gives part of the number. */
  readonly name: string;
  /** The whole ioctl number, unsigned. Of one that can't be sized, without the size. */
  readonly value: number;
  /** 0 none, 1 write, 2 read, 3 both, as in _IOC. */
  readonly dir: number;
  readonly type: number;
  readonly nr: number;
  /** Bytes of the argument. */
  readonly size: number;
  /** The argument's type as C writes it; undefined where the number does not say. */
  readonly argument: string | undefined;
  /** As an AbiType has it. */
  readonly canonical?: string;
  /** The header defines it as nothing but this other name. */
  readonly aliasOf?: string;
  /** What it is for some arguments, where it takes any. The value above is the first one's. */
  readonly samples?: readonly { readonly call: string; readonly value: number; readonly canonical?: string }[];
  readonly at: Position | undefined;
}

/** A command that can't be compared as a whole, and why. */
export interface UnreadCommand {
  readonly name: string;
  readonly problem: string;
  /** All of the number but its size, where that much is known. */
  readonly partial?: AbiCommand | undefined;
  /** What the header defines it as. */
  readonly text: string;
  readonly at: Position | undefined;
}

export interface AbiField extends AbiType {
  /** Dotted from the record; the fields of anonymous members are the record's own. */
  readonly name: string;
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
  /** Another header defines it. */
  readonly included?: boolean;
  readonly at: Position | undefined;
}

/** An enumerator or a macro with a constant value. */
export interface AbiConstant {
  readonly name: string;
  readonly value: bigint;
  /** Constants of one group are values of one thing, and may stand for each other: an enum, or macros with a common prefix. */
  readonly group: string;
  /** Counted on from the enumerator before. */
  readonly counted?: boolean;
  /** Other constants, put together with |. */
  readonly combines?: boolean;
  /** It ends an enum, with a name that is nobody's: it only says how many there are. */
  readonly sentinel?: boolean;
  readonly at: Position | undefined;
}

export interface AbiModel {
  /** What it was asked for as. */
  readonly name: string;
  readonly commands: readonly AbiCommand[];
  readonly records: readonly AbiRecord[];
  readonly constants: readonly AbiConstant[];
  readonly unread: readonly UnreadCommand[];
  /** Uses of types that the kernel has for itself, such as u32: no program can compile the header. */
  readonly kernelOnly: readonly KernelOnly[];
  /** Things of headers that it includes, by name; a record by its title. Undefined for what includes none. */
  readonly included?: Included;
}

/** A use of a type that no program has. */
export interface KernelOnly {
  readonly name: string;
  /** The macro that uses it; undefined for a declaration, with which the whole header does not compile. */
  readonly user?: string;
  readonly isCommand?: boolean;
  readonly at: Position | undefined;
}

interface Included {
  command(name: string): AbiCommand | undefined;
  constant(name: string): AbiConstant | undefined;
  record(title: string): AbiRecord | undefined;
}

export const titleOf = ({ kind, name }: AbiRecord): string => `${kind} ${name}`;

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

/** As C writes it: a negative number in decimal. */
export const hex = (value: number | bigint, digits = 0): string =>
  value < 0 ? String(value) : `0x${value.toString(16).padStart(digits, '0')}`;
