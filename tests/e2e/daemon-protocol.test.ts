import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { controls } from '../../driver/daemon/controls.js';
import { DEFAULT_LIMITS } from '../../driver/daemon/limits.js';
import { PROFILE_NAMES } from '../../driver/mm/profile.js';
import { syscalls } from '../../driver/sys/calls/syscalls.js';
import { DEFAULT_MACHINE_OPTIONS } from '../../driver/sys/machine/machine-options.js';
import { needs } from '../needs.js';
import { serve } from '../unit/daemon/helpers.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const README = readFileSync(join(HERE, '../../uapi/wire/README.md'), 'utf8');

/** What a user of tools/clients/python would write. */
const PYTHON = `
import struct, sys
from dmirror import Client, DmirrorError
client = Client(sys.argv[1], dialect="M5", client="python")
pid = client.process()
addr, mirror = (client.call(pid, "mmap", 0, 8192, 3, 0x22, -1, 0).ret for _ in range(2))
assert client.call(pid, "store", addr, b"\x5a" * 8192).ret == 8192
fd = client.call(pid, "open", "/dev/hmm_dmirror0", 2).ret
numbers = client.control("describe")["commands"]
record = struct.pack("<5Q", addr, mirror, 2, 0, 0)
ret, after, _, _ = client.call(pid, "ioctlBytes", fd, numbers["MIGRATE_TO_DEV"], record)
assert ret == 0 and client.call(pid, "load", mirror, 8192).data == b"\x5a" * 8192
print("migrated", struct.unpack("<5Q", after)[3], "of 2")
client.call(pid, "store", mirror, struct.pack("<5Q", addr, mirror + 4096, 2, 0, 0))
assert client.call(pid, "ioctl", fd, numbers["SNAPSHOT"], mirror).ret == 0
print("snapshot", client.call(pid, "load", mirror + 4096, 2).data.hex())
print("segv", client.call(pid, "load", 4096, 1).signal)
try:
    client.call(999, "fork")
except DmirrorError as error:
    print("error", error.code)
child = client.call(pid, "fork").ret
waiting = client.start(pid, "wait", child)
client.start(child, "exit", 7)
print("waited", client.finish(waiting).status >> 8)
print("check", client.control("check")["ok"])
client.close()
`;

describe('the protocol as its README has it', () => {
  it('answers the worked example byte by byte', async () => {
    const { raw } = await serve();
    const peer = await raw();
    const got: Buffer[] = [];
    peer.socket.on('data', (chunk) => got.push(chunk as Buffer));
    const lines = [...README.matchAll(/^([<>])((?: +[\da-f]{2})+)(?: |$)/gm)];
    expect(lines.length).toBe(7);
    const expected: string[] = [];
    for (const [, side, text = ''] of lines) {
      const bytes = Buffer.from(text.replaceAll(' ', ''), 'hex');
      expect(bytes.readUInt32BE()).toBe(bytes.length - 4);
      if (side === '<') expected.push(bytes.toString('hex'));
      else peer.bytes(bytes);
    }
    while (peer.replies.length < expected.length + 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const all = Buffer.concat(got).toString('hex');
    expect(all.slice(-expected.join('').length)).toBe(expected.join(''));
  });

  it('has a row for each system call, with the arguments that the call takes', () => {
    const section = README.slice(README.indexOf('## System calls'), README.indexOf('## Control requests'));
    const rows = [...section.matchAll(/^\| (\w+) \| ?(.*?) ?\| [^|]* \|$/gm)].slice(1);
    const kinds = (text: string): string => text.replace('[', '?').replace(/[^,?]* ([nsb])\b\]?,? ?/g, '$1');
    const documented = rows.map(([, name, text]) => [name, kinds(text!)]);
    const real = Object.entries(syscalls).map(([name, { args }]) => [name, args]);
    expect(documented.sort()).toEqual(real.sort());
  });

  it('names every system call, control request, option of boot and limit', () => {
    const cells = (line: string) => line.split('|').map((cell) => cell.trim());
    const rows = README.split('\n')
      .filter((line) => line.startsWith('|'))
      .map(cells);
    const firstColumn = rows.flatMap(([, first]) => first!.replaceAll('`', '').split(' / '));
    for (const name of [...Object.keys(syscalls), ...Object.keys(controls)]) expect(firstColumn).toContain(name);
    for (const name of Object.keys(DEFAULT_MACHINE_OPTIONS)) expect(README).toContain(`\`${name}\``);
    for (const name of PROFILE_NAMES) expect(README).toContain(`\`${name}\``);
    const limits = rows.filter(([, name]) => Object.hasOwn(DEFAULT_LIMITS, name!));
    const units: Record<string, number> = { MiB: 2 ** 20, GiB: 2 ** 30 };
    const asNumber = (text: string) => Number(text.split(' ')[0]) * (units[text.split(' ')[1]!] ?? 1);
    expect(Object.fromEntries(limits.map(([, name, value]) => [name, asNumber(value!)]))).toEqual(DEFAULT_LIMITS);
  });

  it('is enough for the client in Python', needs('python3'), async () => {
    const { path } = await serve();
    const env = { ...process.env, PYTHONPATH: join(HERE, '../../tools/clients/python'), PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await promisify(execFile)('python3', ['-c', PYTHON, path], { env });
    expect(stdout.trim().split('\n')).toEqual([
      'migrated 2 of 2',
      'snapshot 2222',
      'segv [11, 1, 4096]',
      'error no-such-thread',
      'waited 7',
      'check True',
    ]);
  });
});
