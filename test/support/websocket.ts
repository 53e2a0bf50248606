/** Websockets of which a test sees every frame, and the messages of a flood, which both of its sides know. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { content } from './load/content.ts';

/** From no payload to more than a socket takes at once; the lengths at which the header of a frame grows are among them. */
const SIZES = [0, 1, 125, 126, 3000, 65_535, 65_536, 300_000];

/** More than there are sizes, and no multiple of how many: each message is unlike those around it. */
const MESSAGES = Array.from({ length: 27 }, (_, number) => content(number, SIZES[number % SIZES.length] ?? 0));

/** Message `number` of a flood. */
export function floodMessage(number: number): Buffer {
  return MESSAGES[number % MESSAGES.length]!;
}

interface Sender {
  readonly readyState: number;
  send(data: Buffer, options: { readonly fin: boolean }, sent: (error?: Error | null) => void): void;
}

/** Sends message after message, every third in two fragments, until it is told that nothing is sent any more. */
export async function flood(socket: Sender): Promise<void> {
  for (let number = 0; ; number += 1) {
    const message = floodMessage(number);
    const middle = number % 3 === 0 ? Math.floor(message.length / 2) : message.length;
    const parts = [message.subarray(0, middle), message.subarray(middle)].slice(0, number % 3 === 0 ? 2 : 1);
    for (const [index, part] of parts.entries()) {
      const { promise, resolve } = Promise.withResolvers<Error | null | undefined>();
      socket.send(part, { fin: index === parts.length - 1 }, resolve);
      if (await promise) return;
    }
    // A client that is fast enough would never let anything else have its turn.
    await turn();
  }
}

/** A client as there are many: it answers what it must. */
export class WebsocketUser {
  /** What the server said first. */
  readonly who: string;
  /** The close code that it was told. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket, who: string) {
    this.#socket = socket;
    this.who = who;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async open(url: string, path = '/socket'): Promise<WebsocketUser> {
    const socket = new WebSocket(new URL(path, url.replace('http', 'ws')));
    const [who] = (await once(socket, 'message')) as [Buffer];
    return new WebsocketUser(socket, who.toString());
  }

  async echo(text: string): Promise<string> {
    const answer = once(this.#socket, 'message');
    this.#socket.send(text);
    return String(((await answer) as [Buffer])[0]);
  }
}

export interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface Seen {
  readonly frames: readonly Frame[];
  /** What is left where the last frame ends: 0, unless that one was torn. */
  readonly rest: number;
}

/** A client that takes what comes and answers nothing, unless it is told to. */
export class DeafWebsocket {
  readonly socket: net.Socket;
  /** Resolves when the connection has ended, however it did. */
  readonly closed: Promise<unknown>;
  #chunks: Buffer[] = [];
  #received = 0;

  /** @param socket connected; nothing is on its way on it */
  constructor(socket: net.Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#received += chunk.length;
    });
  }

  static async open(port: number, path: string): Promise<DeafWebsocket> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const websocket = new DeafWebsocket(socket);
    await websocket.ask(path);
    return websocket;
  }

  /** Asks for the websocket; resolves with the answer's head. */
  async ask(path: string, protocol = 'websocket'): Promise<string> {
    const key = randomBytes(16).toString('base64');
    const lines = [`GET ${path} HTTP/1.1`, 'Host: lab', 'Connection: Upgrade', `Upgrade: ${protocol}`];
    const more = ['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`];
    this.socket.write([...lines, ...more, '', ''].join('\r\n'));
    await this.#until(() => this.#bytes.includes('\r\n\r\n'));
    const end = this.#bytes.indexOf('\r\n\r\n') + 4;
    const head = this.#bytes.toString('latin1', 0, end);
    this.#chunks = [this.#bytes.subarray(end)];
    this.#received -= end;
    return head;
  }

  /** Resolves once so many bytes of frames have come. */
  async receives(bytes: number): Promise<void> {
    await this.#until(() => this.#received >= bytes);
  }

  /** Resolves with the first close code that comes. */
  async closeCode(): Promise<number | undefined> {
    await this.#until(() => this.seen.frames.some(({ opcode }) => opcode === 8));
    return this.seen.frames.find(({ opcode }) => opcode === 8)?.payload.readUInt16BE();
  }

  /** Answers a close frame, masked with zeroes. */
  answerClose(code: number): void {
    this.socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 255]));
  }

  get seen(): Seen {
    const bytes = this.#bytes;
    const frames: Frame[] = [];
    let at = 0;
    for (let next = frameAt(bytes, at); next; next = frameAt(bytes, at)) {
      frames.push(next.frame);
      at = next.end;
    }
    return { frames, rest: bytes.length - at };
  }

  async #until(enough: () => boolean): Promise<void> {
    const cut = this.closed.then(() => Promise.reject(new Error(`cut after ${this.#received} bytes`)));
    cut.catch(() => {});
    while (!enough()) await Promise.race([once(this.socket, 'data'), cut]);
  }

  get #bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** As a server sends it. */
export function frameOf(opcode: number, payload: Uint8Array, fin = true): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length > 65_535 ? 10 : length > 125 ? 4 : 2);
  head[0] = (fin ? 128 : 0) + opcode;
  head[1] = head.length === 2 ? length : head.length === 4 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeUIntBE(length, 4, 6);
  return Buffer.concat([head, payload]);
}

function frameAt(bytes: Buffer, start: number): { readonly frame: Frame; readonly end: number } | undefined {
  const [first, second] = bytes.subarray(start, start + 2);
  if (first === undefined || second === undefined) return undefined;
  const extra = second === 127 ? 8 : second === 126 ? 2 : 0;
  const begin = start + 2 + extra;
  if (bytes.length < begin) return undefined;
  const length = extra === 0 ? second : extra === 2 ? bytes.readUInt16BE(start + 2) : bytes.readUIntBE(start + 4, 6);
  const end = begin + length;
  if (bytes.length < end) return undefined;
  return { frame: { fin: first >= 128, opcode: first & 15, payload: bytes.subarray(begin, end) }, end };
}
