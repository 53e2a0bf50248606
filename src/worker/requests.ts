/**
 * The requests of one event loop: it stands between the http.Server and the app's own listeners, and counts, admits, logs
 * and ends them. Lives where the app lives, in a worker's main thread or in a thread.
 *
 * States of a request, and how each is entered and left:
 *
 *   waiting  max_inflight requests run already. Left when its turn comes, by max_queue_age, or by its end.
 *   running  the app has it. Left by its end, or when it takes longer than limit_time_real, or than ABANDON_MS after its
 *            code threw where nobody caught it.
 *   refused  Tricorn has answered it in place of the app, or cut its connection. Left by its end.
 *   ended    the response is closed. Final.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import { accessLog, type AccessLog } from '../http/access-log.ts';
import { isEventStream, NotedResponse } from '../http/noted-response.ts';
import { clientAddress } from '../http/proxy.ts';
import { answerOnSocket, closeGently, refusalOf, refuse, type Refusal } from '../http/refusal.ts';
import { Admission, admissionLimits, NO_LIMITS } from '../limits/admission.ts';
import { routeOf } from '../limits/poison.ts';
import type { Log } from '../log/open-log.ts';
import type { LoopFigures, Poison, Role } from '../protocol.ts';
import { realLimitMs } from '../watchdog/limits.ts';
import { enterRequest } from './current-request.ts';
import type { Ledger } from './ledger.ts';
import { Measure } from './measure.ts';
import type { Terms } from './terms.ts';

type State = 'waiting' | 'running' | 'refused' | 'ended';

/** What is known of one request. */
interface Tracked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** performance.now() */
  readonly begun: number;
  /** Where it stands in the ledger. */
  readonly slot: number;
  state: State;
  /** It has, or waits for, one of the max_inflight places. */
  admitted: boolean;
  /** The one before it on the same connection, where that has not ended: pipelining. */
  previous: Tracked | undefined;
  /** Where it waits: calls what is to run then as it would have run when it arrived, and not as part of another request. */
  resume: ((run: () => void) => void) | undefined;
}

/** Kept on the response and on its socket: a symbol costs less per request than a Map, and is in nobody's way. */
const TRACKED: unique symbol = Symbol('what is known of the request');
const NEWEST: unique symbol = Symbol('the newest request that has not ended');

type TrackedResponse = ServerResponse & { [TRACKED]?: Tracked };
type TrackedSocket = Socket & { [NEWEST]?: Tracked | undefined };

/**
 * A request whose code threw where nobody caught it has so long to end: what threw may have been beside the point, as an
 * audit record that could not be written; mostly nobody is left who would answer. ms.
 */
const ABANDON_MS = 1000;

export interface RequestsOptions {
  readonly role: Role;
  readonly terms: Terms;
  readonly log: Log;
  readonly ledger: Ledger;
  /** The open connections of this loop. */
  readonly connections: Iterable<Socket>;
  /** After so many requests onMany is called, at each of them. Asked for when the terms change. */
  readonly many: () => number;
  readonly onMany: () => void;
}

export class Requests {
  readonly #role: Role;
  readonly #terms: Terms;
  readonly #log: Log;
  readonly #ledger: Ledger;
  readonly #connections: Iterable<TrackedSocket>;
  readonly #onMany: () => void;
  /** One listener for all responses: a closure for each would cost more than all the rest. */
  readonly #onClose: (this: TrackedResponse) => void;
  #many: number = Infinity;
  #limitMs: number = Infinity;
  #admission: Admission<Tracked> | undefined;
  #logAccess: AccessLog | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** By route, until when it is refused, performance.now(). Undefined, as nearly always: nothing is looked up. */
  #poison: Map<string, number> | undefined;
  /** While a canary runs. */
  #measure: Measure | undefined;
  #app: RequestListener = () => {};
  #draining = false;
  #refused = 0;

