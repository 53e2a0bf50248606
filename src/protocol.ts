/**
 * Every message that crosses between supervisor, worker processes and threads, typed in this one file.
 *
 * Down go orders, up come ready, fatal, usage and stacks. Two channels lead to a worker process: the IPC channel,
 * answered by its main event loop, and the lifeline (file descriptor LIFELINE_FD), a pipe that is read outside the
 * loop which runs the app, so that it answers while that loop is blocked and ends when the supervisor is gone.
 */
import type { AddressInfo } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import type { Config } from './config/config.ts';
import type { WireError } from './errors.ts';

export type Role = 'http' | 'evented' | 'cron';

/** Descriptors after stdin, stdout, stderr and the IPC channel, fixed by the order of `stdio` in spawn-worker. */
export const LIFELINE_FD = 4;
export const FIRST_LISTENER_FD = 5;

/** What an event loop that runs the app has to know. It is the same in a process and in a thread. */
export interface LoopBoot {
  readonly config: Config;
  readonly appOptions: Readonly<Record<string, unknown>>;
  /** The settings that somebody gave: they win over the app's own options, defaults do not. */
  readonly explicit: readonly (keyof Config)[];
  readonly role: Role;
  readonly worker: number;
  /** 0 = the main thread of a worker process. */
  readonly thread: number;
  readonly generation: number;
  /** For cron workers that start while their generation serves: since when, as in Publish. Others wait to be told. */
  readonly since?: number;
  readonly address: ListenAddress | null;
  /** Absent in normal operation. */
  readonly recorder?: RecorderBoot;
  /** It is a spare (src/dev/spares.ts): it gets ready for this form of app, and loads none before it is told to go. */
  readonly warmFor?: string | undefined;
}

/** Where a loop also writes down its requests, so that the record outlives its process: src/flight-record.ts. */
export interface RecorderBoot {
  readonly fd: number;
  readonly region: number;
  /** For so long, milliseconds. */
  readonly forMs: number;
}

export type ListenerKind = 'tcp' | 'unix';

/** As net.Server.address() has it: of a unix socket, its path. */
export type ListenAddress = AddressInfo | string;

/**
 * A listening socket that a worker inherits several times: one descriptor to claim it, and one to accept on; of a unix
 * socket, where there are threads, one for each of them and some to spare.
 */
export interface InheritedListener {
  readonly kind: ListenerKind;
  /** For messages. */
  readonly shown: string;
  readonly claimFd: number;
  readonly acceptFds: readonly number[];
}

/** One descriptor to accept on. */
export interface AcceptFrom {
  readonly kind: ListenerKind;
  readonly fd: number;
}

/** What a worker process has to know. `threads` 0 = the app runs in its main thread. */
export interface WorkerBoot extends Omit<LoopBoot, 'thread'> {
  readonly type: 'boot';
  readonly threads: number;
  readonly listeners: readonly InheritedListener[];
}

/** Figures of one event loop, since it started. */
export interface LoopUsage {
  /** It did not answer in time; only the counters are known. */
  readonly blocked?: boolean;
  readonly thread: number;
  readonly requests: number;
  readonly inflight: number;
  readonly connections: number;
  /** Of those in flight: how many wait for their turn (max_inflight). */
  readonly waiting: number;
  /** Requests that Tricorn answered 503, or cut, in place of the app. */
  readonly refused: number;
  /** Share of the time that the event loop was busy since the last report, 0 to 1. */
  readonly utilisation: number;
  /** Event loop delay since the last report, milliseconds. */
  readonly delayP50: number;
  readonly delayP99: number;
  /** Bytes of JavaScript heap in use. */
  readonly heap: number;
  /** What the app's stats() returned; null without one. */
  readonly app: unknown;
  /** Why the app says that it is not healthy; null where it does not say so. */
  readonly unhealthy: string | null;
}

