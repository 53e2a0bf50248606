/**
 * One connection of an HTTP client that is strict where others are kind: it repeats nothing, it writes no request after
 * an answer that said `Connection: close`, and it tells exactly how a connection ended and what it still owed.
 */
import net from 'node:net';
import { LoadFailure, Unanswered } from './failure.ts';
import { ResponseParser, type AnswerSink, type Head } from './response-parser.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** A connection without a request on it was closed by a server that had not said so. */
  readonly onClosedIdle: () => void;
}

interface Exchange {
  readonly sink: AnswerSink;
  readonly done: PromiseWithResolvers<void>;
  readonly timer: NodeJS.Timeout;
  /** It was written on a connection that had been used and had nothing else to do. */
  readonly onIdle: boolean;
}

export class HttpConnection {
  readonly #target: Target;
  readonly #socket: net.Socket;
  readonly #parser: ResponseParser;
  readonly #exchanges: Exchange[] = [];
  #answered = 0;
  #saidClose = false;
  /** It came while nothing was owed. */
  #unsaid: Error | undefined;
  /** Nothing can be had of it any more. */
  #over = false;

  constructor(target: Target) {
    this.#target = target;
    this.#parser = new ResponseParser({
      head: (head) => this.#onHead(head),
      data: (chunk) => this.#exchanges[0]?.sink.data(chunk),
      end: () => this.#onAnswered(),
    });
    this.#socket = net.connect({ host: target.host, port: target.port, noDelay: true });
    this.#socket
      .on('data', (bytes: Buffer) => this.#onData(bytes))
      .on('end', () => this.#onEnd())
      .on('error', (error) => this.#lose(error))
      .on('close', () => this.#lose());
  }

  /** A further request may be written on it. */
  get reusable(): boolean {
    return !this.#over && !this.#saidClose;
  }

  /** Throws what went wrong between two requests, once. */
  confess(): void {
    const error = this.#unsaid;
    this.#unsaid = undefined;
    if (error) throw error;
  }

  /** Writes requests in one go, and more of the last one's body as it comes. One promise for each answer. */
  send(text: string, sinks: readonly AnswerSink[], body?: AsyncIterable<Uint8Array>): Promise<void>[] {
    const promises = sinks.map((sink, index) => this.#expect(sink, index === 0));
    this.#socket.write(text, 'latin1');
    if (body) void this.#write(body);
    return promises;
  }

  /** What is still owed is not waited for. */
  close(): void {
    this.#over = true;
    for (const { done, timer } of this.#exchanges.splice(0)) {
      clearTimeout(timer);
      done.resolve();
    }
    this.#socket.destroy();
  }

  async #write(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of body) {
      if (this.#over) return;
      this.#socket.write(piece);
    }
  }

  #expect(sink: AnswerSink, isFirst: boolean): Promise<void> {
    const done = Promise.withResolvers<void>();
    const { timeoutMs } = this.#target;
    const late = (): void => this.#fail(new LoadFailure('timeout', `silent for ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    const onIdle = isFirst && this.#answered > 0 && this.#exchanges.length === 0;
    this.#exchanges.push({ sink, done, timer, onIdle });
    return done.promise;
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    try {
      this.#exchanges[0]?.timer.refresh();
      this.#parser.feed(bytes);
      if (this.#exchanges.length === 0 && this.#parser.inAnswer) {
        throw new LoadFailure('wrong bytes', 'bytes that nobody asked for');
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #onHead(head: Head): void {
    const [exchange] = this.#exchanges;
    if (!exchange) throw new LoadFailure('wrong bytes', 'an answer that nobody asked for');
    this.#saidClose = head.saysClose;
    exchange.sink.head(head);
  }

  #onAnswered(): void {
    const [exchange] = this.#exchanges;
    exchange?.sink.end();
    this.#exchanges.shift();
    this.#answered += 1;
    clearTimeout(exchange?.timer);
    exchange?.done.resolve();
    if (this.#saidClose) this.#leave();
  }

  /** The server has said that nothing more comes. */
  #leave(): void {
    this.#parser.stop();
    this.#over = true;
    for (const { done, timer } of this.#exchanges.splice(0)) {
      clearTimeout(timer);
      done.reject(new Unanswered());
    }
    this.#socket.destroy();
  }

  #onEnd(): void {
    try {
      if (!this.#over && this.#parser.finish()) return;
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#lose();
  }

  /** The connection is gone. */
  #lose(error?: NodeJS.ErrnoException): void {
    if (this.#over) return;
    if (this.#exchanges.length > 0) return this.#fail(this.#judge(error));
    this.#target.onClosedIdle();
    this.close();
  }

  #judge(error: NodeJS.ErrnoException | undefined): LoadFailure {
    const how = error ? (error.code ?? error.message) : 'closed';
    const where = `${how} after ${this.#answered} answers`;
    if (how === 'ECONNREFUSED') return new LoadFailure('refused', where);
    if (this.#parser.inAnswer) return new LoadFailure('truncated body', where);
    if (this.#exchanges[0]?.onIdle) return new LoadFailure('reset on reuse', where);
    if (this.#answered === 0 && error) return new LoadFailure('reset on fresh', where);
    return new LoadFailure('unexpected close', where);
  }

  /** Every request that is not answered fails with it: each of them is lost. */
  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#exchanges.length === 0) this.#unsaid = error;
    for (const { done, timer } of this.#exchanges.splice(0)) {
      clearTimeout(timer);
      done.reject(error);
    }
    this.#socket.destroy();
  }
}
