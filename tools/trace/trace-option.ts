import { Option } from 'commander';
import { UsageError } from '../exit-code.js';
import { TRACE_FORMATS, TraceFile, type TraceFormat } from './trace-file.js';

/** What the two options come to. */
export interface TraceOptions {
  readonly trace?: string | undefined;
  readonly traceFormat?: string | undefined;
}

/** `--trace` of a command; `flags` where its file may be left out. */
export function traceOption(flags = '--trace <file>', without = ''): Option {
  return new Option(
    flags,
    `write all that happens to a file: .json (lines), .pftrace (Perfetto), .txt (ftrace)${without}`,
  );
}

export function traceFormatOption(): Option {
  return new Option('--trace-format <name>', `whatever the ending of --trace says: ${TRACE_FORMATS.join(', ')}`);
}

/** The file that `--trace` names, open, or null without. Throws OutputError, UsageError. */
export function openTrace({ trace, traceFormat }: TraceOptions, fallback?: TraceFormat): TraceFile | null {
  if (trace === undefined && traceFormat !== undefined)
    throw new UsageError('--trace-format says how --trace FILE is written', 'add --trace FILE');
  if (trace === undefined) return null;
  return new TraceFile(trace, { format: traceFormat, ...(fallback === undefined ? {} : { fallback }) });
}
