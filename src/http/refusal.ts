/** The answers that Tricorn itself gives in place of the app, in the form that Fastify gives its own. */
import http from 'node:http';
import type { Socket } from 'node:net';
import { catalogue, type ErrorCode, TricornError } from '../errors.ts';

export interface Refusal {
  readonly status: number;
  /** Of the error catalogue. */
  readonly code?: string;
  readonly message: string;
  /** Seconds after which the client may try again. */
  readonly retryAfter?: number;
}

/** On a response that is the app's, and that Tricorn has answered over its head: with which status. */
const ANSWERED: unique symbol = Symbol('answered on the socket');
type Answered = http.ServerResponse & { [ANSWERED]?: number };

/** How long a client that still sends may go on after its 503; a connection that is cut earlier loses the answer. ms. */
const LINGER_MS = 2000;

/** An error of the catalogue that has a status. @param retryAfter seconds */
export function refusalOf(
  code: ErrorCode,
  values: Readonly<Record<string, string | number>>,
  retryAfter?: number,
): Refusal {
  const { message } = new TricornError(code, values);
  const { status = 500 } = catalogue[code];
  return { status, code, message, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

/** The body of the answer, and its headers. */
export function refusalText({ status, code, message, retryAfter }: Refusal): {
  readonly body: string;
  readonly headers: Readonly<Record<string, string | number>>;
} {
  const error = http.STATUS_CODES[status] ?? '';
  const body = JSON.stringify({ statusCode: status, ...(code === undefined ? {} : { code }), error, message });
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(retryAfter === undefined ? {} : { 'retry-after': Math.max(1, Math.ceil(retryAfter)) }),
  };
  return { body, headers };
}

/** Answers a request that the app has not seen. */
export function refuse(response: http.ServerResponse, refusal: Refusal): void {
  const { headers, body } = refusalText(refusal);
  response.writeHead(refusal.status, headers).end(body);
}

/**
 * Answers a request that the app has, where no answer has begun: on the socket itself, for the response is the app's, and
 * would throw at an app that writes to one that somebody else has sent. What the app writes after this, the client ignores.
 *
 * @returns false where that cannot be: an answer has begun, or another request's is due before it on this connection
 */
export function answerOnSocket(response: http.ServerResponse, refusal: Refusal): boolean {
  const { socket } = response.req;
  if (response.headersSent || response.socket !== socket) return false;
  const { headers, body } = refusalText(refusal);
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  (response as Answered)[ANSWERED] = refusal.status;
  socket.write(`HTTP/1.1 ${refusal.status} ${http.STATUS_CODES[refusal.status]}\r\n${lines.join('')}\r\n${body}`);
  return true;
}

/** What the client was told; undefined where no answer has begun. The app may have set another status since then. */
export function statusOf(response: http.ServerResponse): number | undefined {
  return (response as Answered)[ANSWERED] ?? (response.headersSent ? response.statusCode : undefined);
}

/** Whether Tricorn has answered in place of the app, which had the request already. */
export function isAnsweredFor(response: http.ServerResponse): boolean {
  return (response as Answered)[ANSWERED] !== undefined;
}

/** After an answer that came before the client was through: it may go on to send for a moment. */
export function closeGently(socket: Socket): void {
  socket.end();
  const late = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(late));
}