  constructor({ role, terms, log, ledger, connections, many, onMany }: RequestsOptions) {
    this.#role = role;
    this.#terms = terms;
    this.#log = log;
    this.#ledger = ledger;
    this.#connections = connections;
    this.#onMany = onMany;
    const ended = (tracked: Tracked | undefined): void => tracked && this.#onEnd(tracked);
    this.#onClose = function (this: TrackedResponse) {
      ended(this[TRACKED]);
    };
    terms.follow((config) => {
      this.#many = many();
      this.#goBy(config);
    });
  }

  #goBy(config: Config): void {
    const { access_log, log_format: format } = config;
    this.#limitMs = realLimitMs(config, this.#role);
    this.#logAccess = access_log ? accessLog({ log: this.#log, format, clientAddress }) : undefined;
    const limits = admissionLimits(config);
    if (this.#admission) for (const next of this.#admission.change(limits ?? NO_LIMITS)) this.#runNext(next);
    else if (limits) this.#admission = new Admission(limits, () => performance.now(), this.#admitRunning());
    clearInterval(this.#timer);
    const every = Math.min(this.#limitMs / 10, (limits?.ageMs ?? Infinity) / 10, 1000);
    if (this.#limitMs === Infinity && !limits) return;
    this.#timer = setInterval(() => this.#checkAges(), Math.max(every, 20)).unref();
  }

  get waiting(): number {
    return this.#admission?.waiting ?? 0;
  }

  /** How many were answered by Tricorn, or cut, in place of the app. */
  get refused(): number {
    return this.#refused;
  }

  /** Takes the place of the server's own listeners, and calls them. Call it once the app has added all of its own. */
  takeOver(server: Server): void {
    const listeners = server.rawListeners('request') as RequestListener[];
    const [only = this.#app] = listeners;
    server.removeAllListeners('request');
    // Not only.bind(): in Express that is the route of the HTTP method BIND.
    this.#app =
      listeners.length === 1
        ? (request, response) => only.call(server, request, response)
        : (request, response) => listeners.forEach((listener) => listener.call(server, request, response));
    server.on('request', (request, response) => this.#onRequest(request, response));
  }

  /** Answers 503 to a route for a while. */
  refuseRoute({ route, ms }: Poison): void {
    this.#poison ??= new Map();
    this.#poison.set(route, performance.now() + ms);
  }

  /** Its code threw where nobody caught it. It is answered 500, or cut, unless it ends soon. */
  abandon(request: IncomingMessage): void {
    const tracked = chain(request.socket).find((one) => one.request === request);
    if (!tracked) return;
    setTimeout(() => {
      if (tracked.state !== 'running') return;
      const done = this.#endForApp(tracked, refusalOf('TRC_UNCAUGHT', {}));
      this.#log.log.warn(`${nameOf(tracked)}: its code threw where nobody caught it, ${done}`);
    }, ABANDON_MS).unref();
  }

  /** Counts anew from now on, or no more. @returns what was counted; what is in flight has taken as long as it is old */
  measure(on: boolean): LoopFigures | undefined {
    const before = this.#measure;
    this.#measure = on ? new Measure(lastsLong) : undefined;
    const inflight = before ? [...this.#connections].flatMap(chain) : [];
    for (const tracked of inflight) if (tracked.state !== 'refused') before?.add(tracked);
    return before?.figures;
  }

  /** From now on every answer says that its connection closes. */
  drain(): void {
    this.#draining = true;
    for (const { [NEWEST]: newest } of this.#connections) if (newest) sayClose(newest.response);
  }

  /** Whether the connection has a request that has not ended. */
  isBusy(connection: TrackedSocket): boolean {
    return connection[NEWEST] !== undefined;
  }

  /** Whether nothing on the connection comes to an end by itself. */
  isIdle({ [NEWEST]: newest }: TrackedSocket): boolean {
    return !newest || lastsLong(newest);
  }

  /** A connection is gone. Node tells that only to the first of its pipelined responses. */
  onConnectionEnd(connection: TrackedSocket): void {
    for (const tracked of chain(connection)) this.#onEnd(tracked);
  }

  #onRequest(request: IncomingMessage, response: TrackedResponse): void {
    const { method = '', url = '' } = request;
    const socket = request.socket as TrackedSocket;
    const begun = performance.now();
    const slot = this.#ledger.requestBegins(method, url, begun);
    const tracked: Tracked = {
      request,
      response,
      begun,
      slot,
      state: 'running',
      admitted: false,
      previous: socket[NEWEST],
      resume: undefined,
    };
    response[TRACKED] = tracked;
    // Of pipelined requests the newest: it is the one whose answer may say that the connection closes.
    socket[NEWEST] = tracked;
    response.on('close', this.#onClose);
    if (this.#ledger.requests >= this.#many) this.#onMany();
    if (this.#draining) sayClose(response);
    if (this.#poison && this.#refusePoison(tracked, this.#poison)) return;
    if (this.#admission) this.#admit(tracked, this.#admission);
    else this.#run(tracked);
  }

  /** In the callback in which it arrives, or in the context of that. */
  #run({ request, response }: Tracked): void {
    enterRequest(request);
    this.#app(request, response);
  }

  #admit(tracked: Tracked, admission: Admission<Tracked>): void {
    const verdict = admission.enter(tracked);
    tracked.admitted = verdict !== 'refuse';
    if (verdict === 'run') this.#run(tracked);
    else if (verdict === 'wait') this.#letWait(tracked);
    else this.#refuseOverload(tracked, `max_queue = ${this.#terms.config.max_queue} requests wait already`);
  }

  /** Those that run when max_inflight comes have their places, too. @returns how many */
  #admitRunning(): number {
    const running = [...this.#connections].flatMap(chain).filter(({ state }) => state === 'running');
    for (const tracked of running) tracked.admitted = true;
    return running.length;
  }

  #onEnd(tracked: Tracked): void {
    if (tracked.state === 'ended') return;
    const { request, response, slot, begun } = tracked;
    const socket = request.socket as TrackedSocket;
    if (socket[NEWEST] === tracked) socket[NEWEST] = undefined;
    this.#measure?.add(tracked, this.#ledger.requests);
    tracked.state = 'ended';
    tracked.previous = undefined;
    this.#ledger.requestEnds(slot);
    this.#logAccess?.(request, response, begun);
    const next = tracked.admitted ? this.#admission?.leave(tracked) : undefined;
    if (next) this.#runNext(next);
  }

  #letWait(tracked: Tracked): void {
    tracked.state = 'waiting';
    tracked.resume = AsyncLocalStorage.snapshot();
  }

  /** Called when another one ends, in what belongs to that: stores of the app, too, must not pass from one to the other. */
  #runNext(tracked: Tracked): void {
    tracked.state = 'running';
    tracked.resume?.(() => this.#run(tracked));
    tracked.resume = undefined;
  }

  #refusePoison(tracked: Tracked, poison: Map<string, number>): boolean {
    const route = routeOf(`${tracked.request.method} ${tracked.request.url}`);
    const leftMs = (poison.get(route) ?? 0) - tracked.begun;
    if (leftMs > 0) {
      this.#refuse(tracked);
      refuse(tracked.response, refusalOf('TRC_POISON', { route }, leftMs / 1000));
      return true;
    }
    poison.delete(route);
    if (poison.size === 0) this.#poison = undefined;
    return false;
  }

  #refuseOverload(tracked: Tracked, reason: string): void {
    this.#refuse(tracked);
    refuse(tracked.response, refusalOf('TRC_OVERLOADED', { reason }, this.#terms.config.max_queue_age || 1));
  }

  #refuse(tracked: Tracked): void {
    tracked.state = 'refused';
    this.#refused += 1;
  }

  #checkAges(): void {
    for (const tracked of this.#admission?.expire() ?? []) {
      tracked.admitted = false;
      this.#refuseOverload(tracked, `it has waited for max_queue_age = ${this.#terms.config.max_queue_age} s`);
    }
    const since = performance.now() - this.#limitMs;
    for (const connection of this.#connections) {
      for (const tracked of chain(connection)) {
        if (tracked.begun <= since && tracked.state === 'running' && !lastsLong(tracked)) this.#onOverdue(tracked);
      }
    }
  }

  /** The app is told in the way that every framework knows, and makes its AbortSignal of: the client is gone. */
  #onOverdue(tracked: Tracked): void {
    const text = nameOf(tracked);
    const seconds = Number(((performance.now() - tracked.begun) / 1000).toFixed(1));
    const done = this.#endForApp(tracked, refusalOf('TRC_REQUEST_TIME', { seconds }));
    this.#log.log.warn(
      { limit: 'limit_time_real', request: text, age_s: seconds },
      `${text}: over limit_time_real, ${done}`,
    );
  }

  /** @returns what was done, for the log */
  #endForApp(tracked: Tracked, refusal: Refusal): string {
    const { request, response } = tracked;
    this.#refuse(tracked);
    const answered = answerOnSocket(response, refusal);
    if (!answered) request.socket.destroy();
    else if (request.complete) request.socket.destroySoon();
    else closeGently(request.socket);
    return answered ? `answered ${refusal.status}` : 'its connection is cut';
  }
}

function nameOf({ request }: Tracked): string {
  return `${request.method} ${request.url}`;
}

/** Its requests that have not ended, the newest first. */
function chain(connection: TrackedSocket): Tracked[] {
  const all: Tracked[] = [];
  for (let tracked = connection[NEWEST]; tracked; tracked = tracked.previous) all.push(tracked);
  return all;
}

/** They last as long as their client wants. Of a server that the app made, the client's own wish must tell. */
function lastsLong({ response }: Pick<Tracked, 'response'>): boolean {
  if (!response.headersSent) return false;
  if (response instanceof NotedResponse) return response.isEventStream;
  return isEventStream(response.getHeader('content-type') ?? response.req.headers.accept);
}

function sayClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
