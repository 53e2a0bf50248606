/**
 * The control socket's own side: accepts, within limits, and hands each connection to an http.Server. Lives in the
 * supervisor, whose memory is a budget: node:http and all that answers is loaded when somebody first connects.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../log/supervisor-log.ts';
import type { UnixListener } from '../supervisor/unix-socket.ts';
import type { Exchange } from './exchange.ts';
import type { Operations } from './operations.ts';

export interface ControlOptions {
  readonly operations: Operations;
  readonly log: Logger;
}

/** Far more than people and monitors need, and few enough descriptors. */
export const MOST_CONNECTIONS = 20;

const BUSY_BODY = `${JSON.stringify({ error: `there are ${MOST_CONNECTIONS} connections already; try again` })}\n`;
const BUSY = [
  'HTTP/1.1 503 Service Unavailable',
  'Content-Type: application/json',
  `Content-Length: ${BUSY_BODY.length}`,
  'Retry-After: 1',
  'Connection: close',
  '',
  BUSY_BODY,
].join('\r\n');

export class ControlServer {
  readonly #options: ControlOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #loading: Promise<Exchange> | undefined;
  #exchange: Exchange | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
    // A client may end its side and still read the answer (`printf … | nc`), as with an http.Server.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#onConnection(socket));
  }

  /** Resolves when it listens. */
  async listen({ bound }: UnixListener): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject).listen(bound, resolve);
    await promise;
    this.#server.off('error', reject).on('error', (err) => {
      // EMFILE and the like. Whoever connects waits in the queue.
      this.#options.log.warn({ err }, 'The control socket could not accept a connection');
    });
    // It is the service that keeps the process alive, not this.
    this.#server.unref();
  }

  /** Tells those who wait for an outcome, and cuts all connections: at once, for the process may exit next. */
  close(): void {
    this.#server.close();
    this.#exchange?.close();
    for (const socket of this.#sockets) socket.destroySoon();
  }

  #onConnection(socket: Socket): void {
    socket.on('error', () => {
      // Whoever is gone is gone.
    });
    if (this.#sockets.size >= MOST_CONNECTIONS) {
      socket.end(BUSY, () => socket.destroy());
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#loading ??= this.#load();
    void this.#loading.then(
      (exchange) => exchange.take(socket),
      (err: unknown) => this.#onFault(socket, err),
    );
  }

  async #load(): Promise<Exchange> {
    const { Exchange: Loaded } = await import('./exchange.ts');
    this.#exchange = new Loaded(this.#options);
    return this.#exchange;
  }

  #onFault(socket: Socket, err: unknown): void {
    this.#options.log.error({ err }, 'The control socket met an error of its own');
    socket.destroy();
  }
}
