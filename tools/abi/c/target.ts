/** A machine whose layout rules a header is read by. */
export interface Target {
  readonly name: string;
  readonly pointerBytes: 4 | 8;
  readonly bigEndian: boolean;
  /** What an 8-byte number is aligned to inside a struct: 4 on i386. */
  readonly align8: 4 | 8;
  /** What `aligned` without a number asks for. */
  readonly maxAlign: 8 | 16;
  readonly longDoubleBytes: 8 | 12 | 16;
  readonly charUnsigned: boolean;
  /** A bit-field without a name aligns its record. */
  readonly unnamedBitFieldAligns: boolean;
  /** Bytes of __kernel_old_uid_t, __kernel_uid_t, __kernel_mode_t and __kernel_old_dev_t: older ports have small ones. */
  readonly oldIds: { readonly old: 2 | 4; readonly own: 2 | 4; readonly dev: 2 | 4 | 8 };
  readonly defines: Readonly<Record<string, string>>;
}

/** Linux: include/uapi/asm-generic/posix_types.h; x86 and ARM have kept older ones. */
const GENERIC_IDS = { old: 4, own: 4, dev: 4 } as const;

function target(name: string, pointerBytes: 4 | 8, options: Partial<Target> = {}): Target {
  const { bigEndian = false, align8 = 8, defines = {} } = options;
  const model = pointerBytes === 8 ? { __LP64__: '1', _LP64: '1' } : { __ILP32__: '1', _ILP32: '1' };
  return {
    ...{ name, pointerBytes, bigEndian, align8, maxAlign: 16, longDoubleBytes: 16 },
    ...{ charUnsigned: false, unnamedBitFieldAligns: false, oldIds: GENERIC_IDS },
    ...options,
    defines: { ...model, ...defines },
  };
}

const ALL: readonly Target[] = [
  target('x86_64', 8, { oldIds: { old: 2, own: 4, dev: 8 }, defines: { __x86_64__: '1', __x86_64: '1' } }),
  target('i386', 4, {
    ...{ align8: 4, longDoubleBytes: 12, oldIds: { old: 2, own: 2, dev: 2 } },
    defines: { __i386__: '1', __i386: '1', i386: '1' },
  }),
  target('arm', 4, {
    ...{ maxAlign: 8, longDoubleBytes: 8, charUnsigned: true, unnamedBitFieldAligns: true },
    ...{ oldIds: { old: 2, own: 2, dev: 2 }, defines: { __arm__: '1', __ARM_EABI__: '1', __ARMEL__: '1' } },
  }),
  target('arm64', 8, {
    ...{ charUnsigned: true, unnamedBitFieldAligns: true, oldIds: { old: 2, own: 4, dev: 4 } },
    defines: { __aarch64__: '1', __AARCH64EL__: '1' },
  }),
  target('riscv64', 8, { charUnsigned: true, defines: { __riscv: '1', __riscv_xlen: '64' } }),
  target('lp64', 8),
  target('lp64-be', 8, { bigEndian: true }),
  target('ilp32', 4, { maxAlign: 8, longDoubleBytes: 8 }),
  target('ilp32-be', 4, { bigEndian: true, maxAlign: 8, longDoubleBytes: 8 }),
];

export const TARGET_NAMES: readonly string[] = ALL.map(({ name }) => name);
export const DEFAULT_TARGET: Target = ALL[0]!;

export function targetByName(name: string): Target | undefined {
  return ALL.find((t) => t.name === name);
}
