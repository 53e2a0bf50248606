/**
 * The health port: tells Kubernetes and load balancers whether the service lives, and whether it is ready. The supervisor
 * answers itself, so nothing that befalls workers, such as a full queue or a blocked loop, keeps a probe waiting. Loaded
 * only where there is such a port, for node:http is a quarter of the supervisor's memory.
 *
 * States, and how each is entered and left:
 *
 *   bound      connections wait in the queue. Left by serve(), leave() or close().
 *   listening  probes are answered. Left by leave() or close().
 *   left       another process answers from now on; whoever is connected gets an answer still. Left by close().
 *   closed     Final.
 */
import { once } from 'node:events';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout as pass } from 'node:timers/promises';
import { handedServer } from '../http/handed-server.ts';
import type { Logger } from '../log/supervisor-log.ts';
import { answerProbe, isTicking, type HealthFacts } from './health.ts';
import { bindError, type Listener } from './listener.ts';

/** Probes have sent their request at once. */
const PATIENCE = { headersMs: 3000, requestMs: 3000, silentMs: 5000 };
/** Health checks that are written by hand, as in HAProxy, often have no Host. */
const HEADERS = { maxHeaderSize: 8192, requireHostHeader: false };
/** How long whoever is connected when another process takes over may take for an answer at the end, milliseconds. */
const LAST_MS = 1000;
/** Far more than all probes of a service, and few enough descriptors. */
export const MOST_CONNECTIONS = 64;

type State = 'bound' | 'listening' | 'left' | 'closed';

const FROM: Readonly<Record<State, readonly State[]>> = {
  bound: [],
  listening: ['bound'],
  left: ['bound', 'listening'],
  closed: ['bound', 'listening', 'left'],
};

export interface HealthPortOptions {
  readonly listener: Pick<Listener, 'bound' | 'shown'>;
  readonly facts: () => HealthFacts;
  /** Has the supervisor tick, before the next turn of the event loop. */
  readonly wake: () => void;
  readonly log: Logger;
}

export class HealthPort {
  readonly #options: HealthPortOptions;
  readonly #server: HttpServer;
  /** Apart from the http.Server: to close that one cuts connections whose request is on its way. */
  readonly #acceptor: Server;
  /** The oldest first. */
  readonly #sockets = new Set<Socket>();
  #facts: () => HealthFacts;
  #state: State = 'bound';

  constructor(options: HealthPortOptions) {
    this.#options = options;
    this.#facts = options.facts;
    this.#server = handedServer(PATIENCE, (request, response) => void this.#answer(request, response), HEADERS);
    this.#acceptor = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#onConnection(socket);
      this.#server.emit('connection', socket);
    });
  }

  /** Resolves when it answers; at once where another process does. @throws TricornError TRC_PORT_IN_USE, TRC_ADDRESS */
  async serve(): Promise<void> {
    if (this.#state !== 'bound') return;
    this.#enter('listening');
    const { listener, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#acceptor.once('error', reject).listen(listener.bound, resolve);
    try {
      await promise;
    } catch (error) {
      throw bindError(error as NodeJS.ErrnoException, listener.shown);
    }
    this.#acceptor.off('error', reject).on('error', (err) => {
      // EMFILE and the like. Whoever connects waits in the queue.
      log.warn({ err }, 'The health port could not accept a connection');
    });
    // It is the service that keeps the process alive, not this.
    this.#acceptor.unref();
  }

  /** Another process answers on the same socket, as of now: what is true now stays true for whom this one has accepted. */
  leave(): void {
    const facts = this.#options.facts();
    this.#facts = () => facts;
    this.#enter('left');
    this.#acceptor.close();
  }

  /** Cuts all connections: the process is about to exit. Where another one answers by now, theirs come first. */
  async close(): Promise<void> {
    if (this.#state === 'left') await this.#finish();
    this.#enter('closed');
    this.#acceptor.close();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroySoon();
  }

  /** Until the last connection has ended. */
  async #finish(): Promise<void> {
    const ended = [...this.#sockets].map((socket) => once(socket, 'close'));
    // One turn more: where this process stood still meanwhile, what has come is yet to be read.
    const late = pass(LAST_MS, undefined, { ref: false }).then(() => turn());
    await Promise.race([Promise.allSettled(ended), late]);
  }

  #onConnection(socket: Socket): void {
    // Of those who have sent nothing yet the oldest goes, not the newest: that may be the probe.
    const [oldest] = this.#sockets;
    if (oldest && this.#sockets.size >= MOST_CONNECTIONS) {
      this.#sockets.delete(oldest);
      oldest.destroy();
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #answer({ method = '', url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that is gone is no error of ours.
    response.on('error', () => {});
    response.shouldKeepAlive = false;
    // After a suspension the probe may come before the tick.
    if (!isTicking(this.#facts())) await this.#tick();
    const { status, headers, body } = answerProbe({ method, url }, this.#facts());
    const text = `${JSON.stringify(body)}\n`;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      connection: 'close',
      ...headers,
    });
    response.end(text);
  }

  async #tick(): Promise<void> {
    this.#options.wake();
    await turn();
  }

  #enter(state: State): void {
    if (!FROM[state].includes(this.#state)) throw new Error(`health port: ${this.#state} -> ${state} is no transition`);
    this.#state = state;
  }
}
