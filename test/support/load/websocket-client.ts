/** Numbered messages over a websocket, each of which must come back as it was. */
import { WebSocket } from 'ws';
import { Client } from './client.ts';
import { content } from './content.ts';
import { LoadFailure } from './failure.ts';

/** "Going away" and "service restart": the server asks its clients to connect anew. */
const COME_BACK = new Set([1001, 1012]);
const NORMAL = 1000;

export class WebsocketClient extends Client {
  #session: Session | undefined;
  #sent = 0;
  #left = 0;

  protected async step(): Promise<void> {
    this.#session?.confess();
    if (this.#session?.isOpen !== true || this.#left <= 0) await this.#renew();
    const session = this.#session!;
    this.#sent += 1;
    const message = Buffer.concat([Buffer.from(`${this.#sent}:`), content(this.random.uint32(), 100)]);
    if (await session.echo(message)) this.verified(session.who);
    else this.state.tally.notes.ended += 1;
    this.#left -= 1;
    // The last thing a session does is to be ended properly.
    if (this.#left <= 0 || !this.goesOn) await this.#end();
  }

  protected leave(): void {
    this.#session?.cut();
  }

  async #renew(): Promise<void> {
    const { url, options } = this.state;
    const { messagesPerSocket: most } = options;
    this.#left = Number.isFinite(most) ? this.random.int(1, most) : most;
    this.#session = new Session(new URL('/socket', url), options.timeoutMs);
    while (!(await this.#session.greeted()) && this.goesOn) {
      // Opened when its worker had begun to drain.
      this.state.tally.notes.ended += 1;
      this.#session = new Session(new URL('/socket', url), options.timeoutMs);
    }
  }

  async #end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.end();
  }
}

/** One websocket. What it waits for is the next message, or its end: there is never more on its way. */
class Session {
  readonly #socket: WebSocket;
  readonly #timeoutMs: number;
  /** Who answers, as the greeting has it. */
  who = '';
  #waiting: PromiseWithResolvers<Buffer | undefined> | undefined;
  #ended: number | LoadFailure | undefined;
  /** It came while nobody waited. */
  #unsaid: LoadFailure | undefined;
  #ending = false;

  constructor(url: URL, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    url.protocol = 'ws:';
    this.#socket = new WebSocket(url, { perMessageDeflate: false });
    this.#socket
      .on('message', (data: Buffer) => this.#onMessage(data))
      .on('unexpected-response', (request, { statusCode }) => {
        request.destroy();
        this.#onEnd(new LoadFailure('wrong status', `${statusCode} instead of a websocket`));
      })
      .on('error', (error) => this.#onEnd(lost(error)))
      .on('close', (code) => this.#onEnd(this.#judge(code)));
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** Throws what went wrong between two messages, once. */
  confess(): void {
    const failure = this.#unsaid;
    this.#unsaid = undefined;
    if (failure) throw failure;
  }

  /** @returns false where the server asked to come back instead */
  async greeted(): Promise<boolean> {
    const greeting = await this.#next();
    if (!greeting) return false;
    this.who = greeting.toString();
    return true;
  }

  /** @returns false where the server asked to come back instead */
  async echo(message: Buffer): Promise<boolean> {
    if (this.isOpen) this.#socket.send(message);
    const echo = await this.#next();
    if (echo && !echo.equals(message)) {
      throw new LoadFailure('wrong bytes', `an echo of ${message.toString('latin1')} is ${echo.toString('latin1')}`);
    }
    return echo !== undefined;
  }

  async end(): Promise<void> {
    if (!this.isOpen) return;
    this.#ending = true;
    this.#socket.close(NORMAL);
    await this.#next();
  }

  cut(): void {
    this.#socket.terminate();
  }

  /** The next message; undefined where the socket was closed as it may be. */
  async #next(): Promise<Buffer | undefined> {
    if (this.#ended instanceof LoadFailure) throw this.#ended;
    if (this.#ended !== undefined) return undefined;
    this.#waiting = Promise.withResolvers<Buffer | undefined>();
    const late = (): void => {
      this.#onEnd(new LoadFailure('timeout', `silent for ${this.#timeoutMs} ms`));
      this.cut();
    };
    const timer = setTimeout(late, this.#timeoutMs);
    return this.#waiting.promise.finally(() => clearTimeout(timer));
  }

  #onMessage(data: Buffer): void {
    if (!this.#waiting) this.#onEnd(new LoadFailure('wrong bytes', 'a message that nobody asked for'));
    this.#waiting?.resolve(data);
    this.#waiting = undefined;
  }

  #judge(code: number): number | LoadFailure {
    if (COME_BACK.has(code) || (this.#ending && code === NORMAL)) return code;
    return new LoadFailure('unexpected close', `close code ${code}`);
  }

  #onEnd(how: number | LoadFailure): void {
    if (!this.isOpen) return;
    this.#ended = how;
    if (how instanceof LoadFailure && !this.#waiting) this.#unsaid = how;
    if (how instanceof LoadFailure) this.#waiting?.reject(how);
    else this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }
}

function lost(error: NodeJS.ErrnoException): LoadFailure {
  if (error.code === 'ECONNREFUSED') return new LoadFailure('refused', error.code);
  if (error.code === 'ECONNRESET') return new LoadFailure('reset on fresh', error.message);
  return new LoadFailure('unexpected close', error.message);
}
