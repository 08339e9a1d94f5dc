import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Header } from '../../../../tools/abi/c/parse-header.js';
import type { RecordField, RecordLayout } from '../../../../tools/abi/c/types.js';

/** A value of a header: what it is called, the C that computes it, and what we say it is. */
export interface HeaderValue {
  readonly name: string;
  readonly c: string;
  readonly ours: bigint;
}

/** A bit-field: its record filled with zeros but for it. */
export interface HeaderBits {
  readonly name: string;
  readonly c: string;
  readonly field: string;
  readonly ours: string;
}

/** Sizes, alignments, offsets, ioctl numbers and enumerators that a header's own declarations give. */
export function valuesOf(header: Header): { values: HeaderValue[]; bits: HeaderBits[] } {
  const values: HeaderValue[] = [];
  const bits: HeaderBits[] = [];
  for (const record of header.records) {
    if (record.tag === '' || !record.place?.source.isMain) continue;
    const c = typeName(header, record);
    if (c === undefined) continue;
    values.push({ name: `sizeof ${c}`, c: `sizeof(${c})`, ours: BigInt(record.size) });
    values.push({ name: `alignof ${c}`, c: `_Alignof(${c})`, ours: BigInt(record.align) });
    for (const { path, field, offset, bitStart } of leaves(record)) {
      if (field.bits === undefined) {
        values.push({ name: `${c}.${path}`, c: `__builtin_offsetof(${c}, ${path})`, ours: BigInt(offset) });
      } else {
        bits.push({ name: `${c}.${path}`, c, field: path, ours: bitMask(record.size, bitStart, field.bits.width) });
      }
    }
  }
  for (const { name, constant, samples = [], unread, kernelOnly } of header.macros) {
    if (unread || kernelOnly) continue;
    for (const sample of samples) {
      const ours = BigInt.asUintN(64, sample.constant.value);
      values.push({ name: sample.call, c: `(unsigned long long)(${sample.call})`, ours });
    }
    if (constant) values.push({ name, c: `(unsigned long long)(${name})`, ours: BigInt.asUintN(64, constant.value) });
  }
  for (const { values: items } of header.enums) {
    for (const item of items) {
      if (!item.place.source.isMain || header.macros.some(({ name }) => name === item.name)) continue;
      values.push({
        name: item.name,
        c: `(unsigned long long)(${item.name})`,
        ours: BigInt.asUintN(64, item.constant.value),
      });
    }
  }
  return { values, bits };
}

/** How C names a record: by its tag, or by the typedef that gave it its name. */
function typeName(header: Header, record: RecordLayout): string | undefined {
  const { place, tag } = record;
  const text = place!.source.text.slice(place!.offset, place!.offset + 400);
  if (new RegExp(`^\\w+\\s+(__attribute__\\s*\\(\\(.*?\\)\\)\\s*)?${tag}\\b`).test(text))
    return `${record.kind} ${tag}`;
  return header.records.includes(record) && !text.includes('MEMBERS') ? tag : undefined;
}

function* leaves(
  record: RecordLayout,
  base = { path: '', offset: 0 },
): Generator<{ path: string; field: RecordField; offset: number; bitStart: number }> {
  for (const field of record.fields) {
    const offset = base.offset + field.offset;
    const bitStart = base.offset * 8 + (field.bits?.start ?? 0);
    // A bit-field without a name only takes room.
    if (field.name === '' && field.bits) continue;
    if (field.name === '') yield* leaves(field.type.record!, { path: base.path, offset });
    else {
      const path = base.path + field.name;
      yield { path, field, offset, bitStart };
      if (field.type.kind === 'record' && field.type.record && field.bits === undefined && field.type.record.place) {
        yield* leaves(field.type.record, { path: `${path}.`, offset });
      }
    }
  }
}

/** The bytes of a zeroed little endian record whose one field is all ones, in hex. */
function bitMask(sizeBytes: number, start: number, width: number): string {
  let mask = 0n;
  for (let i = 0; i < width; i++) mask |= 1n << BigInt(start + i);
  let hex = '';
  for (let i = 0; i < sizeBytes; i++) hex += ((mask >> BigInt(8 * i)) & 0xffn).toString(16).padStart(2, '0');
  return hex;
}

/** A compiler and its flags. */
export type Gcc = readonly [command: string, ...flags: string[]];

export function gccAccepts(source: string, [command, ...flags]: Gcc): boolean {
  return spawnSync(command, [...flags, '-w', '-fsyntax-only', '-x', 'c', '-'], { input: source }).status === 0;
}

/** What gcc computes for all of them, undefined where it refuses; nothing is run: the answers are read from the assembly, so that -m32 needs no C library. */
export function askGcc(
  source: string,
  { values, bits }: { values: readonly HeaderValue[]; bits: readonly HeaderBits[] },
  [command, ...flags]: Gcc,
): { values: bigint[]; bits: string[] } | undefined {
  const lines = [source, `unsigned long long all_values[] = { ${values.map(({ c }) => `${c},\n`).join('')} 0 };`];
  bits.forEach(({ c, field }, i) => {
    lines.push(`union { ${c} v; unsigned char pad; } bits_${i} = { .v = { .${field} = -1 } };`);
  });
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-gcc-'));
  try {
    const file = join(folder, 'values.c');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const args = [...flags, '-w', '-O0', '-fno-common', '-S', '-o', '-', file];
    const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
    if (status !== 0) return undefined;
    const symbols = readAssembly(stdout);
    const data = symbols.get('all_values')!;
    const view = new DataView(Uint8Array.from(data).buffer);
    return {
      values: values.map((_, i) => view.getBigUint64(8 * i, true)),
      bits: bits.map((_, i) =>
        symbols
          .get(`bits_${i}`)!
          .map((b) => b.toString(16).padStart(2, '0'))
          .join(''),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As gcc calls them for the targets that are asked about. */
const WIDTHS: Readonly<Record<string, number>> = {
  ...{ '.byte': 1, '.value': 2, '.short': 2, '.hword': 2, '.half': 2, '.2byte': 2 },
  ...{ '.long': 4, '.word': 4, '.4byte': 4, '.quad': 8, '.xword': 8, '.dword': 8, '.8byte': 8 },
};

/** The bytes behind each label. */
function readAssembly(text: string): Map<string, number[]> {
  const symbols = new Map<string, number[]>();
  let bytes: number[] = [];
  let isOurs = false;
  for (const line of text.split('\n')) {
    const label = /^(\w+):/.exec(line);
    if (label) {
      bytes = [];
      isOurs = /^(all_values|bits_\d+)$/.test(label[1]!);
      symbols.set(label[1]!, bytes);
    }
    const [, directive, operand] = /^\s+(\.\w+)\s+(\S+)/.exec(line) ?? [];
    if (directive === '.zero' || directive === '.space') bytes.push(...new Array(Number(operand)).fill(0));
    if (isOurs && (directive === '.string' || directive === '.ascii'))
      throw new Error(`a string among the values: ${line}`);
    const width = WIDTHS[directive ?? ''];
    if (width === undefined || !isOurs) continue;
    let value = BigInt.asUintN(64, BigInt(operand!));
    for (let i = 0; i < width; i++, value >>= 8n) bytes.push(Number(value & 0xffn));
  }
  return symbols;
}
