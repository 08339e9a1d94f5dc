/** A machine whose layout rules a header is read by. */
export interface Target {
  readonly name: string;
  readonly pointerBytes: 4 | 8;
  readonly bigEndian: boolean;
  /** What an 8-byte number is aligned to inside a struct: 4 on i386. */
  readonly align8: 4 | 8;
  readonly defines: Readonly<Record<string, string>>;
}

function target(name: string, pointerBytes: 4 | 8, options: Partial<Target> = {}): Target {
  const { bigEndian = false, align8 = 8, defines = {} } = options;
  const model = pointerBytes === 8 ? { __LP64__: '1', _LP64: '1' } : { __ILP32__: '1', _ILP32: '1' };
  return { name, pointerBytes, bigEndian, align8, defines: { ...model, ...defines } };
}

const ALL: readonly Target[] = [
  target('x86_64', 8, { defines: { __x86_64__: '1', __x86_64: '1' } }),
  target('i386', 4, { align8: 4, defines: { __i386__: '1', __i386: '1' } }),
  target('lp64', 8),
  target('lp64-be', 8, { bigEndian: true }),
  target('ilp32', 4),
  target('ilp32-be', 4, { bigEndian: true }),
];

export const TARGET_NAMES: readonly string[] = ALL.map(({ name }) => name);
export const DEFAULT_TARGET: Target = ALL[0]!;

export function targetByName(name: string): Target | undefined {
  return ALL.find((t) => t.name === name);
}
