/**
 * An event loop that serves the app: in a worker process's main thread (prefork, evented) or in a thread (threaded).
 * Connections are handed to it by accept(); it never listens.
 *
 * States: serving -> draining (by drain()) -> drained. While draining, every answer says `Connection: close`, and
 * idle connections are left open until they have sent one more request, because it may be on its way already; with
 * dev = reload they are ended at once, because that request should be answered by new code.
 */
import type { Socket } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import { mountApp, type MountedApp } from '../app/mount.ts';
import { provideStore } from '../cron/trigger.ts';
import type { Log } from '../log/open-log.ts';
import { endIdle } from '../dev/end-idle.ts';
import type { LoopBoot, LoopFigures, LoopUsage, Poison } from '../protocol.ts';
import { Connections } from './connections.ts';
import { contextOf } from './context-of.ts';
import { currentRequest } from './current-request.ts';
import { HealthWatch } from './health-watch.ts';
import type { Ledger } from './ledger.ts';
import type { Loop, LoopOptions } from './loop.ts';
import { LoopGauge } from './loop-gauge.ts';
import { Requests } from './requests.ts';
import { soon, storeOf } from './store-of.ts';
import { Upgrades } from './upgrades.ts';
import { Wear } from './wear.ts';

/** The stop hooks get at least this much, however long the drain took, milliseconds. */
const LEAST_HOOK_MS = 2000;

/** Of websockets and the like that are cut, so many are named: there may be thousands, and one line is to be read. */
const NAMED_UPGRADES = 20;

export class AppLoop implements Loop {
  readonly form: string;
  readonly jobs: number;
  readonly #boot: LoopBoot;
  readonly #app: MountedApp;
  readonly #log: Log;
  readonly #ledger: Ledger;
  readonly #gauge: LoopGauge = new LoopGauge();
  readonly #sockets: Connections = new Connections();
  readonly #requests: Requests;
  readonly #upgrades: Upgrades = new Upgrades();
  readonly #health: HealthWatch;
  readonly #emptied: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  /** Of trigger(), where the app has called it. */
  readonly #closeStore: () => Promise<void>;
  #draining = false;

  private constructor(options: LoopOptions, app: MountedApp, closeStore: () => Promise<void>) {
    const { boot, terms, log, ledger } = options;
    this.form = app.form;
    this.jobs = app.jobs.size;
    this.#boot = boot;
    this.#app = app;
    this.#log = log;
    this.#ledger = ledger;
    this.#health = new HealthWatch({
      ask: app.health,
      log: log.log,
      onChange: options.onHealth,
      bootTimeout: boot.config.boot_timeout,
    });
    const wear = new Wear(options);
    this.#closeStore = closeStore;
    this.#requests = new Requests({
      role: boot.role,
      terms,
      log,
      ledger,
      connections: this.#sockets,
      many: () => wear.requests,
      onMany: () => wear.check(),
    });
  }

  /** Loads the app. Nothing of it has started; start() does. @throws TricornError TRC_APP_* */
  static async load(options: LoopOptions): Promise<AppLoop> {
    const { boot, log } = options;
    const closeStore = provideStore(() => storeOf(boot, log));
    return new AppLoop(options, await mountApp(contextOf(boot, log)), closeStore);
  }

  /** Runs the app's start hooks; connections may come when it resolves. @throws TricornError TRC_APP_BOOT */
  async start(): Promise<void> {
    await this.#app.start();
    this.#requests.takeOver(this.#app.server);
    this.#upgrades.watch(this.#app.server);
    await this.#health.start();
  }

  /** Jobs are run elsewhere. */
  async publish(): Promise<void> {}

  /** Takes a connection whose begin has been counted. */
  accept(socket: Socket): void {
    this.#sockets.add(socket);
    // Node remembers it from now on; once the connection is cut, it could not be asked for any more.
    if (this.#boot.config.access_log) void socket.remoteAddress;
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#ledger.connectionEnds();
      this.#requests.onConnectionEnd(socket);
      if (this.#draining) this.#checkEmpty();
    });
    this.#app.server.emit('connection', socket);
  }

  /** Answers 503 to a route that has killed event loops. */
  refuseRoute(poison: Poison): void {
    this.#requests.refuseRoute(poison);
  }

  /** Counts its requests from now on, or no more. @returns what was counted until now */
  measure(on: boolean): LoopFigures | undefined {
    return this.#requests.measure(on);
  }

  /** Its code threw where nobody caught it: it is given up if it does not end soon. */
  abandon(): void {
    const request = currentRequest();
    if (request) this.#requests.abandon(request);
  }

  /**
   * Finishes what is there, cuts what is left at graceful_timeout, then runs the stop hooks.
   *
   * @param final the service stops: websockets hear that it goes away, instead of that they may come back
   */
  async drain(final: boolean): Promise<void> {
    const begun = performance.now();
    const { graceful_timeout, ws_drain_spread } = this.#boot.config;
    const limit = graceful_timeout * 1000;
    this.#draining = true;
    this.#health.stop();
    this.#requests.drain();
    this.#upgrades.close({ code: final ? 1001 : 1012, spreadMs: ws_drain_spread * 1000, limitMs: limit });
    if (this.#boot.config.dev === 'reload') endIdle(this.#sockets, (socket) => this.#requests.isIdle(socket));
    const timer = setTimeout(() => this.#cut(), limit);
    this.#checkEmpty();
    await this.#emptied.promise;
    clearTimeout(timer);
    try {
      await this.#app.stop(Math.max(LEAST_HOOK_MS, limit - (performance.now() - begun)));
    } finally {
      await soon(this.#closeStore());
    }
  }

  async usage(): Promise<LoopUsage> {
    const { requests, inflight, connections } = this.#ledger;
    return {
      thread: this.#boot.thread,
      requests,
      inflight,
      connections,
      waiting: this.#requests.waiting,
      refused: this.#requests.refused,
      ...this.#gauge.read(),
      heap: getHeapStatistics().used_heap_size,
      app: (await this.#app.stats()) ?? null,
      unhealthy: this.#health.unhealthy,
    };
  }

  #checkEmpty(): void {
    if (this.#sockets.size === 0) this.#emptied.resolve();
  }

  /** graceful_timeout is over: says what is lost, and cuts it. */
  #cut(): void {
    const requests = this.#ledger.entries().map(({ text, ageMs }) => `${text} (${(ageMs / 1000).toFixed(1)} s)`);
    const upgraded = this.#upgrades.names();
    const cut = [...requests, ...upgraded.slice(0, NAMED_UPGRADES)];
    const more = upgraded.length > NAMED_UPGRADES ? { more_cut: upgraded.length - NAMED_UPGRADES } : {};
    const busy = [...this.#sockets].filter((socket) => this.#requests.isBusy(socket) || this.#upgrades.has(socket));
    const idle = this.#sockets.size - busy.length;
    const { graceful_timeout } = this.#boot.config;
    this.#log.log.warn({ cut, ...more, idle }, `graceful_timeout = ${graceful_timeout} s is over: connections are cut`);
    for (const socket of this.#sockets) socket.destroy();
  }
}
