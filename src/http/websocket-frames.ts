/**
 * What a server sends on a websocket (RFC 6455), as far as someone must know it who ends the websocket in place of the app:
 * where one frame ends and the next begins. Pure; the socket is in src/worker/websocket.ts.
 */

/** 1001: the service goes away. 1012: it restarts, and whoever comes back at once is served. */
export type CloseCode = 1001 | 1012;

/** Unmasked, as all that comes from a server, and without words: not every client shows them. */
export function closeFrame(code: CloseCode): Buffer {
  return Buffer.from([FIN | CLOSE, 2, code >> 8, code & 0xff]);
}

const FIN = 0x80;
const OPCODE = 0x0f;
const CLOSE = 0x8;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** Two bytes, up to eight more of length, and four of a mask, which no server should send. */
const LONGEST_HEADER = 14;

const ACCEPTED = /^HTTP\/1\.1 101 /;
/** Such an answer is none that a client would read to its end. */
const LONGEST_ANSWER = 65_536;

/**
 * Phases, and how each is entered and left:
 *
 *   answer   the answer to the handshake is awaited. Left by its empty line: to frames if it says 101, else to refused.
 *   frames   it is between two frames, or in the header of one. Left by the end of a header that announces a payload.
 *   payload  it is within a frame. Left by the end of it: to frames, or to closed where it was a close frame.
 *   closed   the app has sent a close frame: nothing may follow. Final.
 *   refused  the app speaks HTTP, or something unknown, on it. Final.
 */
type Phase = 'answer' | 'frames' | 'payload' | 'closed' | 'refused';

export class FrameTracker {
  readonly #header = new Uint8Array(LONGEST_HEADER);
  #headerLength = 0;
  #payloadLeft = 0;
  #answer = '';
  #phase: Phase = 'answer';

  /** A frame of somebody else's may stand here. */
  get isBetweenFrames(): boolean {
    return this.#phase === 'frames' && this.#headerLength === 0;
  }

  /** The app itself has sent a close frame. */
  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** Takes note of what is sent. */
  follow(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.#step(bytes, at);
  }

  /** Takes note of what is sent up to where the frame that has begun ends. @returns how many bytes that are: all, if none does */
  followToFrameEnd(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.isBetweenFrames) at = this.#step(bytes, at);
    return at;
  }

  /** The same as follow() for bytes that need not be looked at. @returns whether they need not */
  skip(length: number): boolean {
    if (this.#phase !== 'payload' || length > this.#payloadLeft) return false;
    this.#pass(length);
    return true;
  }

  /** @returns how far it came */
  #step(bytes: Uint8Array, at: number): number {
    if (this.#phase === 'frames') {
      this.#onHeaderByte(bytes[at] ?? 0);
      return at + 1;
    }
    if (this.#phase === 'answer') return this.#onAnswer(bytes, at);
    if (this.#phase !== 'payload') return bytes.length;
    const length = Math.min(this.#payloadLeft, bytes.length - at);
    this.#pass(length);
    return at + length;
  }

  #onAnswer(bytes: Uint8Array, at: number): number {
    const before = this.#answer.length;
    this.#answer += Buffer.from(bytes.buffer, bytes.byteOffset + at, bytes.length - at).toString('latin1');
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end < 0 && this.#answer.length < LONGEST_ANSWER) return bytes.length;
    this.#phase = end >= 0 && ACCEPTED.test(this.#answer) ? 'frames' : 'refused';
    this.#answer = '';
    return at + end + 4 - before;
  }

  /** Called for every byte of a header, a handful in each message: so it makes no object. */
  #onHeaderByte(byte: number): void {
    this.#header[this.#headerLength] = byte;
    this.#headerLength += 1;
    if (this.#headerLength < 2) return;
    const second = this.#header[1] ?? 0;
    const short = second & LENGTH;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const maskBytes = (second & MASKED) === 0 ? 0 : 4;
    if (this.#headerLength < 2 + lengthBytes + maskBytes) return;
    let length = lengthBytes === 0 ? short : 0;
    for (let at = 2; at < 2 + lengthBytes; at += 1) length = length * 256 + (this.#header[at] ?? 0);
    this.#phase = 'payload';
    this.#payloadLeft = length;
    if (length === 0) this.#pass(0);
  }

  /** So much of a frame's payload is sent. */
  #pass(length: number): void {
    this.#payloadLeft -= length;
    if (this.#payloadLeft > 0) return;
    this.#headerLength = 0;
    this.#phase = ((this.#header[0] ?? 0) & OPCODE) === CLOSE ? 'closed' : 'frames';
  }
}
