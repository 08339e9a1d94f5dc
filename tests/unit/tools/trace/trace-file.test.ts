import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../../../driver/sys/machine/machine.js';
import type { TraceEvent } from '../../../../driver/trace/trace-event.js';
import { TRACE_KINDS } from '../../../../driver/trace/trace-text.js';
import { PacketType } from '../../../../tools/trace/perfetto-packet.js';
import { TRACE_FORMATS, TraceFile, traceFormat, traceWriter } from '../../../../tools/trace/trace-file.js';
import type { PathName } from '../../../../uapi/path-name.js';
import { Replayer } from '../../../conform/replay.js';
import { type Packet, readPerfetto } from './perfetto-read.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OPS = [
  'open 0 0',
  'map 0 0 0 4 anon rw',
  'store 0 0 0 4 0x10',
  'dm 0 0 MIGRATE_TO_DEV 0 0 4',
  'load 0 0 1 1',
  'dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 4',
];

/** What the file holds after a small sequence, twice. */
function traced(name: string, path: PathName = 'classic'): Buffer {
  const file = join(folder, name);
  const trace = new TraceFile(file);
  const replayer = new Replayer({ path, onMachine: (machine, seq) => trace.listen(machine, { name: seq }) });
  for (const seq of ['mix-1', 'mix-2']) replayer.record(seq, OPS);
  trace.end();
  return readFileSync(file);
}

function decoded(path: PathName): Packet[] {
  return readPerfetto(traced('t.pftrace', path));
}

/** The slices of a track as a tree of names, `a(b c)`; fails where they do not nest. */
function treeOf(packets: readonly Packet[], track: number): string {
  let text = '';
  let depth = 0;
  for (const { type, name, track: at } of packets) {
    if (at !== track) continue;
    if (type === PacketType.begin) {
      text += `${name}(`;
      depth++;
    } else if (type === PacketType.end) {
      expect(--depth, text).toBeGreaterThanOrEqual(0);
      text += ')';
    }
  }
  expect(depth).toBe(0);
  return text;
}

function tracksOf(packets: readonly Packet[], is: (packet: Packet) => unknown): number[] {
  return packets.filter((packet) => packet.uuid !== undefined && is(packet)).map(({ uuid }) => uuid!);
}

/** How many values something holds, directly or through others; of text and bytes, how many there are. */
function reachableFrom(root: unknown): number {
  const seen = new Set<unknown>();
  const todo = [root];
  let count = 0;
  while (todo.length > 0) {
    const value = todo.pop();
    count += typeof value === 'string' ? value.length : 1;
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (ArrayBuffer.isView(value)) count += value.byteLength;
    else if (value instanceof Map || value instanceof Set) todo.push(...value.keys(), ...value.values());
    else todo.push(...Object.values(value));
  }
  return count;
}

describe('a Perfetto trace', () => {
  it.each(['classic', 'unified'] as const)('nests calls, commands, chunks and stages on %s', (path) => {
    const packets = decoded(path);
    const [task] = tracksOf(packets, ({ thread }) => thread?.startsWith('task 1'));
    const tree = treeOf(packets, task!).replace(/0x[0-9a-f]+/g, 'X');
    expect(tree).toContain('MIGRATE_TO_DEV(chunk X(setup(collect()unmap())copy()pages()finalize())');
    expect(tree).toContain('load(fault read X(');
    expect(tree).toMatch(
      /MIGRATE_ON_FAULT_TO_DEV\(chunk X\(.*setup\(collect\(\)unmap\(\)\)copy\(\)pages\(\)finalize\(\)\)/,
    );
  });

  it('has a process a run, balanced slices on every track, time that only grows, and counters that end where they began', () => {
    const packets = decoded('unified');
    expect(packets.flatMap(({ process }) => process ?? [])).toEqual(['mix-1', 'mix-2']);
    for (const track of tracksOf(packets, ({ isCounter }) => !isCounter)) treeOf(packets, track);
    const times = packets.flatMap(({ at }) => at ?? []);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const track of tracksOf(packets, ({ trackName }) => trackName === 'prepared pages')) {
      const values = packets.filter((packet) => packet.track === track).map(({ value }) => value);
      expect(values.at(-1)).toBe(0);
      expect(values).toContain(4);
    }
    const [device] = tracksOf(packets, ({ trackName }) => trackName === 'pages of device 0');
    expect(packets.filter(({ track }) => track === device).map(({ value }) => value)).toContain(4);
  });

  it('draws a wait as an arrow to whoever has the lock', () => {
    const chunks: Uint8Array[] = [];
    const writer = traceWriter('perfetto', (chunk) => void chunks.push(chunk as Uint8Array));
    writer.begin('');
    const events: TraceEvent[] = [
      { tick: 1, task: 2, kind: 'lock', lock: 'mmap_lock', instance: 0, trylock: false },
      { tick: 2, task: 1, kind: 'wait', for: 'mmap_lock', owner: 2 },
      { tick: 3, task: 2, kind: 'unlock', lock: 'mmap_lock', instance: 0 },
      { tick: 4, task: 1, kind: 'lock', lock: 'mmap_lock', instance: 0, trylock: false },
    ];
    for (const event of events) writer.event(event);
    writer.end();
    const packets = readPerfetto(Buffer.concat(chunks));
    const waits = packets.find(({ flow }) => flow !== undefined)!;
    const has = packets.find(({ endOfFlow }) => endOfFlow === waits.flow)!;
    expect(waits).toMatchObject({ name: 'waits for mmap_lock', type: PacketType.begin, at: 2000 });
    expect(tracksOf(packets, ({ thread }) => thread === 'task 2')).toContain(has.track);
    expect(treeOf(packets, waits.track!)).toBe('waits for mmap_lock()');
    for (const track of tracksOf(packets, ({ trackName }) => trackName === 'locks'))
      expect(treeOf(packets, track)).toBe('mmap_lock()');
  });
});

