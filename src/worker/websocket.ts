/**
 * A websocket of the app, as seen by whoever must end it. Whichever library the app has for it, all of them send by
 * socket.write(): that is where this one listens, and where it puts its close frame between two frames of the app. The
 * library learns of it as of any close that it did not begin: by the client's answer.
 *
 * The library's own close() would be no better, and cannot be reached: @fastify/websocket shows its clients on the
 * instance on which it was registered, which need not be the outermost, `ws` and socket.io show them to nobody, and none
 * of them says which of its clients has which socket.
 *
 * States, and how each is entered and left:
 *
 *   open     the app sends what it likes. Left by close().
 *   due      it is to be closed, but the app's answer to the handshake, or a frame, is only half sent. Left by its end.
 *   closing  a close frame is sent: nothing follows it. Left by the client's answer, after which the app ends the
 *            connection, or by the end of its patience.
 */
import type { Socket } from 'node:net';
import { closeFrame, FrameTracker, type CloseCode } from '../http/websocket-frames.ts';

/** A stream takes any view of bytes, whatever its type says. */
type Chunk = string | NodeJS.ArrayBufferView;
type Sent = (error?: Error | null) => void;

export interface Closing {
  readonly code: CloseCode;
  /** How long the client has for its answer, milliseconds. */
  readonly answerMs: number;
}

export class Websocket {
  readonly #socket: Socket;
  /** The socket's own. */
  readonly #write: Socket['write'];
  readonly #sent: FrameTracker = new FrameTracker();
  #state: 'open' | 'due' | 'closing' = 'open';
  #closing: Closing | undefined;

  /** @param socket nothing has been sent on it since the request that asks for the websocket */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#write = socket.write.bind(socket);
    socket.write = (chunk: Chunk, encoding?: BufferEncoding | Sent, sent?: Sent): boolean => {
      if (typeof encoding === 'function') return this.#onWrite(chunk, undefined, encoding);
      return this.#onWrite(chunk, encoding, sent);
    };
  }

  /** Closes it as soon as no frame is torn by that. */
  close(closing: Closing): void {
    if (this.#state !== 'open') return;
    this.#closing = closing;
    this.#state = 'due';
    this.#tryToClose();
  }

  #onWrite(chunk: Chunk, encoding: BufferEncoding | undefined, sent: Sent | undefined): boolean {
    if (this.#state === 'due') return this.#sendToFrameEnd(bytesOf(chunk, encoding), sent);
    this.#follow(chunk, encoding);
    if (this.#state === 'open') return this.#write(chunk as Uint8Array, encoding, sent);
    this.#drop(sent);
    return true;
  }

  #follow(chunk: Chunk, encoding: BufferEncoding | undefined): void {
    if (this.#sent.skip(Buffer.byteLength(chunk, encoding))) return;
    this.#sent.follow(bytesOf(chunk, encoding));
  }

  /** A library that answers the client's close frame waits for its own to be sent. Of all else it must know that it is lost. */
  #drop(sent: Sent | undefined): void {
    const error = this.#sent.isClosed ? null : new Error('not sent: the server has closed the websocket');
    if (sent) process.nextTick(sent, error);
  }

  #sendToFrameEnd(bytes: Uint8Array, sent: Sent | undefined): boolean {
    const length = this.#sent.followToFrameEnd(bytes);
    const whole = length === bytes.length;
    const goesOn = this.#write(whole ? bytes : bytes.subarray(0, length), undefined, whole ? sent : undefined);
    this.#tryToClose();
    if (whole) return goesOn;
    this.#follow(bytes.subarray(length), undefined);
    this.#drop(sent);
    return true;
  }

  #tryToClose(): void {
    if (!this.#closing) return;
    const { code, answerMs } = this.#closing;
    if (this.#sent.isClosed) this.#awaitAnswer(answerMs);
    else if (this.#sent.isBetweenFrames && this.#socket.writable) {
      this.#write(closeFrame(code), (error) => {
        if (!error) this.#awaitAnswer(answerMs);
      });
    } else return;
    this.#state = 'closing';
  }

  #awaitAnswer(answerMs: number): void {
    const late = setTimeout(() => this.#socket.destroySoon(), answerMs);
    this.#socket.once('close', () => clearTimeout(late));
  }
}

function bytesOf(chunk: Chunk, encoding: BufferEncoding | undefined): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  return chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
