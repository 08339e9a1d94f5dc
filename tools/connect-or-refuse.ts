import { connect } from '../uapi/client/connect.js';
import type { WireTransport } from '../uapi/client/wire-transport.js';
import type { HelloOptions } from '../uapi/wire/message.js';
import { UsageError } from './exit-code.js';

/** A session with the daemon on `socket`, for a command that can't do without. Throws UsageError. */
export async function connectOrRefuse(socket: string, hello: HelloOptions): Promise<WireTransport> {
  try {
    return await connect({ socket, ...hello });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(why, 'start a daemon with `dmirror serve`, or name the socket of one that runs');
  }
}
