/** A small parser of HTTP/1.1 answers that hides nothing: what it cannot read is a failure. */
import { LoadFailure } from './failure.ts';

export interface Head {
  readonly status: number;
  /** Names in lower case; of several with one name, the last. */
  readonly headers: ReadonlyMap<string, string>;
  /** The server closes the connection after this answer. */
  readonly saysClose: boolean;
}

export interface AnswerSink {
  head(head: Head): void;
  data(chunk: Buffer): void;
  end(): void;
}

/**
 * States: head -> sized | unsized | chunk size -> head. In chunks: chunk size -> chunk -> chunk end -> chunk size, and
 * from the last one through trailers. Unsized is left only by the end of the connection; `stopped` never.
 */
type State = 'head' | 'sized' | 'unsized' | 'chunk size' | 'chunk' | 'chunk end' | 'trailers' | 'stopped';

const MAX_LINE = 16_384;

export class ResponseParser {
  readonly #sink: AnswerSink;
  #state: State = 'head';
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  /** Some of an answer has come, and not its end. */
  get inAnswer(): boolean {
    return this.#state !== 'stopped' && (this.#state !== 'head' || this.#rest.length > 0);
  }

  /** What comes from now on is not looked at. */
  stop(): void {
    this.#state = 'stopped';
  }

  /** @throws LoadFailure, its own or the sink's */
  feed(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length > 0 && this.#step());
    if (this.#state !== 'unsized' && this.#rest.length > MAX_LINE) this.#fail('a line without an end');
  }

  /** The server has ended the connection. Ends an answer that has no length. @returns whether it ended one */
  finish(): boolean {
    if (this.#state !== 'unsized') return false;
    this.#end();
    return true;
  }

  /** @returns whether there may be more to do with what is there */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeHead();
      case 'sized':
        return this.#takeData(() => this.#end());
      case 'unsized':
        this.#left = Infinity;
        return this.#takeData(() => {});
      case 'chunk size':
        return this.#takeLine((line) => this.#startChunk(line));
      case 'chunk':
        return this.#takeData(() => (this.#state = 'chunk end'));
      case 'chunk end':
        return this.#takeLine((line) => (line === '' ? (this.#state = 'chunk size') : this.#fail('an overlong chunk')));
      case 'trailers':
        return this.#takeLine((line) => line === '' && this.#end());
      case 'stopped':
        this.#rest = Buffer.alloc(0);
        return false;
    }
  }

  #takeHead(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const lines = this.#rest.toString('latin1', 0, end).split('\r\n');
    this.#rest = this.#rest.subarray(end + 4);
    const head = parseHead(lines);
    // 1xx: the answer is yet to come.
    if (head.status >= 200) this.#startBody(head);
    return true;
  }

  #startBody(head: Head): void {
    const length = head.headers.get('content-length');
    if (head.headers.get('transfer-encoding') === 'chunked') this.#state = 'chunk size';
    else if (length === undefined) this.#state = 'unsized';
    else {
      this.#state = 'sized';
      this.#left = Number(length);
    }
    this.#sink.head(head);
    if (this.#state === 'sized' && this.#left === 0) this.#end();
  }

  #startChunk(line: string): void {
    if (!/^[\da-f]+$/i.test(line)) this.#fail(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
  }

  #takeData(onEnd: () => void): boolean {
    const chunk = this.#rest.subarray(0, this.#left);
    this.#rest = this.#rest.subarray(chunk.length);
    this.#left -= chunk.length;
    this.#sink.data(chunk);
    if (this.#left === 0) onEnd();
    return true;
  }

  #takeLine(onLine: (line: string) => void): boolean {
    const end = this.#rest.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    onLine(line);
    return true;
  }

  #end(): void {
    this.#state = 'head';
    this.#sink.end();
  }

  #fail(what: string): never {
    throw new LoadFailure('wrong bytes', `not HTTP: ${what}`);
  }
}

function parseHead([first = '', ...lines]: readonly string[]): Head {
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) throw new LoadFailure('wrong bytes', `not HTTP: ${JSON.stringify(first.slice(0, 80))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const connection = (headers.get('connection') ?? '').toLowerCase();
  const framed = headers.has('content-length') || headers.get('transfer-encoding') === 'chunked';
  const saysClose = connection === 'close' || !framed || (minor === '0' && connection !== 'keep-alive');
  return { status: Number(status), headers, saysClose };
}
