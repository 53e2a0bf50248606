/**
 * One line per request, put together by hand: with pino's info() the same line takes more than twice as long (the figures are
 * in docs/logging.md). Authorization, cookies and other headers than Referer and User-Agent are never looked at.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { commonTimestamp } from '../log/clock.ts';
import { escapeQuoted } from '../log/escape.ts';
import { workerAndThread } from '../log/identity.ts';
import type { LineWriter, LogConfig } from '../log/identity.ts';
import { levels } from '../log/logger.ts';
import { NotedResponse } from './noted-response.ts';
import { isAnsweredFor, statusOf } from './refusal.ts';

/** To be called once, when a response is closed: finished or aborted. `startedAt` is a performance.now(). */
export type AccessLog = (req: IncomingMessage, res: ServerResponse, startedAt: number) => void;

export interface AccessLogOptions {
  readonly log: LineWriter;
  readonly format: LogConfig['log_format'];
  /** Who asked, behind trusted proxies too. */
  readonly clientAddress: (req: IncomingMessage) => string | undefined;
}

/** What a line is made of. */
interface Entry {
  readonly remote: string;
  readonly method: string;
  readonly url: string;
  readonly version: string;
  readonly status: number;
  readonly bytes: number | undefined;
  readonly ms: number;
  readonly referer: string | undefined;
  readonly agent: string | undefined;
  readonly aborted: boolean;
}

/** A line has to fit into the 4096 bytes that a pipe takes in one piece. */
const LONGEST_URL = 2048;
const LONGEST_HEADER = 512;
const LONGEST_IN_MSG = 128;

/** nginx's number for "the client went before the answer began"; Node would still say 200. */
const CLIENT_WENT = 499;

/** The access log; one that does nothing where log_level is above info, the level of its lines. */
export function accessLog({ log, format, clientAddress }: AccessLogOptions): AccessLog {
  if (levels[log.level] > levels.info) return () => undefined;
  const lineOf = format === 'json' ? jsonLines(log) : textLines(log);
  return (req, res, startedAt) => log.write(lineOf(entryOf(req, res, startedAt, clientAddress(req))));
}

function entryOf(req: IncomingMessage, res: ServerResponse, startedAt: number, remote = '-'): Entry {
  const { referer, 'user-agent': agent } = req.headers;
  return {
    remote,
    method: req.method ?? '-',
    url: cap(originalUrl(req), LONGEST_URL),
    version: req.httpVersion,
    status: statusOf(res) ?? CLIENT_WENT,
    bytes: bodyBytes(req, res),
    ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
    referer: referer && cap(referer, LONGEST_HEADER),
    agent: agent && cap(agent, LONGEST_HEADER),
    aborted: !res.writableFinished && !isAnsweredFor(res),
  };
}

/** Express and Connect shorten `url` while a mounted router has the request, and an aborted one stays shortened. */
function originalUrl(req: IncomingMessage & { readonly originalUrl?: unknown }): string {
  return typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '-');
}

function cap(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}

function jsonLines({ identity: { worker, thread } }: LineWriter): (entry: Entry) => string {
  const writer = JSON.stringify({ pid: process.pid, worker, thread, type: 'access' }).slice(1, -1);
  return (e) => {
    const url = JSON.stringify(e.url);
    const short = e.url.length > LONGEST_IN_MSG ? JSON.stringify(cap(e.url, LONGEST_IN_MSG)) : url;
    return (
      `{"level":30,"time":${Date.now()},${writer},"remote":${JSON.stringify(e.remote)},"method":"${e.method}","url":${url}` +
      `,"status":${e.status}` +
      (e.bytes === undefined ? '' : `,"bytes":${e.bytes}`) +
      `,"ms":${e.ms}` +
      (e.referer === undefined ? '' : `,"referer":${JSON.stringify(e.referer)}`) +
      (e.agent === undefined ? '' : `,"agent":${JSON.stringify(e.agent)}`) +
      (e.aborted ? ',"aborted":true' : '') +
      `,"msg":"${e.method} ${short.slice(1, -1)} ${e.status}"}`
    );
  };
}

/** The Combined Log Format, and after it the duration and who served: ` 1.234ms 4711 1.2`, and `aborted` where it was. */
function textLines({ identity: { worker, thread } }: LineWriter): (entry: Entry) => string {
  const writer = `${process.pid} ${workerAndThread(worker, thread)}`;
  return (e) =>
    `${escapeQuoted(e.remote)} - - [${commonTimestamp(Date.now())}] "${e.method} ${escapeQuoted(e.url)} HTTP/${e.version}" ` +
    `${e.status} ${e.bytes ?? '-'} "${escapeQuoted(e.referer ?? '-')}" "${escapeQuoted(e.agent ?? '-')}" ` +
    `${e.ms.toFixed(3)}ms ${writer}${e.aborted ? ' aborted' : ''}`;
}

/**
 * A response that counts the bytes of its body; give it to the server: `createServer({ ServerResponse: CountingResponse })`.
 *
 * socket.bytesWritten would count headers, chunk marks and, under pipelining, other responses; content-length is missing from
 * streams and from a plain `res.end(text)`. What was handed over is counted: an aborted response may have delivered less.
 */
export class CountingResponse<Request extends IncomingMessage = IncomingMessage> extends NotedResponse<Request> {
  bodyBytes = 0;

  override write(...args: unknown[]): boolean {
    this.bodyBytes += sizeOf(args[0], args[1]);
    return super.write(...(args as Parameters<ServerResponse['write']>));
  }

  override end(...args: unknown[]): this {
    this.bodyBytes += sizeOf(args[0], args[1]);
    return super.end(...(args as Parameters<ServerResponse['end']>));
  }
}

function sizeOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk, encodingOf(encoding));
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}

function encodingOf(encoding: unknown): BufferEncoding {
  return typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8';
}

/**
 * What was sent of the body. Express puts its own prototype under every response, so there, as where CountingResponse is not
 * used at all, it is what content-length promises. Undefined: not known.
 */
function bodyBytes(req: IncomingMessage, res: ServerResponse): number | undefined {
  if (isAnsweredFor(res)) return undefined;
  const { statusCode } = res;
  if (req.method === 'HEAD' || statusCode === 204 || statusCode === 304 || statusCode < 200) return 0;
  if (res instanceof CountingResponse) return res.bodyBytes;
  const length = Number(res.getHeader('content-length') ?? Number.NaN);
  return Number.isNaN(length) ? undefined : length;
}
