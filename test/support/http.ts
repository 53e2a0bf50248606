/** A client whose every step a test controls: what is sent when, and on which connection. */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own. */
export async function get(url: string, options: http.RequestOptions = {}): Promise<Answer> {
  const request = http.request(url, { agent: false, ...options });
  request.end();
  return answerOf(request);
}

/** A POST on a connection of its own. A stream as body is sent in chunks, without Content-Length. */
export async function post(
  url: string,
  body: string | Uint8Array | Readable,
  headers: http.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const request = http.request(url, { method: 'POST', agent: false, headers });
  if (body instanceof Readable) body.pipe(request);
  else request.end(body);
  return answerOf(request);
}

export async function getJson<T>(url: string, options: http.RequestOptions = {}): Promise<T> {
  return JSON.parse((await get(url, options)).body) as T;
}

export async function answerOf(request: http.ClientRequest): Promise<Answer> {
  tolerateReset(request);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return readAnswer(response);
}

/**
 * A reset that comes after the answer's head is emitted by the request, too, to which nobody listens any more: the answer,
 * which ends in an error then, tells of it.
 */
function tolerateReset(request: http.ClientRequest): void {
  request.on('error', () => {});
}

async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

/** Resolves when the connection has ended, however it did: once() rejects when a reset comes first. */
export function closed(socket: net.Socket): Promise<unknown> {
  return new Promise((resolve) => socket.on('close', resolve));
}

/** Sends bytes as they are, and gives back all that comes until the server closes. */
export async function raw(port: number, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (chunk) => (answer += String(chunk)));
  for (const piece of pieces) socket.write(piece);
  await closed(socket);
  return answer;
}

/** A request that stays in flight until finish(): its body is not ended before. */
export class HeldRequest {
  readonly #request: http.ClientRequest;
  readonly #response: Promise<http.IncomingMessage>;

  private constructor(request: http.ClientRequest) {
    this.#request = request;
    tolerateReset(request);
    this.#response = once(request, 'response').then(([response]) => response as http.IncomingMessage);
    this.#response.catch(() => {});
  }

  /** Resolves once the server has the request: it was asked to say `100 Continue`. */
  static async begin(url: string, options: http.RequestOptions = {}): Promise<HeldRequest> {
    const headers = { expect: '100-continue', 'transfer-encoding': 'chunked' };
    const request = http.request(url, { method: 'POST', agent: false, headers, ...options });
    const held = new HeldRequest(request);
    request.flushHeaders();
    await once(request, 'continue');
    request.write('a');
    return held;
  }

  /** Resolves once the app has the request, and says so by `102 Processing`: lab.ts does where it is asked to. */
  static async arrive(url: string): Promise<HeldRequest> {
    const headers = { 'transfer-encoding': 'chunked', 'x-tell': '1' };
    const request = http.request(url, { method: 'POST', agent: false, headers });
    const held = new HeldRequest(request);
    request.flushHeaders();
    await once(request, 'information');
    return held;
  }

  /** The headers, where the server has sent them already. */
  async headers(): Promise<http.IncomingHttpHeaders> {
    return (await this.#response).headers;
  }

  async finish(): Promise<Answer> {
    this.#request.end('z');
    return readAnswer(await this.#response);
  }

  /** Cuts the connection. */
  abandon(): void {
    this.#request.destroy();
  }

  /** Rejects as soon as the connection is cut. */
  async untilCut(): Promise<never> {
    await readAnswer(await this.#response);
    throw new Error('it was answered whole');
  }
}

/** A connection on which requests are written by hand. */
export class RawConnection {
  readonly socket: net.Socket;
  /** Resolves when the connection has ended, however it did. */
  readonly closed: Promise<unknown>;
  #text = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    this.closed = closed(socket);
    socket.on('data', (chunk) => (this.#text += chunk.toString()));
    socket.on('error', () => {});
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Sends a GET and resolves with its answer: head and body, read by content-length. */
  async get(path: string): Promise<string> {
    this.#text = '';
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: lab\r\n\r\n`);
    return this.answer();
  }

  async answer(): Promise<string> {
    return this.#until((text) => {
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      return end >= 0 && text.length >= end + 4 + length;
    });
  }

  /** Sends bytes as they are, and forgets what has come so far. */
  send(bytes: string | Uint8Array): void {
    this.#text = '';
    this.socket.write(bytes);
  }

  /** All that has come since the last get() or send(). */
  get text(): string {
    return this.#text;
  }

  /** Resolves when what has come matches, with all of it. */
  async until(pattern: RegExp): Promise<string> {
    return this.#until((text) => pattern.test(text));
  }

  async #until(enough: (text: string) => boolean): Promise<string> {
    while (!enough(this.#text)) {
      await Promise.race([
        once(this.socket, 'data'),
        this.closed.then(() => Promise.reject(new Error(`cut: ${this.#text}`))),
      ]);
    }
    return this.#text;
  }
}
