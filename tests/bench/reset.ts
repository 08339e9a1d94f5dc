import { Machine } from '../../driver/sys/machine/machine.js';
import { DeviceProcess } from './device-process.js';
import { type Measurement, medianPairMs } from './measurement.js';

const MIB = 1024 * 1024;
const ROUNDS = 200;
/** A short life, as one of an explored schedule, and one that fills the machine: buffer, device pages behind it, user buffer. */
const LIVES = [
  { name: 'short life', usedBytes: 64 * 1024 },
  { name: 'full life', usedBytes: 4 * MIB },
];

/** Holds what was allocated last, so that the allocation can't be left out. */
const kept: { buffer?: ArrayBuffer } = {};

/** A pooled machine begins a new life far cheaper than a new one could be made. */
export const reset: Measurement = {
  name: 'reset',
  about: 'Machine.reset() of a used 16 MiB machine, against allocating a new 16 MiB ArrayBuffer',
  run() {
    const machine = new Machine({ ramBytes: 16 * MIB });
    return LIVES.flatMap(({ name, usedBytes }) => {
      const { a, b } = measureReset(machine, usedBytes);
      return [
        { name: `${name}: reset to allocation`, value: a / b, unit: 'x', goal: '<= 0.2' },
        { name: `${name}: reset`, value: a * 1000, unit: 'us' },
        { name: `${name}: allocation`, value: b * 1000, unit: 'us' },
      ];
    });
  },
};

/** A reset after a life that moved `usedBytes` to the device and back, and an allocation, in turns. */
function measureReset(machine: Machine, usedBytes: number): { a: number; b: number } {
  return medianPairMs(ROUNDS, {
    before() {
      const process = new DeviceProcess(machine);
      process.roundTrip({ addr: process.buffer(usedBytes), ptr: process.buffer(usedBytes), sizeBytes: usedBytes });
    },
    a: () => machine.reset(),
    b: () => {
      kept.buffer = new ArrayBuffer(16 * MIB);
    },
  });
}
