import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { socketPathProblem } from '../../uapi/client/socket-path-limit.js';

/** The socket can't be used; the message says why and the way out. */
export class SocketPathError extends Error {
  override readonly name = 'SocketPathError';
}

/** Where a daemon listens when nobody says otherwise. */
export function defaultSocketPath(env: NodeJS.ProcessEnv = process.env): string {
  if (process.platform === 'win32') return '\\\\.\\pipe\\dmirror';
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'dmirror.sock');
  return join(tmpdir(), `dmirror-${userInfo().uid}.sock`);
}

/** Makes room for a socket at `path`: one whose daemon is gone is removed. Rejects with SocketPathError when there can be none. */
export async function clearStaleSocket(path: string): Promise<void> {
  const problem = socketPathProblem(path);
  if (problem !== null) throw new SocketPathError(`${problem}; name a shorter one with --socket`);
  // Node would call it a lack of permission.
  const folder = dirname(resolve(path));
  if (!existsSync(folder))
    throw new SocketPathError(`the folder ${folder} does not exist; make it, or name another path with --socket`);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketPathError(`${path} exists and is no socket; name another path with --socket`);
  if (await answers(path)) {
    throw new SocketPathError(`a daemon is already listening on ${path}; stop it or name another path with --socket`);
  }
  // Only what was probed is removed: somebody else may have replaced it in the meantime.
  if (lstatSync(path, { throwIfNoEntry: false })?.ino === found.ino) unlinkSync(path);
}

/** Somebody accepts connections there. A socket that may not be opened counts as live: it is not ours to remove. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
