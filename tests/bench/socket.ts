import { readFileSync } from 'node:fs';
import { connect } from '../../uapi/client/connect.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import type { WireTransport } from '../../uapi/client/wire-transport.js';
import { O_RDWR } from '../../uapi/fcntl.js';
import { callPieces } from '../../uapi/wire/message.js';
import { type Measurement, median, type Row } from './measurement.js';
import { exchange, pairs, Servers } from './served.js';

const MIB = 2 ** 20;
const PAGE_BYTES = 4096;
const PIPELINED = 64;
const STORE_BYTES = 4 * MIB;
const SESSIONS = 200;
const CALLS_PER_SESSION = 50;
/** No dialect has it: the record is read, and the answer is an errno. */
const NO_COMMAND = 0xc02848ff;

/** A process with a device open, and the bytes of the smallest ioctl it can make. */
async function deviceProcess(session: WireTransport) {
  const process = await ProcessHandle.create(session);
  const fd = await process.open('/dev/hmm_dmirror0', O_RDWR);
  const memory = await process.map(STORE_BYTES);
  await memory.writeBytes(new Uint8Array(STORE_BYTES));
  const ioctl = () => process.ioctl(fd, NO_COMMAND, memory.addr);
  const [frame] = callPieces(1000, process.tid, 'ioctl', [fd, NO_COMMAND, memory.addr]);
  return { process, memory, ioctl, frame: frame!.slice() };
}

/** What the protocol and the machine add to a socket. */
export const socket: Measurement = {
  name: 'socket',
  about: 'calls through a daemon, against a bare Node socket server that gets the same bytes',
  async run() {
    const servers = new Servers();
    try {
      const { path, pid } = await servers.daemon();
      const idleMib = rssMib(pid);
      const session = await connect({ socket: path });
      const rows = [
        ...(await smallCalls(servers, session)),
        ...(await stores(servers, session)),
        ...(await manySessions(path)),
      ];
      await session.close();
      return [...rows, { name: 'idle daemon RSS', value: idleMib, unit: 'M', goal: '< 120' }];
    } finally {
      servers.end();
    }
  },
};

async function smallCalls(servers: Servers, session: WireTransport): Promise<Row[]> {
  const echo = await servers.raw('echo');
  const { ioctl, frame } = await deviceProcess(session);
  const [one, rawOne] = await pairs(10_000, ioctl, () => exchange(echo, [frame], frame.length));
  const frames = Array.from({ length: PIPELINED }, () => frame);
  const [many, rawMany] = await pairs(
    300,
    () => Promise.all(Array.from({ length: PIPELINED }, ioctl)),
    () => exchange(echo, frames, frame.length * PIPELINED),
  );
  echo.destroy();
  return [
    { name: 'empty ioctl to echo', value: one / rawOne, unit: 'x', goal: '<= 1.6' },
    { name: `${PIPELINED} pipelined ioctls to echoes`, value: many / rawMany, unit: 'x', goal: '<= 4' },
    { name: 'empty ioctl', value: one * 1000, unit: 'us' },
    { name: 'echo', value: rawOne * 1000, unit: 'us' },
    { name: `${PIPELINED} pipelined ioctls`, value: many * 1000, unit: 'us' },
    { name: `${PIPELINED} pipelined echoes`, value: rawMany * 1000, unit: 'us' },
  ];
}

async function stores(servers: Servers, session: WireTransport): Promise<Row[]> {
  const sink = await servers.raw('sink', STORE_BYTES);
  const { memory } = await deviceProcess(session);
  const bytes = new Uint8Array(STORE_BYTES).fill(0x5a);
  const [store, raw] = await pairs(
    40,
    () => memory.writeBytes(bytes),
    () => exchange(sink, [bytes], 1),
  );
  sink.destroy();
  return [
    { name: '4 MiB store to bare socket, byte rate', value: raw / store, unit: 'x', goal: '>= 0.3' },
    { name: '4 MiB store', value: store, unit: 'ms' },
    { name: '4 MiB bare', value: raw, unit: 'ms' },
  ];
}

/** Every session makes its calls one after the other, all sessions at once. */
async function manySessions(path: string): Promise<Row[]> {
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => connect({ socket: path })));
  const processes = await Promise.all(sessions.map((session) => ProcessHandle.create(session)));
  const start = performance.now();
  const times = await Promise.all(
    processes.map(async (process) => {
      for (let i = 0; i < CALLS_PER_SESSION; i++) await process.mmap(PAGE_BYTES);
      return performance.now() - start;
    }),
  );
  await Promise.all(sessions.map((session) => session.close()));
  return [
    {
      name: `${SESSIONS} sessions, slowest to median`,
      value: Math.max(...times) / median(times),
      unit: 'x',
      goal: '<= 3',
    },
    { name: `${SESSIONS} sessions, median`, value: median(times), unit: 'ms' },
  ];
}

/** Resident memory of a process; 0 where /proc is not there. */
function rssMib(pid: number): number {
  try {
    const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) / 1024;
  } catch {
    return 0;
  }
}
