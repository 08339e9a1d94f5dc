import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { FrameReader, HEADER_BYTES, putHeader } from '../../../uapi/wire/frame.js';

/** What happens to one frame that a client sends; `slow_reader` is about what it is sent. */
export type WireFault = 'frame_delay' | 'frame_cut' | 'frame_twice' | 'session_drop' | 'slow_reader';
export const WIRE_FAULTS: readonly WireFault[] = [
  'frame_delay',
  'frame_cut',
  'frame_twice',
  'session_drop',
  'slow_reader',
];

const DELAY_MS = 20;
const FRAME_LIMIT = 2 ** 28;

/** Stands between clients and a daemon, and mistreats the nth frame (from 1) of each client. */
export class WireProxy {
  /** Frames that clients have sent so far. */
  frames = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(
    private readonly target: string,
    private readonly fault: { kind: WireFault; nth: number } | null,
  ) {
    this.server = createServer((client) => this.join(client));
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(path, () => resolve());
    });
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket): void {
    const upstream = connectSocket({ path: this.target });
    const reader = new FrameReader(FRAME_LIMIT);
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('close', () => upstream.end());
    upstream.on('close', () => client.destroy());
    upstream.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) =>
      reader.push(chunk as Buffer, (payload) => {
        this.forward(payload, { client, upstream });
        return true;
      }),
    );
  }

  private forward(payload: Uint8Array, { client, upstream }: { client: Socket; upstream: Socket }): void {
    const frame = new Uint8Array(HEADER_BYTES + payload.length);
    putHeader(frame, payload.length);
    frame.set(payload, HEADER_BYTES);
    const isStruck = ++this.frames === this.fault?.nth;
    switch (isStruck ? this.fault!.kind : null) {
      case 'frame_delay':
        client.pause();
        setTimeout(() => {
          upstream.write(frame);
          client.resume();
        }, DELAY_MS);
        break;
      case 'frame_cut':
        upstream.end(frame.subarray(0, Math.ceil(frame.length / 2)));
        client.destroy();
        break;
      case 'frame_twice':
        upstream.write(frame);
        upstream.write(frame);
        break;
      case 'session_drop':
        // The call is on its way into the kernel when its session is gone.
        upstream.write(frame, () => upstream.destroy());
        client.destroy();
        break;
      case 'slow_reader':
        upstream.write(frame);
        upstream.pause();
        setTimeout(() => upstream.resume(), DELAY_MS);
        break;
      default:
        upstream.write(frame);
    }
  }
}
