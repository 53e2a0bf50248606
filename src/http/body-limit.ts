import type http from 'node:http';
import { answerOnSocket, type Refusal, refusalOf, refusalText } from './refusal.ts';

/** How long a refused client may go on sending (ms). Closing earlier would reset the connection before it reads the 413. */
const LINGER_MS = 2_000;

/** The client has sent all of a refused body. */
const BODY_ENDED = Symbol('body ended');

/**
 * A request listener that refuses bodies over `limit` bytes with 413 and closes the connection. A Content-Length over
 * it is refused before the app sees the request; a chunked body is counted as it comes.
 *
 * @param limit bytes; 0 = no limit
 */
export function limitBody(limit: number, listener: http.RequestListener): http.RequestListener {
  if (limit === 0) return listener;
  const refusal = refusalOf('TRC_BODY_LIMIT', { limit });
  return (req, res) => {
    const { 'transfer-encoding': chunked } = req.headers;
    if (promisesMore(req, limit)) {
      req.once('end', () => req.emit(BODY_ENDED)).resume();
      refuse(req, res, refusal);
      return;
    }
    if (chunked !== undefined) countBody(req, limit, () => refuseSeen(req, res, refusal));
    listener(req, res);
  };
}

function promisesMore({ headers }: http.IncomingMessage, limit: number): boolean {
  const { 'content-length': length } = headers;
  return length !== undefined && Number(length) > limit;
}

/**
 * Who asks first whether he may send (Expect: 100-continue), as curl does with large forms, is not told to go on where the
 * listener will refuse. An app that listens for this itself decides alone.
 *
 * @param limit bytes; 0 = no limit
 */
export function limitContinue(limit: number, server: http.Server): void {
  if (limit === 0) return;
  server.on('checkContinue', (req: http.IncomingMessage, res: http.ServerResponse) => {
    if (server.listenerCount('checkContinue') > 1) return;
    if (!promisesMore(req, limit)) res.writeContinue();
    server.emit('request', req, res);
  });
}

/**
 * Calls back once when more than `limit` bytes have come. What comes after that never reaches the app, nor does the
 * end: half a body must not pass for a whole one. A subclass of IncomingMessage would not do: Express puts another
 * prototype under its requests.
 */
function countBody(req: http.IncomingMessage, limit: number, exceeded: () => void): void {
  const push = req.push.bind(req);
  let left = limit;
  req.push = (chunk: Buffer | null, encoding) => {
    if (left < 0) {
      if (chunk === null) req.emit(BODY_ENDED);
      return true;
    }
    if (chunk === null || (left -= chunk.length) >= 0) return push(chunk, encoding);
    exceeded();
    // true: go on reading, so that the client comes to the end of what it sends and reads the answer.
    return true;
  };
}

/** Answers 413 to a request that the app has not seen. */
function refuse(req: http.IncomingMessage, res: http.ServerResponse, refusal: Refusal): void {
  const { headers, body } = refusalText(refusal);
  res.writeHead(refusal.status, { ...headers, connection: 'close' });
  res.write(body);
  closeSoon(req, refusal, (done) => res.end(done));
}

/** Answers 413, where no answer has begun, to a request that the app is reading. */
function refuseSeen(req: http.IncomingMessage, res: http.ServerResponse, refusal: Refusal): void {
  if (answerOnSocket(res, refusal)) closeSoon(req, refusal, (done) => req.socket.end(done));
  else req.destroy(errorOf(refusal));
}

/** Closes once the client has stopped sending or LINGER_MS are over. */
function closeSoon(req: http.IncomingMessage, refusal: Refusal, end: (done: () => void) => void): void {
  const close = (): void => {
    clearTimeout(timer);
    end(() => req.destroy(errorOf(refusal)));
  };
  const timer = setTimeout(close, LINGER_MS).unref();
  req.once(BODY_ENDED, close);
  req.once('close', () => clearTimeout(timer));
}

/** What the app's own reading of the body fails with; frameworks answer with the status of an error. */
function errorOf({ code, status, message }: Refusal): Error {
  return Object.assign(new Error(message), { code, status });
}
