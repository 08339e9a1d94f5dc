// The headers that every uapi header may include without a kernel tree. Types of linux/types.h are known to the type table; here are the
// macros. Linux: include/uapi/linux/{types,const,stddef}.h, asm-generic/{ioctl,bitsperlong}.h, byteorder/*.

import { SourceText } from './source-text.js';
import type { Target } from './target.js';

const TYPES = `
#define __bitwise
#define __bitwise__
#define __force
#define __user
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#define __aligned_s64 __s64 __attribute__((aligned(8)))
#define __aligned_be64 __be64 __attribute__((aligned(8)))
#define __aligned_le64 __le64 __attribute__((aligned(8)))
`;

const STDDEF = `
#define __struct_group(TAG, NAME, ATTRS, MEMBERS...) \\
  union { struct { MEMBERS } ATTRS; struct TAG { MEMBERS } ATTRS NAME; } ATTRS
#define __DECLARE_FLEX_ARRAY(TYPE, NAME) struct { struct { } __empty_ ## NAME; TYPE NAME[]; }
#define __counted_by(m)
#define __counted_by_le(m)
#define __counted_by_be(m)
#define __always_inline inline
#define NULL ((void *)0)
`;

const CONST = `
#define __AC(X,Y) (X##Y)
#define _AC(X,Y) __AC(X,Y)
#define _AT(T,X) ((T)(X))
#define _UL(x) (_AC(x, UL))
#define _ULL(x) (_AC(x, ULL))
#define _BITUL(x) (_UL(1) << (x))
#define _BITULL(x) (_ULL(1) << (x))
#define __ALIGN_KERNEL(x, a) __ALIGN_KERNEL_MASK(x, (__typeof__(x))(a) - 1)
#define __ALIGN_KERNEL_MASK(x, mask) (((x) + (mask)) & ~(mask))
#define __KERNEL_DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
`;

// _IO, _IOR, _IOW, _IOWR and _IOC themselves are known to the evaluator, which so keeps what they were made of.
const IOCTL = `
#define _IOC_NRBITS 8
#define _IOC_TYPEBITS 8
#define _IOC_SIZEBITS 14
#define _IOC_DIRBITS 2
#define _IOC_NRMASK 0xff
#define _IOC_TYPEMASK 0xff
#define _IOC_SIZEMASK 0x3fff
#define _IOC_DIRMASK 3
#define _IOC_NRSHIFT 0
#define _IOC_TYPESHIFT 8
#define _IOC_SIZESHIFT 16
#define _IOC_DIRSHIFT 30
#define _IOC_NONE 0U
#define _IOC_WRITE 1U
#define _IOC_READ 2U
#define _IOC_DIR(nr) (((nr) >> 30) & 3)
#define _IOC_TYPE(nr) (((nr) >> 8) & 0xff)
#define _IOC_NR(nr) ((nr) & 0xff)
#define _IOC_SIZE(nr) (((nr) >> 16) & 0x3fff)
#define IOC_IN (1U << 30)
#define IOC_OUT (2U << 30)
#define IOC_INOUT (3U << 30)
#define IOCSIZE_MASK (0x3fff << 16)
#define IOCSIZE_SHIFT 16
`;

/** Headers that bring types only, or nothing that a layout needs. */
const NOTHING = '';

function byteOrder(target: Target): string {
  const own = target.bigEndian ? 'be' : 'le';
  const lines = target.bigEndian
    ? ['#define __BIG_ENDIAN 4321', '#define __BIG_ENDIAN_BITFIELD']
    : ['#define __LITTLE_ENDIAN 1234', '#define __LITTLE_ENDIAN_BITFIELD'];
  for (const order of ['le', 'be']) {
    for (const [bits, swapped] of SWAPS) {
      const value = order === own ? '(x)' : swapped;
      lines.push(`#define __constant_cpu_to_${order}${bits}(x) ((__u${bits})${value})`);
      lines.push(`#define __cpu_to_${order}${bits}(x) ((__u${bits})${value})`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const SWAPS: readonly [bits: number, swapped: string][] = [
  [16, '((((x) & 0xff) << 8) | (((x) >> 8) & 0xff))'],
  [32, '((((x) & 0xffU) << 24) | (((x) & 0xff00U) << 8) | (((x) >> 8) & 0xff00U) | (((x) >> 24) & 0xffU))'],
];

function bitsPerLong(target: Target): string {
  return `#define __BITS_PER_LONG ${target.pointerBytes * 8}\n#define __BITS_PER_LONG_LONG 64\n`;
}

function types(target: Target): string {
  return TYPES + STDDEF + bitsPerLong(target);
}

const TABLE: Readonly<Record<string, string | ((target: Target) => string)>> = {
  'linux/types.h': types,
  'asm/types.h': types,
  'asm-generic/types.h': types,
  'asm-generic/int-ll64.h': types,
  'linux/posix_types.h': types,
  'asm/posix_types.h': types,
  'linux/stddef.h': STDDEF,
  'linux/const.h': CONST,
  'linux/ioctl.h': IOCTL,
  'asm/ioctl.h': IOCTL,
  'asm-generic/ioctl.h': IOCTL,
  'sys/ioctl.h': IOCTL,
  'asm/byteorder.h': byteOrder,
  'asm/bitsperlong.h': bitsPerLong,
  'linux/compiler.h': NOTHING,
  'linux/compiler_types.h': NOTHING,
  'stddef.h': STDDEF,
  'stdint.h': NOTHING,
  'stdbool.h': '#define bool _Bool\n#define true 1\n#define false 0\n',
  'sys/types.h': NOTHING,
};

export function builtinHeader(name: string, target: Target): SourceText | undefined {
  const text = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined;
  if (text === undefined) return undefined;
  return new SourceText(`<${name}>`, typeof text === 'string' ? text : text(target));
}

/** What the compiler defines before the first line. */
export function predefined(target: Target): SourceText {
  const order = target.bigEndian ? '__ORDER_BIG_ENDIAN__' : '__ORDER_LITTLE_ENDIAN__';
  const all: Record<string, string> = {
    __STDC__: '1',
    __STDC_VERSION__: '201710L',
    __GNUC__: '12',
    __GNUC_MINOR__: '2',
    __linux__: '1',
    __CHAR_BIT__: '8',
    __ORDER_LITTLE_ENDIAN__: '1234',
    __ORDER_BIG_ENDIAN__: '4321',
    __BYTE_ORDER__: order,
    __SIZEOF_POINTER__: String(target.pointerBytes),
    __SIZEOF_LONG__: String(target.pointerBytes),
    __SIZEOF_INT__: '4',
    ...target.defines,
  };
  const lines = Object.entries(all).map(([name, value]) => `#define ${name} ${value}\n`);
  return new SourceText('<compiler>', lines.join(''));
}