describe('an ftrace text', () => {
  const lines = traced('t.txt').toString().trimEnd().split('\n');

  it('has the lines of trace-cmd report', () => {
    expect(lines[0]).toBe('cpus=1');
    const line = /^ *\S+-\d+ +\[000\] +\d+\.\d{9}: (print|\w+): ?.*$/;
    for (const text of lines.slice(1)) expect(text).toMatch(line);
  });

  it.each([
    /sched_switch: prev_comm=\S+ prev_pid=\d+ prev_prio=120 prev_state=[RD] ==> next_comm=\S+ next_pid=\d+ next_prio=120$/,
    /dmirror_load_begin:$/,
    /page_fault_user: address=0x[0-9a-f]+ ip=0x0 error_code=0x4$/,
    /lock_acquire: 0x0 mmap_lock$/,
    /set_migration_pte: addr=[0-9a-f]+, pte=[0-9a-f]+ order=0$/,
    /remove_migration_pte: addr=[0-9a-f]+, pte=[0-9a-f]+ order=0$/,
    /dmirror_chunk_end: 0x[0-9a-f]+ ret=0$/,
    /print: # mix-2$/,
  ])('says %s', (expected) => {
    expect(lines.some((line) => expected.test(line))).toBe(true);
  });
});

describe('the format', () => {
  it('of JSON lines is one object a line, a run named before its events', () => {
    const objects = traced('t.json')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(objects.filter(({ run }) => run !== undefined)).toEqual([{ run: 'mix-1' }, { run: 'mix-2' }]);
    expect(objects.filter(({ kind }) => kind === 'ioctl')).toHaveLength(8);
  });

  it.each(TRACE_FORMATS)(
    '%s goes out as events come, and its writer keeps no more after many than after few',
    (format) => {
      const events: TraceEvent[] = [];
      const onMachine = (machine: Machine) => machine.listen((event) => void events.push(event), new Set(TRACE_KINDS));
      new Replayer({ path: 'classic', onMachine }).record('mix-1', OPS);
      let written = 0;
      const writer = traceWriter(format, ({ length }) => {
        written += length;
      });
      const kept = [10, 300].map((rounds) => {
        for (let round = 0; round < rounds; round++) {
          if (round % 10 === 0) writer.begin('run');
          for (const event of events) writer.event(event);
        }
        return { written, reachable: reachableFrom(writer) };
      });
      expect(kept[0]!.reachable).toBeGreaterThan(1);
      expect(kept[1]!.written).toBeGreaterThan(20 * kept[0]!.written);
      expect(kept[1]!.reachable).toBeLessThanOrEqual(kept[0]!.reachable);
    },
  );

  it.each([
    ['t.dat', "--trace '.*t.dat': its ending names no format"],
    ['missing/t.json', "--trace '.*missing/t.json'"],
  ])('of %s is refused in a line', (name, message) => {
    expect(() => new TraceFile(join(folder, name))).toThrow(new RegExp(message));
  });

  it('that does not exist gets the nearest', () => {
    expect(() => traceFormat('perfeto')).toThrow("there is no trace format 'perfeto'; near: perfetto");
  });
});
