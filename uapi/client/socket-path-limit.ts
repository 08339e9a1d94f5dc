/** Bytes of a Unix socket's path that `sockaddr_un` has room for, the ending NUL not counted. */
const LIMIT_BYTES: Partial<Record<NodeJS.Platform, number>> = { linux: 107, darwin: 103, freebsd: 103 };

/** Why a socket can't have this path, or null. A longer path would be cut in silence, and so name another socket. */
export function socketPathProblem(path: string, platform: NodeJS.Platform = process.platform): string | null {
  const limit = platform === 'win32' ? undefined : (LIMIT_BYTES[platform] ?? 103);
  const bytes = new TextEncoder().encode(path).length;
  if (limit === undefined || bytes <= limit) return null;
  return `a socket's path has at most ${limit} bytes here, and this one has ${bytes}: ${path}`;
}
