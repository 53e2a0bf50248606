import http from 'node:http';
import type net from 'node:net';
import { NotedResponse } from './noted-response.ts';

/** The three timeouts of an http.Server, in milliseconds; 0 switches one off. */
export interface Timeouts {
  readonly keepAlive: number;
  readonly headers: number;
  readonly request: number;
}

/** Where the service can be reached: what `server.address()` answers inside the app. */
export type Address = net.AddressInfo | string | null;

export interface DetachedOptions extends http.ServerOptions {
  /** The address that the supervisor listens on; null while there is none (`--no-http`, `tricorn check`). */
  readonly address?: Address;
  /** Wraps the emission of 'listening', for whoever must know what its listeners do. Default: just emits. */
  readonly announce?: (emit: () => void) => void;
}

/** Node looks for late clients only so often. With its default, 30 s, a headers timeout of 5 s would take up to 35. */
const CHECK_EVERY_MS = 30_000;

/**
 * An http.Server that never binds: its connections come from an acceptor, by `emit('connection', socket)`.
 *
 * Two things that Node and Fastify tie to listening still hold: headersTimeout and requestTimeout (Node arms them on
 * 'listening'), and `fastify.listen()` and its onListen hooks, for `listen()` binds nothing and only says 'listening'.
 */
export class DetachedServer extends http.Server {
  readonly #address: Address;
  readonly #announce: (emit: () => void) => void;
  #announced = false;

  constructor(options: DetachedOptions = {}, listener?: http.RequestListener) {
    const { address = null, announce = (emit) => emit(), ...rest } = options;
    super({ ServerResponse: NotedResponse, ...rest }, listener);
    this.#address = address;
    this.#announce = announce;
  }

  /** Binds nothing. Says 'listening' in the next tick, as a real one does, whatever address is asked for. */
  override listen(...args: unknown[]): this {
    const callback = args.findLast((arg) => typeof arg === 'function');
    if (callback !== undefined) this.once('listening', callback as () => void);
    process.nextTick(() => this.arm());
    return this;
  }

  /** Says 'listening', at most once, so that Node arms the timeouts. */
  arm(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#announce(() => this.emit('listening'));
  }

  /** The address that the supervisor listens on. */
  override address(): Address {
    return this.#address;
  }

  /** Cuts idle keep-alive connections, as http.Server does: for the end of a worker, not for its drain. */
  override close(callback?: (error?: Error) => void): this {
    const announced = this.#announced;
    this.#announced = false;
    // Node calls a server that never bound "not running". Here it is an error only of those who close twice.
    return super.close((error) => callback?.(announced ? undefined : error));
  }
}

/** The timeouts that the settings ask for, in ms. Headers cannot take longer than the whole request may. */
export function timeoutsOf(seconds: {
  readonly keep_alive_timeout: number;
  readonly headers_timeout: number;
  readonly request_timeout: number;
}): Timeouts {
  const request = seconds.request_timeout * 1000;
  const headers = seconds.headers_timeout * 1000;
  return {
    keepAlive: seconds.keep_alive_timeout * 1000,
    headers: request > 0 && headers > 0 ? Math.min(headers, request) : headers,
    request,
  };
}

/** How often Node must look for late clients (ms) so that no timeout is exceeded by more than half of itself. */
export function checkingInterval(timeouts: Timeouts): number {
  const shortest = Math.min(...[timeouts.headers, timeouts.request].filter((ms) => ms > 0), CHECK_EVERY_MS * 2);
  return Math.max(Math.round(shortest / 2), 100);
}

/** Sets the timeouts of any http.Server, also one that the app made. */
export function setTimeouts(server: http.Server, timeouts: Timeouts): void {
  server.keepAliveTimeout = timeouts.keepAlive;
  server.headersTimeout = timeouts.headers;
  server.requestTimeout = timeouts.request;
}

/** Makes the timeouts hold on a server that never listens. */
export function armTimeouts(server: http.Server): void {
  if (server instanceof DetachedServer) {
    server.arm();
    return;
  }
  lookOften(server);
  server.emit('listening');
}

/** A server that the app made looks for late clients every 30 s, whatever its timeouts. Node reads this when it arms. */
function lookOften(server: http.Server & { connectionsCheckingInterval?: number }): void {
  const { headersTimeout: headers, requestTimeout: request, keepAliveTimeout: keepAlive } = server;
  const ours = checkingInterval({ headers, request, keepAlive });
  server.connectionsCheckingInterval = Math.min(server.connectionsCheckingInterval ?? ours, ours);
}
