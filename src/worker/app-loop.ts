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
import { wearLimits, wornBy, type WearLimits } from '../limits/wear.ts';
import type { LoopBoot, LoopUsage } from '../protocol.ts';
import type { Ledger } from './ledger.ts';
import { LoopGauge } from './loop-gauge.ts';

/** The stop hooks get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

/** How often age and memory are looked at, milliseconds; requests are counted as they come. */
const WEAR_EVERY_MS = 1000;

export interface AppLoopOptions {
  readonly boot: LoopBoot;
  readonly log: Log;
  readonly ledger: Ledger;
  /** How many loops share the process. */
  readonly loops: number;
  /** Called once, when a limit is reached. */
  readonly onWorn: (reason: string) => void;
}

/** Kept on the response and on its socket: a symbol costs less per request than a Map, and is in nobody's way. */
const BEGUN = Symbol('performance.now() when the request began');
const SLOT = Symbol('where it stands in the ledger');
const CURRENT = Symbol('the newest response that is not finished');

type TrackedResponse = ServerResponse & { [BEGUN]?: number; [SLOT]?: number };
type TrackedSocket = Socket & { [CURRENT]?: ServerResponse | undefined };

export class AppLoop {
  readonly form: string;
  readonly #boot: LoopBoot;
  readonly #app: MountedApp;
  readonly #log: Log;
  readonly #ledger: Ledger;
  readonly #gauge: LoopGauge = new LoopGauge();
  readonly #sockets = new Set<TrackedSocket>();
  /** One listener for all responses: a closure for each would cost more than all the rest. */
  readonly #onClose: (this: ServerResponse) => void;
  readonly #logAccess: AccessLog | undefined;
  readonly #emptied: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #wear: WearLimits;
  readonly #onWorn: (reason: string) => void;
  readonly #startedAt: number = performance.now();
  #worn = false;
  #draining = false;

  private constructor({ boot, log, ledger, loops, onWorn }: AppLoopOptions, app: MountedApp) {
    this.form = app.form;
    this.#boot = boot;
    this.#app = app;
    this.#log = log;
    this.#ledger = ledger;
    this.#onWorn = onWorn;
    this.#wear = wearLimits(boot.config, loops);
    setInterval(() => this.#checkWear(), WEAR_EVERY_MS).unref();
    if (boot.config.access_log) this.#logAccess = accessLog({ log, format: boot.config.log_format, clientAddress });
    const ended = (response: ServerResponse): void => this.#onResponseEnd(response);
    this.#onClose = function (this: ServerResponse) {
      ended(this);
    };
    // Before the app's own listener: it may answer at once.
    app.server.prependListener('request', (request, response) => this.#onRequest(request.socket, response));
  }

  /** Loads the app. Nothing of it has started; start() does. @throws TricornError TRC_APP_* */
  static async load(options: AppLoopOptions): Promise<AppLoop> {
    const { boot, log } = options;
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
    return new AppLoop(options, app);
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
      this.#ledger.connectionEnds();
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
    const { requests, inflight, connections } = this.#ledger;
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
    const { method = '', url = '' } = response.req;
    const begun = performance.now();
    response[BEGUN] = begun;
    response[SLOT] = this.#ledger.requestBegins(method, url, begun);
    // Of pipelined requests the newest: it is the one whose answer may say that the connection closes.
    socket[CURRENT] = response;
    if (this.#ledger.requests >= this.#wear.requests) this.#checkWear();
    if (this.#draining) sayClose(response);
    response.on('close', this.#onClose);
  }

  #onResponseEnd(response: TrackedResponse): void {
    const socket: TrackedSocket = response.req.socket;
    if (socket[CURRENT] === response) socket[CURRENT] = undefined;
    this.#ledger.requestEnds(response[SLOT]);
    this.#logAccess?.(response.req, response, response[BEGUN] ?? 0);
  }

  #checkWear(): void {
    if (this.#worn) return;
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    const facts = {
      requests: this.#ledger.requests,
      ageMs: performance.now() - this.#startedAt,
      bytes: heapUsed + external + arrayBuffers,
    };
    const reason = wornBy(this.#wear, facts);
    if (reason === undefined) return;
    this.#worn = true;
    this.#onWorn(reason);
  }

  #checkEmpty(): void {
    if (this.#sockets.size === 0) this.#emptied.resolve();
  }

  /** graceful_timeout is over: says what is lost, and cuts it. */
  #cut(): void {
    const cut = this.#ledger.entries().map(({ text, ageMs }) => `${text} (${(ageMs / 1000).toFixed(1)} s)`);
    const busy = [...this.#sockets].filter(({ [CURRENT]: response }) => response !== undefined).length;
    const idle = this.#sockets.size - busy;
    const { graceful_timeout } = this.#boot.config;
    this.#log.log.warn({ cut, idle }, `graceful_timeout = ${graceful_timeout} s is over: connections are cut`);
    for (const socket of this.#sockets) socket.destroy();
  }
}

function sayClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