export interface WorkerUsage {
  readonly type: 'usage';
  /** Bytes. */
  readonly rss: number;
  readonly loops: readonly LoopUsage[];
}

/** What one event loop has counted while a canary ran. */
export interface LoopFigures {
  /** It did not answer in time: nothing else is known. */
  readonly blocked?: boolean;
  readonly requests: number;
  /** Answered 5xx, or refused or cut by Tricorn. */
  readonly errors: number;
  /** By bucket of a Histogram. */
  readonly latencies: readonly number[];
}

/** The JavaScript stack of one event loop; no frames = idle, `unknown` = it could not be taken. */
export interface LoopStack {
  readonly thread: number;
  readonly frames: readonly string[];
  /** `GET /path`: the request that the code on the stack belongs to; '' or absent where it belongs to none. */
  readonly request?: string;
  readonly unknown?: string;
  /** `GET /path (1.2 s)`: what it has in flight. */
  readonly requests?: readonly string[];
}

/** It serves from now on. */
interface Ready {
  readonly type: 'ready';
  /** Of app, in words. */
  readonly form: string;
  /** How many jobs the app has. */
  readonly jobs: number;
}

/** What the app says of itself has changed. Until it says something, it is healthy. */
interface Health {
  readonly type: 'health';
  /** Of threads: one of those that are ready is. */
  readonly healthy: boolean;
}

/** A limit is reached: it is to be recycled. */
interface Worn {
  readonly type: 'worn';
  readonly reason: string;
}

/** A route that is answered 503, because it has killed event loops. */
export interface Poison {
  readonly type: 'poison';
  /** `POST /orders/:id` */
  readonly route: string;
  /** For how long from now on, milliseconds. */
  readonly ms: number;
}

/** Settings that are applied while all goes on. */
interface Live {
  readonly type: 'live';
  readonly settings: Partial<Config>;
}

/** Finish what is there, then end. */
interface Drain {
  readonly type: 'drain';
  /** The service stops. Otherwise others serve on, and clients may come back at once. */
  readonly final: boolean;
}

/** Its generation serves: from now on counts what its app declares about jobs, which cron workers begin to run. */
interface Publish {
  readonly type: 'publish';
  /** Since when it serves, milliseconds since 1970: of two generations, the later one decides about the jobs. */
  readonly since: number;
}

/** `on`: requests are counted from now on. Off: no more, and the figures are told. */
interface Measure {
  readonly type: 'measure';
  readonly on: boolean;
}

/** Threads: they are replaced, one after the other, by those of another generation that differs in its code alone. */
export interface Renew {
  readonly type: 'renew';
  readonly app: string;
  readonly generation: number;
}

/** Nobody caught an error: it is logged, what is in flight still finishes, and a replacement is due. */
interface Broken {
  readonly type: 'broken';
}

export type ToWorker =
  | WorkerBoot
  | Poison
  | Live
  | Drain
  | Publish
  | { readonly type: 'threads'; readonly count: number }
  | Measure
  | Renew
  | { readonly type: 'usage' };

/** It runs no JavaScript any more: nothing but its end may follow. What its calls of the system do may keep it for ever. */
interface Leaves {
  readonly type: 'leaves';
  readonly code: number;
}

/** One that leaves has so long to end, milliseconds. */
export const LEAVE_MS = 5000;

export type FromWorker =
  /** Its entry runs: it hears what it is told from now on. */
  | { readonly type: 'awake' }
  | Ready
  | { readonly type: 'fatal'; readonly error: WireError }
  | Broken
  | Leaves
  /** Draining: it accepts no more, neither does the kernel for it. */
  | { readonly type: 'closed' }
  /** The store of the jobs has been told, or does not answer. */
  | { readonly type: 'published' }
  /** Threads: how many are ready now, when that changes; and why a start has failed, where one has. */
  | { readonly type: 'threads'; readonly ready: number; readonly failed?: WireError | undefined }
  /** Threads: one of them has died, or cannot go on; it is replaced. */
  | { readonly type: 'lost'; readonly thread: number }
  /** Threads: all are replaced, and how many jobs the app has now; or why one could not be. */
  | { readonly type: 'renewed'; readonly error?: WireError | undefined; readonly jobs: number }
  | { readonly type: 'measured'; readonly loops: readonly LoopFigures[] }
  | Health
  | Worn
  | WorkerUsage;

