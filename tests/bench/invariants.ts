import { DeviceProcess } from './device-process.js';
import { leastMs, type Measurement } from './measurement.js';

const MIB = 1024 * 1024;
const ROUNDS = 30;

/** What proving the machine consistent adds to an ioctl. */
export const invariants: Measurement = {
  name: 'invariants',
  about: 'proving what an ioctl touched, against the ioctl (4 MiB to the device)',
  run() {
    const sizeBytes = 4 * MIB;
    const process = new DeviceProcess({ ramBytes: 64 * MIB });
    const at = { addr: process.buffer(sizeBytes), ptr: process.buffer(sizeBytes), sizeBytes };
    let ioctl = Number.POSITIVE_INFINITY;
    let check = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      ioctl = Math.min(
        ioctl,
        leastMs(1, () => process.command('MIGRATE_TO_DEV', at)),
      );
      check = Math.min(
        check,
        leastMs(1, () => process.checkTouched(at)),
      );
      process.command('MIGRATE_TO_SYS', at);
    }
    return [
      { name: 'invariants to ioctl', value: check / ioctl, unit: 'x', goal: '< 0.1' },
      { name: 'everything', value: leastMs(5, () => process.machine.checkInvariants()), unit: 'ms' },
      { name: 'invariants', value: check, unit: 'ms' },
      { name: 'ioctl', value: ioctl, unit: 'ms' },
    ];
  },
};
