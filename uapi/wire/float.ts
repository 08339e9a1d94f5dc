// Big-endian float 64, which msgpack writes, without an object for each.

const value = new Float64Array(1);
const bytes = new Uint8Array(value.buffer);
const IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export function putFloat(into: Uint8Array, at: number, number: number): void {
  value[0] = number;
  for (let i = 0; i < 8; i++) into[at + i] = bytes[IS_LITTLE ? 7 - i : i];
}

export function floatAt(from: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) bytes[IS_LITTLE ? 7 - i : i] = from[at + i];
  return value[0];
}
