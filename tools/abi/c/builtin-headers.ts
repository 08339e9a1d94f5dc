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
#define _IO _IO
#define _IOR _IOR
#define _IOW _IOW
#define _IOWR _IOWR
#define _IOC _IOC
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

const LIMITS = `
#define CHAR_BIT 8
#define SCHAR_MAX 127
#define UCHAR_MAX 255
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX 4294967295U
#define LONG_MAX ((long)(~0UL >> 1))
#define LONG_MIN (-LONG_MAX - 1L)
#define ULONG_MAX (~0UL)
#define LLONG_MAX 9223372036854775807LL
#define LLONG_MIN (-LLONG_MAX - 1LL)
#define ULLONG_MAX (~0ULL)
#define PATH_MAX 4096
#define NAME_MAX 255
#define IOV_MAX 1024
`;

const STDINT = `
#define INT8_MAX 127
#define INT16_MAX 32767
#define INT32_MAX 2147483647
#define INT64_MAX 9223372036854775807LL
#define UINT8_MAX 255
#define UINT16_MAX 65535
#define UINT32_MAX 4294967295U
#define UINT64_MAX (~0ULL)
#define SIZE_MAX (~0UL)
#define UINT32_C(x) x ## U
#define UINT64_C(x) x ## ULL
#define INT64_C(x) x ## LL
`;

const TIME = `
#ifndef __dmirror_time
#define __dmirror_time
struct timeval { long tv_sec; long tv_usec; };
struct timespec { long tv_sec; long tv_nsec; };
#endif
`;

const SOCKET = `
#ifndef __dmirror_socket
#define __dmirror_socket
struct sockaddr { unsigned short sa_family; char sa_data[14]; };
struct __kernel_sockaddr_storage { unsigned short ss_family; char __data[118]; unsigned long __align; };
#define sockaddr_storage __kernel_sockaddr_storage
#endif
`;

const INTERNET = `${SOCKET}
#ifndef __dmirror_in
#define __dmirror_in
#define IFNAMSIZ 16
#define ETH_ALEN 6
struct in_addr { __be32 s_addr; };
struct in6_addr { union { __u8 u6_addr8[16]; __be16 u6_addr16[8]; __be32 u6_addr32[4]; } in6_u; };
struct sockaddr_in { unsigned short sin_family; __be16 sin_port; struct in_addr sin_addr; unsigned char __pad[8]; };
struct sockaddr_in6 { unsigned short sin6_family; __be16 sin6_port; __be32 sin6_flowinfo; struct in6_addr sin6_addr; __u32 sin6_scope_id; };
#endif
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
  'linux/compiler.h': STDDEF,
  'linux/compiler_types.h': NOTHING,
  'stddef.h': `${STDDEF}#define offsetof(t, m) __builtin_offsetof(t, m)\n`,
  'stdarg.h': NOTHING,
  'stdbool.h': '#define bool _Bool\n#define true 1\n#define false 0\n',
  'float.h': NOTHING,
};

/** Of the C library, for where it has no headers: only what a uapi header ever takes from them. */
const LIBC: Readonly<Record<string, string>> = {
  'stdint.h': LIMITS + STDINT,
  'inttypes.h': LIMITS + STDINT,
  'limits.h': LIMITS,
  'sys/types.h': '',
  'time.h': TIME,
  'sys/time.h': TIME,
  'sys/socket.h': SOCKET,
  'netinet/in.h': INTERNET,
  'netinet/if_ether.h': INTERNET,
  'net/if.h': INTERNET,
  'endian.h': '',
  'errno.h': '',
  'string.h': '',
  'stdlib.h': '',
  'stdio.h': '',
  'unistd.h': '',
  'fcntl.h': '',
};

const cache = new Map<string, SourceText>();

function once(key: string, make: () => SourceText): SourceText {
  let source = cache.get(key);
  if (source === undefined) {
    source = make();
    cache.set(key, source);
  }
  return source;
}

export function builtinHeader(name: string, target: Target): SourceText | undefined {
  const text = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined;
  if (text === undefined) return undefined;
  return once(
    `${target.name} ${name}`,
    () => new SourceText(`<${name}>`, typeof text === 'string' ? text : text(target)),
  );
}

/** What stands in for a header of the C library that is nowhere on this machine. */
export function libcHeader(name: string, target: Target): SourceText | undefined {
  // glibc has a list of missing functions for each of its ABIs, and installs one.
  const text = Object.hasOwn(LIBC, name) ? LIBC[name] : name.startsWith('gnu/stubs-') ? '' : undefined;
  if (text === undefined) return undefined;
  return once(`${target.name} ${name}`, () => new SourceText(`<${name}>`, text));
}

/** What the compiler defines before the first line. */
export function predefined(target: Target): SourceText {
  return once(`${target.name} compiler`, () => new SourceText('<compiler>', predefinedText(target)));
}

function predefinedText(target: Target): string {
  const long = target.pointerBytes;
  const all: Record<string, string | number> = {
    ...{ __STDC__: 1, __STDC_HOSTED__: 1, __STDC_VERSION__: '201710L', __GNUC__: 12, __GNUC_MINOR__: 2 },
    ...{ __GNUC_PATCHLEVEL__: 0, __linux__: 1, __linux: 1, linux: 1, __unix__: 1, __unix: 1, unix: 1, __ELF__: 1 },
    ...{ __gnu_linux__: 1, __CHAR_BIT__: 8, __GNUC_STDC_INLINE__: 1, __USER_LABEL_PREFIX__: '' },
    ...{ __ORDER_LITTLE_ENDIAN__: 1234, __ORDER_BIG_ENDIAN__: 4321 },
    __BYTE_ORDER__: target.bigEndian ? '__ORDER_BIG_ENDIAN__' : '__ORDER_LITTLE_ENDIAN__',
    ...{ __SIZEOF_POINTER__: long, __SIZEOF_LONG__: long, __SIZEOF_SIZE_T__: long, __SIZEOF_INT__: 4 },
    ...{ __SIZEOF_SHORT__: 2, __SIZEOF_LONG_LONG__: 8, __SIZEOF_FLOAT__: 4, __SIZEOF_DOUBLE__: 8 },
    ...{ __SIZEOF_LONG_DOUBLE__: target.longDoubleBytes, __BIGGEST_ALIGNMENT__: target.maxAlign },
    ...{ __INT_MAX__: '0x7fffffff', __SHRT_MAX__: '0x7fff', __SCHAR_MAX__: '0x7f' },
    ...{ __LONG_LONG_MAX__: '0x7fffffffffffffffLL', __LONG_MAX__: long === 8 ? '0x7fffffffffffffffL' : '0x7fffffffL' },
    ...{ __SIZE_TYPE__: long === 8 ? 'unsigned long' : 'unsigned int', __PTRDIFF_TYPE__: long === 8 ? 'long' : 'int' },
    ...{ __WCHAR_TYPE__: 'int', __WINT_TYPE__: 'unsigned int', __UINT32_TYPE__: 'unsigned int', __INT32_TYPE__: 'int' },
    ...(target.charUnsigned && { __CHAR_UNSIGNED__: 1 }),
    ...target.defines,
  };
  return Object.entries(all)
    .map(([name, value]) => `#define ${name} ${value}\n`)
    .join('');
}
