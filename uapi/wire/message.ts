// The messages of the protocol, as README.md beside this file specifies them. Both sides use this file.

import type { CallArg, CallResult } from '../system-call.js';
import { payloadFault } from './check-payload.js';
import { packPieces, unpackPayload, type WireValue } from './codec.js';
import type { FrameWriter } from './frame-writer.js';
import { type PlainCall, readPlainCall, readPlainResult, writePlainCall, writePlainResult } from './plain.js';

export const PROTOCOL_VERSION = 1;

/** First element of what a client sends. */
export const REQUEST = { hello: 0, call: 1, process: 2, control: 3 } as const;
/** First element of what a server sends. */
export const REPLY = { welcome: 0, result: 1, answer: 2, error: 3, events: 4 } as const;

/** Why a server did not do what it was asked. Those with an id leave the session as it was; without one the connection ends. */
export type ErrorCode =
  | 'bad-frame'
  | 'bad-message'
  | 'bad-hello'
  | 'bad-call'
  | 'duplicate-id'
  | 'no-such-thread'
  | 'no-such-dialect'
  | 'no-such-control'
  | 'limit'
  | 'refused'
  | 'machine-failed'
  | 'shutting-down';

export interface HelloOptions {
  /** Numbering of device files that this session's processes open; the server's own when left out. */
  readonly dialect?: string;
  /** Refuse ioctls whose number means something else in the newest dialect. */
  readonly strict?: boolean;
  /** Who is there, for logs. */
  readonly client?: string;
}

export type WireMap = { readonly [key: string]: WireValue };

export type Request =
  | { readonly kind: 'hello'; readonly version: number; readonly options: HelloOptions }
  | PlainCall
  | { readonly kind: 'process'; readonly id: number; readonly dialect: string | undefined }
  | { readonly kind: 'control'; readonly id: number; readonly what: string; readonly options: WireMap };

/** A payload that is no message. `id` is the request's when that much of it could be read. */
export class BadMessageError extends Error {
  override readonly name = 'BadMessageError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly id: number | null = null,
  ) {
    super(message);
  }
}

/**
 * Looks through a payload and decodes it. Throws BadMessageError, whatever the bytes are. Byte arrays are views of the payload, unless
 * that is lent and will be written again.
 */
export function readRequest(payload: Uint8Array, isLent = false): Request {
  const call = readPlainCall(payload);
  if (call === undefined) return readAnyRequest(isLent ? new Uint8Array(payload) : payload);
  const { args } = call;
  for (let i = 0; isLent && i < args.length; i++) {
    const arg = args[i];
    if (arg instanceof Uint8Array) args[i] = new Uint8Array(arg);
  }
  return call;
}

/** The same for every kind of request. */
export function readAnyRequest(payload: Uint8Array): Request {
  const message = readArray(payload);
  const type = message[0];
  if (type === REQUEST.hello) return readHello(message);
  const id = message[1];
  if (!isId(id)) throw new BadMessageError('bad-message', 'the second element is not a request id');
  if (type === REQUEST.call) return readCall(message, id);
  if (type === REQUEST.process) return readProcess(message, id);
  if (type === REQUEST.control) return readControl(message, id);
  throw new BadMessageError('bad-message', 'the first element is no type of request', id);
}

function readArray(payload: Uint8Array): WireValue[] {
  const fault = payloadFault(payload);
  if (fault !== undefined) throw new BadMessageError('bad-frame', fault);
  let value: WireValue;
  try {
    value = unpackPayload(payload);
  } catch (error) {
    throw new BadMessageError('bad-frame', error instanceof Error ? error.message : String(error));
  }
  if (!Array.isArray(value)) throw new BadMessageError('bad-message', 'a message is an array');
  return value;
}

function readHello(message: readonly WireValue[]): Request {
  const [, version, options = {}] = message;
  if (typeof version !== 'number' || !isMap(options))
    throw new BadMessageError('bad-hello', 'hello is [0, version, map]');
  const { dialect, strict, client } = options;
  if (!isOptional(dialect, 'string') || !isOptional(strict, 'boolean') || !isOptional(client, 'string'))
    throw new BadMessageError('bad-hello', 'an option of hello has the wrong type');
  return { kind: 'hello', version, options: options as HelloOptions };
}

function readCall(message: readonly WireValue[], id: number): Request {
  const [, , tid, name, args] = message;
  if (message.length !== 5 || !isId(tid) || typeof name !== 'string' || !Array.isArray(args))
    throw new BadMessageError('bad-message', 'a call is [1, id, tid, name, args]', id);
  for (const arg of args) {
    if (!isCallArg(arg))
      throw new BadMessageError('bad-call', 'an argument is a whole number below 2^53, text or bytes', id);
  }
  return { kind: 'call', id, tid, name, args: args as CallArg[] };
}

