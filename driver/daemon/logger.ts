/** A line's fields; their order is the order of the line. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

type LogLevel = 'info' | 'warn' | 'error';

/** Says what the daemon does, one line an event. */
export interface Logger {
  log(level: LogLevel, event: string, fields?: LogFields): void;
}

export type LogFormat = 'text' | 'json';

/** Lines for people (`time level event key=value`) or for programs (one JSON object each). */
export function lineLogger(
  write: (line: string) => void,
  format: LogFormat,
  now: () => Date = () => new Date(),
): Logger {
  return {
    log(level, event, fields = {}) {
      const time = now().toISOString();
      if (format === 'json') return write(JSON.stringify({ time, level, event, ...fields }));
      const rest = Object.entries(fields).filter(([, value]) => value !== undefined);
      const text = rest.map(([key, value]) => ` ${key}=${plain(value as string | number | boolean)}`).join('');
      write(`${time} ${level} ${event}${text}`);
    },
  };
}

/** Text from a client may hold anything: quoted unless it is one plain word, so that it can't forge a line. */
function plain(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w./:@+,-]*$/.test(text) && text !== '' ? text : JSON.stringify(text);
}

export const SILENT: Logger = { log() {} };
