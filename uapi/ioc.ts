// How an ioctl number is put together (include/uapi/asm-generic/ioctl.h): 2 direction bits, 14 size bits, 8 type bits, 8 number bits.
// Numbers are unsigned, because a call that carries both directions has bit 31 set.

export const _IOC_NONE = 0;
export const _IOC_WRITE = 1;
export const _IOC_READ = 2;

const NR_BITS = 8;
const TYPE_BITS = 8;
const SIZE_BITS = 14;
const TYPE_SHIFT = NR_BITS;
const SIZE_SHIFT = TYPE_SHIFT + TYPE_BITS;
const DIR_SHIFT = SIZE_SHIFT + SIZE_BITS;

/** The ioctl number for a direction, a type (a number or its character), a number and an argument size in bytes. */
export function _IOC(dir: number, type: number | string, nr: number, size: number): number {
  const typeCode = typeof type === 'string' ? type.charCodeAt(0) : type;
  return ((dir << DIR_SHIFT) | (size << SIZE_SHIFT) | (typeCode << TYPE_SHIFT) | nr) >>> 0;
}

export function _IO(type: number | string, nr: number): number {
  return _IOC(_IOC_NONE, type, nr, 0);
}

export function _IOR(type: number | string, nr: number, size: number): number {
  return _IOC(_IOC_READ, type, nr, size);
}

export function _IOW(type: number | string, nr: number, size: number): number {
  return _IOC(_IOC_WRITE, type, nr, size);
}

export function _IOWR(type: number | string, nr: number, size: number): number {
  return _IOC(_IOC_READ | _IOC_WRITE, type, nr, size);
}

export function _IOC_NR(cmd: number): number {
  return cmd & 0xff;
}

export function _IOC_TYPE(cmd: number): number {
  return (cmd >>> TYPE_SHIFT) & 0xff;
}

export function _IOC_SIZE(cmd: number): number {
  return (cmd >>> SIZE_SHIFT) & 0x3fff;
}

export function _IOC_DIR(cmd: number): number {
  return (cmd >>> DIR_SHIFT) & 3;
}