function readProcess(message: readonly WireValue[], id: number): Request {
  const dialect = message[2] ?? undefined;
  if (message.length > 3 || !isOptional(dialect, 'string'))
    throw new BadMessageError('bad-message', 'a request for a process is [2, id] or [2, id, dialect]', id);
  return { kind: 'process', id, dialect: dialect as string | undefined };
}

function readControl(message: readonly WireValue[], id: number): Request {
  const [, , what, options = {}] = message;
  if (message.length > 4 || typeof what !== 'string' || !isMap(options))
    throw new BadMessageError('bad-message', 'a control request is [3, id, name] or [3, id, name, map]', id);
  return { kind: 'control', id, what, options };
}

function isId(value: WireValue | undefined): value is number {
  return typeof value === 'number' && value >= 0 && value <= 0xffffffff && Number.isInteger(value);
}

function isCallArg(value: WireValue): boolean {
  return typeof value === 'number'
    ? Number.isSafeInteger(value)
    : typeof value === 'string' || value instanceof Uint8Array;
}

function isMap(value: WireValue): value is WireMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isOptional(value: WireValue | undefined, type: 'string' | 'boolean'): boolean {
  return value === undefined || typeof value === type;
}

export function helloPieces(options: HelloOptions): Uint8Array[] {
  return packPieces([REQUEST.hello, PROTOCOL_VERSION, options as WireMap]);
}

export function callPieces(id: number, tid: number, name: string, args: readonly CallArg[]): Uint8Array[] {
  return packPieces([REQUEST.call, id, tid, name, args]);
}

export function writeCall(writer: FrameWriter, call: Omit<PlainCall, 'kind'>): void {
  if (!writePlainCall(writer, call)) writer.append(callPieces(call.id, call.tid, call.name, call.args));
}

export function writeResult(writer: FrameWriter, id: number, result: CallResult): void {
  if (!writePlainResult(writer, id, result)) writer.append(resultPieces(id, result));
}

/** How a call ended, as a message; empty places at the end are left out. */
function resultPieces(id: number, result: CallResult): Uint8Array[] {
  const { ret, bytes, signal, status } = result;
  if (status !== undefined) return packPieces([REPLY.result, id, ret, bytes ?? null, signalOut(signal), status]);
  if (signal !== undefined) return packPieces([REPLY.result, id, ret, bytes ?? null, signalOut(signal)]);
  return packPieces(bytes === undefined ? [REPLY.result, id, ret] : [REPLY.result, id, ret, bytes]);
}

function signalOut(signal: CallResult['signal']): WireValue {
  return signal === undefined ? null : [signal.signo, signal.code, signal.addr];
}

export type Reply =
  | { readonly kind: 'welcome'; readonly version: number; readonly info: WireMap }
  | { readonly kind: 'result'; readonly id: number; readonly result: CallResult }
  | { readonly kind: 'answer'; readonly id: number; readonly value: WireMap }
  | { readonly kind: 'error'; readonly id: number | null; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'events'; readonly events: readonly WireMap[]; readonly dropped: number };

/**
 * What a server sent. A client trusts its server to send messages; it is still told when they are not understood. Byte arrays are views
 * of the payload, unless that is lent and will be written again.
 */
export function readReply(payload: Uint8Array, isLent = false): Reply {
  const plain = readPlainResult(payload);
  if (plain === undefined) return readAnyReply(isLent ? new Uint8Array(payload) : payload);
  const { id, result } = plain;
  if (isLent && result.bytes !== undefined) result.bytes = new Uint8Array(result.bytes);
  return { kind: 'result', id, result };
}

/** The same for every kind of reply. */
export function readAnyReply(payload: Uint8Array): Reply {
  const message = unpackPayload(payload) as WireValue[];
  const [type, second, third, fourth] = message;
  if (type === REPLY.result) return { kind: 'result', id: second as number, result: readResult(message) };
  if (type === REPLY.answer) return { kind: 'answer', id: second as number, value: third as WireMap };
  if (type === REPLY.welcome) return { kind: 'welcome', version: second as number, info: third as WireMap };
  if (type === REPLY.events) return { kind: 'events', events: second as WireMap[], dropped: third as number };
  if (type !== REPLY.error) throw new BadMessageError('bad-message', 'the first element is no type of reply');
  return { kind: 'error', id: second as number | null, code: third as ErrorCode, message: fourth as string };
}

function readResult(message: readonly WireValue[]): CallResult {
  const result: CallResult = { ret: message[2] as number };
  if (message[3] instanceof Uint8Array) result.bytes = plainBytes(message[3]);
  if (Array.isArray(message[4])) {
    const [signo, code, addr] = message[4] as number[];
    result.signal = { signo, code, addr };
  }
  if (typeof message[5] === 'number') result.status = message[5];
  return result;
}

/** Not the Buffer that a socket gives, whose `slice` is a view: a caller gets what the same call in process gives. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
