/** The clients that speak HTTP. Each writes its requests by hand: nothing is sent that is not seen here. */
import { createHash } from 'node:crypto';
import { Client } from './client.ts';
import type { HttpConnection } from './connection.ts';
import { content } from './content.ts';
import { LoadFailure, Unanswered } from './failure.ts';
import type { AnswerSink } from './response-parser.ts';
import { events, exactly } from './sinks.ts';
import { setImmediate as turn } from 'node:timers/promises';

interface Question {
  readonly text: string;
  readonly sink: AnswerSink;
}

const LARGEST = 64 * 1024;

abstract class HttpClient extends Client {
  #connection: HttpConnection | undefined;
  #left = 0;

  /** One that may be reused, or a new one where the old has served its time. */
  protected reuse(): HttpConnection {
    this.#connection?.confess();
    if (!this.#connection?.reusable || this.#left <= 0) {
      this.#connection?.close();
      this.#connection = this.connect();
      this.#left = this.random.int(1, this.state.options.requestsPerConnection);
    }
    this.#left -= 1;
    return this.#connection;
  }

  protected leave(): void {
    this.#connection?.close();
  }

  /** A short answer that follows from the seed. */
  protected ask(header = ''): Question {
    const seed = this.random.uint32();
    const size = this.random.int(0, 2000);
    const path = `/content?seed=${seed}&size=${size}`;
    return { text: this.head('GET', path, header), sink: this.expect(content(seed, size)) };
  }

  protected expect(expected: Buffer): AnswerSink {
    return exactly(expected, (who) => this.verified(who));
  }

  protected head(method: string, path: string, headers = ''): string {
    return `${method} ${path} HTTP/1.1\r\nHost: ${this.state.url.host}\r\n${headers}\r\n`;
  }
}

/** Many requests on a connection, one after the other. */
export class KeepAliveClient extends HttpClient {
  protected async step(): Promise<void> {
    const { text, sink } = this.ask();
    await this.reuse().send(text, [sink])[0];
  }
}

/** One request on each connection; half of them tell the server so. */
export class FreshClient extends HttpClient {
  protected async step(): Promise<void> {
    const connection = this.connect();
    const { text, sink } = this.ask(this.random.int(0, 1) === 0 ? 'Connection: close\r\n' : '');
    await connection.send(text, [sink])[0];
    connection.close();
  }
}

/** Some requests in one go; what an answer with `Connection: close` leaves unanswered is sent again. */
export class PipelinedClient extends HttpClient {
  #questions: Question[] = [];

  protected async step(): Promise<void> {
    const count = this.random.int(2, 5);
    while (this.#questions.length < count) this.#questions.push(this.ask());
    const asked = this.#questions.splice(0);
    const text = asked.map(({ text }) => text).join('');
    const sinks = asked.map(({ sink }) => sink);
    const results = await Promise.allSettled(this.reuse().send(text, sinks));
    const failures: unknown[] = [];
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      if (result.reason instanceof Unanswered) this.#questions.push(asked[index]!);
      else failures.push(result.reason);
    }
    // Nobody accepted the connection: that is one failure, for none of them has begun.
    if (failures.every(isRefusal)) failures.splice(1);
    this.state.tally.notes.sentAgain += this.#questions.length;
    // Each one is a request that was lost; the last is counted by the loop.
    for (const failure of failures.slice(0, -1)) this.state.tally.fail(this.name, failure);
    if (failures.length > 0) throw failures.at(-1);
  }
}

function isRefusal(failure: unknown): boolean {
  return failure instanceof LoadFailure && ['refused', 'reset on fresh'].includes(failure.kind);
}

/** Bodies in pieces, with or without a length; the answer is their hash, or their echo as they come. */
export class UploadClient extends HttpClient {
  protected async step(): Promise<void> {
    const body = content(this.random.uint32(), this.random.int(0, LARGEST));
    const isChunked = this.random.int(0, 1) === 0;
    const isEcho = this.random.int(0, 1) === 0;
    const length = isChunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${body.length}\r\n`;
    const text = this.head('POST', isEcho ? '/echo' : '/hash', `Content-Type: application/octet-stream\r\n${length}`);
    const expected = isEcho ? body : Buffer.from(createHash('sha256').update(body).digest('hex'));
    const pieces = isChunked ? inChunks(this.#pieces(body)) : this.#pieces(body);
    await this.reuse().send(text, [this.expect(expected)], pieces)[0];
  }

  async *#pieces(body: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < body.length;) {
      const size = this.random.int(1, LARGEST / 4);
      yield body.subarray(at, at + size);
      at += size;
      // So that the server sees them one by one.
      await turn();
    }
  }
}

async function* inChunks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    yield Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
  }
  yield Buffer.from('0\r\n\r\n');
}

/** Longer answers that the app writes in pieces, with or without a length. */
export class DownloadClient extends HttpClient {
  protected async step(): Promise<void> {
    const seed = this.random.uint32();
    const size = this.random.int(0, LARGEST * 2);
    const path = `/download?seed=${seed}&size=${size}&piece=${this.random.int(500, 20_000)}`;
    const text = this.head('GET', this.random.int(0, 1) === 0 ? path : `${path}&length=1`);
    await this.reuse().send(text, [this.expect(content(seed, size))])[0];
  }
}

/** Server-sent events. When the server ends the stream properly, it goes on after the last event that came. */
export class SseClient extends HttpClient {
  #seed = 0;
  #next = 1;

  protected async step(): Promise<void> {
    const { eventsPerStream } = this.state.options;
    if (this.#next === 1) this.#seed = this.random.uint32();
    const count = Number.isFinite(eventsPerStream) ? `&count=${eventsPerStream}` : '';
    const text = this.head('GET', `/events?seed=${this.#seed}${count}`, `Last-Event-ID: ${this.#next - 1}\r\n`);
    const connection = this.reuse();
    const sink = events(this.#seed, this.#next, (id, who) => {
      this.#next = id + 1;
      this.verified(who);
      // An endless stream is left by the client, between two events.
      if (!this.goesOn && count === '') connection.close();
    });
    await connection.send(text, [sink])[0];
    if (this.#next > eventsPerStream) this.#next = 1;
    else if (this.goesOn) this.state.tally.notes.ended += 1;
  }
}
