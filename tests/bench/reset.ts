import { Machine } from '../../driver/sys/machine.js';
import { DeviceProcess } from './device-process.js';
import { leastMs, type Measurement } from './measurement.js';

const MIB = 1024 * 1024;
const ROUNDS = 200;
/** A short life: what an explored schedule touches. */
const USED_BYTES = 64 * 1024;

/** Holds what was allocated last, so that the allocation can't be left out. */
const kept: { buffer?: ArrayBuffer } = {};

/** Issue goal 3: a pooled machine begins a new life far cheaper than a new one could be made. */
export const reset: Measurement = {
  name: 'reset',
  about: 'Machine.reset() of a used 16 MiB machine, against allocating a new 16 MiB ArrayBuffer',
  run() {
    const machine = new Machine({ ramBytes: 16 * MIB });
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      const process = new DeviceProcess(machine);
      const at = { addr: process.buffer(USED_BYTES), ptr: process.buffer(USED_BYTES), sizeBytes: USED_BYTES };
      process.roundTrip(at);
      least = Math.min(
        least,
        leastMs(1, () => machine.reset()),
      );
    }
    const allocate = leastMs(ROUNDS, () => {
      kept.buffer = new ArrayBuffer(16 * MIB);
    });
    return [
      { name: 'reset to allocation', value: least / allocate, unit: 'x', goal: '<= 0.2' },
      { name: 'reset', value: least * 1000, unit: 'us' },
      { name: 'allocation', value: allocate * 1000, unit: 'us' },
    ];
  },
};