/** What goes up a channel that is the app's, too: `{ type: 'ready' }` or 'broken' may be words of its own. */
interface Envelope<Message> {
  readonly tricorn: Message;
}

export function wrap<Message extends FromWorker | FromThread>(message: Message): Envelope<Message> {
  return { tricorn: message };
}

/**
 * What a worker says; nothing where it is the app that speaks by process.send(), for example 'ready' to PM2: that is not for
 * us, and must not be able to throw in the supervisor, whatever it is.
 */
export function unwrap(sent: unknown): FromWorker | undefined {
  const { tricorn } = (sent ?? {}) as Readonly<Record<string, unknown>>;
  return isFromWorker(tricorn) ? tricorn : undefined;
}

/** They say all by their type. */
const BARE: ReadonlySet<unknown> = new Set(['awake', 'broken', 'closed', 'published', 'renewed']);

function isFromWorker(message: unknown): message is FromWorker {
  const { type, form, jobs, error, loops, reason, ready, thread, healthy, code } = (message ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (type === 'ready') return typeof form === 'string' && typeof jobs === 'number';
  if (type === 'fatal') return typeof error === 'object' && error !== null;
  if (type === 'worn') return typeof reason === 'string';
  if (BARE.has(type)) return true;
  if (type === 'leaves') return typeof code === 'number';
  if (type === 'health') return typeof healthy === 'boolean';
  if (type === 'threads') return typeof ready === 'number';
  if (type === 'lost') return typeof thread === 'number';
  return (type === 'usage' || type === 'measured') && Array.isArray(loops);
}

/** Over the lifeline, one JSON object a line. */
export type ToLifeline = { readonly type: 'stacks' } | Live;
export type FromLifeline =
  | { readonly type: 'stacks'; readonly loops: readonly LoopStack[] }
  /** The worker's event loop is stuck; it is about to be killed, unless it drains. */
  | { readonly type: 'stuck' }
  /** An event loop is about to be killed that is stuck in this request: `GET /path`. */
  | { readonly type: 'blame'; readonly request: string }
  /** It is about to be killed, and the log says why. */
  | { readonly type: 'killed' }
  | Worn;

/**
 * From a threaded worker's main thread to its threads; a transferred net.Socket is a message of its own. `wake` asks for
 * nothing but a turn of the event loop. `go` is for spares.
 */
export type ToThread =
  | { readonly type: 'usage' | 'wake' | 'go' }
  | Drain
  | Publish
  | Poison
  | Live
  | Measure
  /** Accept on these yourself from now on. */
  | { readonly type: 'listen'; readonly on: readonly AcceptFrom[] };

export type FromThread =
  | Ready
  | { readonly type: 'fatal'; readonly error: WireError }
  | Broken
  | Leaves
  | { readonly type: 'published' }
  | Health
  | Worn
  | { readonly type: 'measured'; readonly figures: LoopFigures }
  | { readonly type: 'usage'; readonly usage: LoopUsage };

/** What a thread says; nothing where it is the app that speaks by parentPort. */
export function unwrapThread(sent: unknown): FromThread | undefined {
  return ((sent ?? {}) as Partial<Envelope<FromThread>>).tricorn;
}

/** Decodes a stream of JSON lines; feed it chunks as they come, it yields whole messages. */
export function lineDecoder<Message>(onMessage: (message: Message) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder();
  let rest = '';
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onMessage(JSON.parse(line) as Message);
  };
}

export function encodeLine(message: ToLifeline | FromLifeline): string {
  return `${JSON.stringify(message)}\n`;
}
