// The two fixtures of the suite and their variants: `hmm` opens one device, `hmm2` two. Device 0 and 1 are private, 2 and 3 coherent.

import { Dmirror } from '../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import { O_RDWR } from '../../uapi/fcntl.js';
import { type SelftestCase, type SelftestContext, SkipError } from './case.js';
import { expectRet } from './expect.js';

/** What a machine of this suite needs beyond the defaults: all four devices, a few hugetlb pages, and races that the seed decides. */
const BOOT_OPTIONS = { coherent: true, hugePages: 4, scheduler: 'random' };

interface Fixture {
  readonly ctx: SelftestContext;
  readonly process: ProcessHandle;
  readonly coherent: boolean;
}

export interface HmmFixture extends Fixture {
  readonly device: Dmirror;
}

export interface Hmm2Fixture extends Fixture {
  readonly device0: Dmirror;
  readonly device1: Dmirror;
}

interface Variant {
  readonly name: 'private' | 'coherent';
  readonly coherent: boolean;
  readonly minors: readonly [number, number];
}

const VARIANTS: readonly Variant[] = [
  { name: 'private', coherent: false, minors: [0, 1] },
  { name: 'coherent', coherent: true, minors: [2, 3] },
];

async function openDevice(process: ProcessHandle, minor: number, mayBeMissing: boolean): Promise<Dmirror> {
  const fd = await process.open(`/dev/hmm_dmirror${minor}`, O_RDWR);
  if (fd < 0 && mayBeMissing) throw new SkipError('DEVICE_COHERENT not available');
  if (fd < 0) expectRet(fd, 0, `open of device ${minor}`);
  return new Dmirror(process, fd);
}

async function closeDevice(device: Dmirror): Promise<void> {
  expectRet(await device.close(), 0, 'close');
}

/** Both variants of a case with one open device. */
export function hmm(name: string, body: (self: HmmFixture) => Promise<void>): SelftestCase[] {
  return VARIANTS.map((variant) => ({
    name: `hmm.hmm_device_${variant.name}.${name}`,
    suite: 'hmm',
    async run(ctx: SelftestContext): Promise<void> {
      const process = await ProcessHandle.create(await ctx.boot(BOOT_OPTIONS));
      const device = await openDevice(process, variant.minors[0], variant.coherent);
      await body({ ctx, process, coherent: variant.coherent, device });
      await closeDevice(device);
    },
  }));
}

/** Both variants of a case with two open devices. */
export function hmm2(name: string, body: (self: Hmm2Fixture) => Promise<void>): SelftestCase[] {
  return VARIANTS.map((variant) => ({
    name: `hmm2.hmm2_device_${variant.name}.${name}`,
    suite: 'hmm',
    async run(ctx: SelftestContext): Promise<void> {
      const process = await ProcessHandle.create(await ctx.boot(BOOT_OPTIONS));
      const device0 = await openDevice(process, variant.minors[0], variant.coherent);
      const device1 = await openDevice(process, variant.minors[1], false);
      await body({ ctx, process, coherent: variant.coherent, device0, device1 });
      await closeDevice(device0);
      await closeDevice(device1);
    },
  }));
}
