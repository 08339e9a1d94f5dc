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

  it('is enough for a client in Python', needs('python3'), async () => {
    const { path } = await serve();
    const { stdout } = await promisify(execFile)('python3', [join(HERE, 'daemon-client.py'), path]);
    expect(stdout.trim().split('\n')).toEqual([
      'snapshot 2222',
      'segv [11, 1, 4096]',
      'error no-such-thread',
      'check True',
    ]);
  });
});
