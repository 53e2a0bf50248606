/**
 * An event loop that serves the app: in a worker process's main thread (prefork, evented) or in a thread (threaded).
 * Connections are handed to it by accept(); it never listens.
 *
 * States: serving -> draining (by drain()) -> drained. While draining, every answer says `Connection: close`, and
 * idle connections are left open until they have sent one more request, because it may be on its way already.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { mountApp, type MountedApp } from '../app/mount.ts';
import { accessLog, type AccessLog } from '../http/access-log.ts';
import { clientAddress } from '../http/proxy.ts';
import type { Log } from '../log/open-log.ts';
import type { LoopBoot, LoopUsage } from '../protocol.ts';
import type { LoopCounters } from './counters.ts';
import { LoopGauge } from './loop-gauge.ts';

/** The stop hooks get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

/** Kept on the response and on its socket: a symbol costs less per request than a Map, and is in nobody's way. */
const BEGUN = Symbol('performance.now() when the request began');
const CURRENT = Symbol('the newest response that is not finished');

type TrackedResponse = ServerResponse & { [BEGUN]?: number };
type TrackedSocket = Socket & { [CURRENT]?: ServerResponse | undefined };

export class AppLoop {
  readonly form: string;
  readonly #boot: LoopBoot;
  readonly #app: MountedApp;
  readonly #log: Log;
  readonly #counters: LoopCounters;
  readonly #gauge: LoopGauge = new LoopGauge();
  readonly #sockets = new Set<TrackedSocket>();
  /** One listener for all responses: a closure for each would cost more than all the rest. */
  readonly #onClose: (this: ServerResponse) => void;
  readonly #logAccess: AccessLog | undefined;
  readonly #emptied: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #draining = false;

  private constructor(boot: LoopBoot, app: MountedApp, log: Log, counters: LoopCounters) {
    this.form = app.form;
    this.#boot = boot;
    this.#app = app;
    this.#log = log;
    this.#counters = counters;
    if (boot.config.access_log) this.#logAccess = accessLog({ log, format: boot.config.log_format, clientAddress });
    const ended = (response: ServerResponse): void => this.#onResponseEnd(response);
    this.#onClose = function (this: ServerResponse) {
      ended(this);
    };
    // Before the app's own listener: it may answer at once.
    app.server.prependListener('request', (request, response) => this.#onRequest(request.socket, response));
  }

  /** Loads the app. Nothing of it has started; start() does. @throws TricornError TRC_APP_* */
  static async load(boot: LoopBoot, log: Log, counters: LoopCounters): Promise<AppLoop> {
    const explicit = new Set(boot.explicit);
    const app = await mountApp({
      config: boot.config,
      app_options: boot.appOptions,
      explicit: (key) => explicit.has(key),
      log: log.log,
      role: boot.role,
      worker: boot.worker,
      thread: boot.thread,
      generation: boot.generation,
      address: boot.address,
    });
    return new AppLoop(boot, app, log, counters);
  }

  /** Runs the app's start hooks; connections may come when it resolves. @throws TricornError TRC_APP_BOOT */
  async start(): Promise<void> {
    await this.#app.start();
  }

  /** Takes a connection whose begin has been counted. */
  accept(socket: Socket): void {
    this.#sockets.add(socket);
    // Node remembers it from now on; once the connection is cut, it could not be asked for any more.
    if (this.#logAccess) void socket.remoteAddress;
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#counters.connectionEnds();
      if (this.#draining) this.#checkEmpty();
    });
    this.#app.server.emit('connection', socket);
  }

  /** Finishes what is there, cuts what is left at graceful_timeout, then runs the stop hooks. */
  async drain(): Promise<void> {
    const begun = performance.now();
    const limit = this.#boot.config.graceful_timeout * 1000;
    this.#draining = true;
    for (const { [CURRENT]: response } of this.#sockets) if (response) sayClose(response);
    const timer = setTimeout(() => this.#cut(), limit);
    this.#checkEmpty();
    await this.#emptied.promise;
    clearTimeout(timer);
    await this.#app.stop(Math.max(LEAST_HOOK_MS, limit - (performance.now() - begun)));
  }

  async usage(): Promise<LoopUsage> {
    const { requests, inflight, connections } = this.#counters;
    return {
      thread: this.#boot.thread,
      requests,
      inflight,
      connections,
      ...this.#gauge.read(),
      heap: process.memoryUsage().heapUsed,
      app: (await this.#app.stats()) ?? null,
    };
  }

  #onRequest(socket: TrackedSocket, response: TrackedResponse): void {
    response[BEGUN] = performance.now();
    // Of pipelined requests the newest: it is the one whose answer may say that the connection closes.
    socket[CURRENT] = response;
    this.#counters.requestBegins();
    if (this.#draining) sayClose(response);
    response.on('close', this.#onClose);
  }

  #onResponseEnd(response: TrackedResponse): void {
    const socket: TrackedSocket = response.req.socket;
    if (socket[CURRENT] === response) socket[CURRENT] = undefined;
    this.#counters.requestEnds();
    this.#logAccess?.(response.req, response, response[BEGUN] ?? 0);
  }

  #checkEmpty(): void {
    if (this.#sockets.size === 0) this.#emptied.resolve();
  }

  /** graceful_timeout is over: says what is lost, and cuts it. */
  #cut(): void {
    const now = performance.now();
    const responses = Array.from(this.#sockets, ({ [CURRENT]: response }) => response).filter(
      (one) => one !== undefined,
    );
    const cut = responses.map((response: TrackedResponse) => {
      const { req, [BEGUN]: begun = now } = response;
      return `${req.method} ${req.url} (${((now - begun) / 1000).toFixed(1)} s)`;
    });
    const idle = this.#sockets.size - responses.length;
    const { graceful_timeout } = this.#boot.config;
    this.#log.log.warn({ cut, idle }, `graceful_timeout = ${graceful_timeout} s is over: connections are cut`);
    for (const socket of this.#sockets) socket.destroy();
  }
}

function sayClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
