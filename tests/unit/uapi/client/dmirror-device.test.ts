import { describe, expect, test } from 'vitest';
import { Dmirror, UnknownCommandError } from '../../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../../uapi/client/process-handle.js';
import { SignalError, SyscallError, type Transport } from '../../../../uapi/client/transport.js';
import { EINTR, ENODEV } from '../../../../uapi/errno.js';
import { decodeHmmDmirrorCmd, encodeResult } from '../../../../uapi/hmm-dmirror.js';
import type { CallArg, CallResult } from '../../../../uapi/system-call.js';

/** Answers each call from a table and keeps a list of what was called. */
class FakeTransport implements Transport {
  readonly calls: string[] = [];
  readonly args: CallArg[][] = [];

  constructor(private readonly answers: Record<string, (args: CallArg[]) => CallResult>) {}

  async call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    this.calls.push(`${tid}:${name}`);
    this.args.push(args);
    return this.answers[name](args);
  }

  async createProcess(): Promise<number> {
    return 7;
  }

  async close(): Promise<void> {}
}

function done(args: CallArg[], cpages: number, faults: number): CallResult {
  const bytes = (args[2] as Uint8Array).slice();
  encodeResult(new DataView(bytes.buffer), cpages, faults);
  return { ret: 0, bytes };
}

describe('a command', () => {
  test('is one ioctl with the record, and answers its outputs', async () => {
    const transport = new FakeTransport({ ioctlBytes: (args) => done(args, 3, 1) });
    const device = new Dmirror(await ProcessHandle.create(transport), 5);
    expect(await device.command('READ', 0x4000, 3, 0x9000)).toEqual({ ret: 0, cpages: 3, faults: 1 });
    expect(transport.calls).toEqual(['7:ioctlBytes']);
    expect(transport.args[0].slice(0, 2)).toEqual([5, 0xc0284800]);
    const record = decodeHmmDmirrorCmd(transport.args[0][2] as Uint8Array);
    expect(record).toEqual({ addr: 0x4000n, ptr: 0x9000n, npages: 3n, cpages: 0n, faults: 0n });
  });

  test('is repeated when a signal interrupted it', async () => {
    let left = 2;
    const transport = new FakeTransport({ ioctlBytes: (args) => (left-- > 0 ? { ret: -EINTR } : done(args, 1, 0)) });
    const device = new Dmirror(await ProcessHandle.create(transport), 5);
    expect((await device.command('READ', 0, 1)).ret).toBe(0);
    expect(transport.calls).toHaveLength(3);
  });

  test('names the dialect only when one was asked for', async () => {
    const transport = new FakeTransport({ ioctlBytes: (args) => done(args, 1, 0) });
    const process = await ProcessHandle.create(transport);
    await new Dmirror(process, 5).command('READ', 0, 1);
    await new Dmirror(process, 5, { dialect: 'M5' }).command('READ', 0, 1);
    expect(transport.args.map((args) => args[3])).toEqual([undefined, 'M5']);
  });

  test('that the dialect lacks is an error of the caller', async () => {
    const device = new Dmirror(await ProcessHandle.create(new FakeTransport({})), 5, { dialect: 'M5' });
    await expect(device.command('MIGRATE_ON_FAULT_TO_DEV', 0, 1)).rejects.toThrow(UnknownCommandError);
  });
});

describe('a command with data', () => {
  test('maps a buffer once, and reads it after success', async () => {
    const transport = new FakeTransport({
      mmap: () => ({ ret: 0x9000 }),
      ioctlBytes: (args) => done(args, 2, 0),
      load: (args) => ({ ret: args[1] as number, bytes: new Uint8Array(args[1] as number).fill(2) }),
    });
    const device = new Dmirror(await ProcessHandle.create(transport), 5);
    expect(await device.snapshot(0x4000, 2)).toEqual({ ret: 0, cpages: 2, faults: 0, data: Uint8Array.of(2, 2) });
    await device.snapshot(0x4000, 2);
    expect(transport.calls.map((call) => call.slice(2))).toEqual(['mmap', 'ioctlBytes', 'load', 'ioctlBytes', 'load']);
  });

  test('reads nothing after an error', async () => {
    const transport = new FakeTransport({ mmap: () => ({ ret: 0x9000 }), ioctlBytes: () => ({ ret: -14 }) });
    const device = new Dmirror(await ProcessHandle.create(transport), 5);
    expect(await device.read(0x4000, 1)).toEqual({ ret: -14, cpages: 0, faults: 0, data: new Uint8Array() });
  });
});

describe('errors', () => {
  test('of a call that must succeed carry the errno', async () => {
    const process = await ProcessHandle.create(new FakeTransport({ open: () => ({ ret: -ENODEV }) }));
    const error = await Dmirror.open(process, 9).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SyscallError);
    expect((error as SyscallError).errno).toBe(ENODEV);
    expect((error as SyscallError).message).toBe('open /dev/hmm_dmirror9: -ENODEV');
  });

  test('of a memory access carry the signal', async () => {
    const signal = { signo: 11, code: 1, addr: 0x5000 };
    const process = await ProcessHandle.create(new FakeTransport({ load: () => ({ ret: 0, signal }) }));
    const error = await process.read(0x5000, 4).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SignalError);
    expect((error as SignalError).message).toBe('load: SIGSEGV (code 1) at 0x5000');
  });
});
