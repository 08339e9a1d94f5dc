import { type Assembler, unsigned } from './assembler.js';
import { Op, type ValueType } from './op.js';

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Something of the module `env` that a module takes: a function, or with null the memory and the table. */
export interface ModuleParts {
  readonly types: readonly Signature[];
  /** Functions it imports, with the index of their type. */
  readonly imports: readonly (readonly [name: string, type: number])[];
  /** Its own functions; each is exported by its name. */
  readonly functions: readonly (readonly [name: string, type: number, code: Assembler])[];
}

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const Section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const Kind = { function: 0, table: 1, memory: 2 } as const;
const FUNCREF = 0x70;

/** The bytes of a module that has `env.memory` and `env.table`. */
export function moduleBytes({ types, imports, functions }: ModuleParts): Uint8Array {
  const out = [...MAGIC];
  section(out, Section.type, types.map(typeEntry));
  const shared = [
    [...text('env'), ...text('memory'), Kind.memory, 0, 1],
    [...text('env'), ...text('table'), Kind.table, FUNCREF, 0, 0],
  ];
  const imported = imports.map(([name, type]) => [...text('env'), ...text(name), Kind.function, type]);
  section(out, Section.import, [...shared, ...imported]);
  section(
    out,
    Section.function,
    functions.map(([, type]) => [type]),
  );
  section(
    out,
    Section.export,
    functions.map(([name], i) => [...text(name), Kind.function, ...leb(imports.length + i)]),
  );
  section(
    out,
    Section.code,
    functions.map(([, , code]) => body(code)),
  );
  return Uint8Array.from(out);
}

function section(out: number[], id: number, entries: readonly (readonly number[])[]): void {
  const count = leb(entries.length);
  out.push(id);
  unsigned(
    out,
    entries.reduce((sum, entry) => sum + entry.length, count.length),
  );
  for (const byte of count) out.push(byte);
  for (const entry of entries) for (const byte of entry) out.push(byte);
}

function typeEntry({ parameters, results }: Signature): number[] {
  return [0x60, ...leb(parameters.length), ...parameters, ...leb(results.length), ...results];
}

function body({ locals, code }: Assembler): number[] {
  const out: number[] = [];
  unsigned(out, locals.length);
  for (const type of locals) out.push(1, type);
  for (const byte of code) out.push(byte);
  out.push(Op.end);
  const size = leb(out.length);
  return size.concat(out);
}

function leb(value: number): number[] {
  const out: number[] = [];
  unsigned(out, value);
  return out;
}

function text(name: string): number[] {
  return [...leb(name.length), ...Buffer.from(name, 'latin1')];
}
