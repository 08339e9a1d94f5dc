import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';

export const REDIS = 'redis-server';

/** Starts one that keeps its data in `folder`. Resolves when it takes connections, of this machine alone. */
export async function startRedis(folder: string, words: readonly string[]): Promise<ChildProcess> {
  const own = ['--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const redis = spawn(REDIS, [...own, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((ready, failed) => {
    redis.stdout.on('data', (text) => /Ready to accept/.test(String(text)) && ready());
    redis.once('exit', (code) => failed(new Error(`${REDIS} ended with ${code}`)));
  });
  return redis;
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
