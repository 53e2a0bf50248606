/**
 * Tells a service manager how the service is, by sd_notify(3), where NOTIFY_SOCKET asks for it. Lives in the supervisor.
 *
 * Node has no unix datagram socket, so systemd-notify is run for each message: where systemd is, it is. It waits until
 * systemd has read the message (sd_notify_barrier), so that nothing is lost on the way. docs/systemd.md has what it costs.
 */
import { execFile } from 'node:child_process';
import type { Logger } from '../log/supervisor-log.ts';
import type { WorkerUsage } from '../protocol.ts';

type Environment = Record<string, string | undefined>;

const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;
const COMMAND = 'systemd-notify';
/** For a service manager that does not read, milliseconds. */
const PATIENCE_MS = 10_000;
const STATUS_MS = 10_000;
/** The supervisor ticks once a second, so that beats for less than this may come too late, milliseconds. */
const LEAST_WATCHDOG_MS = 4000;

/** A worker, as far as it is told about. */
interface Reporting {
  askUsage(): Promise<WorkerUsage | undefined>;
}

export interface ServiceManagerOptions {
  /** Its variables are taken out, so that nothing that the app starts speaks in the service's name. */
  readonly env: Environment;
  readonly pid: number;
  readonly log: Logger;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
}

export interface Staff {
  readonly wanted: number;
  readonly serving: number;
  readonly workers: Iterable<Reporting>;
}

export class ServiceManager {
  /** What was taken out of the environment, as the next process of this service needs it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #log: Logger;
  readonly #clock: () => number;
  /** Undefined: nobody asks. */
  readonly #socket: string | undefined;
  /** Milliseconds between beats; 0 = none are expected. */
  readonly #beatMs: number;
  readonly #rate: RequestRate;
  /** What is to be said next: what is said while a message is on its way, waits, and later fields win. */
  readonly #pending = new Map<string, string>();
  #sending = false;
  /** Of the process that it takes for the service. */
  #mainPid: number;
  #isMute = false;
  /** While something is to be said. */
  #said: PromiseWithResolvers<void> | undefined;
  #beatAt = -Infinity;
  #statusAt = -Infinity;
  #failed = false;

  constructor({ env, pid, log, clock }: ServiceManagerOptions) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
    for (const variable of VARIABLES) delete env[variable];
    this.#mainPid = pid;
    this.#log = log;
    this.#clock = clock;
    this.#rate = new RequestRate(clock);
    this.#socket = socket === '' ? undefined : socket;
    const watchdogMs = watched === undefined || watched === String(pid) ? Number(usec ?? 0) / 1000 : 0;
    this.#beatMs = watchdogMs > 0 ? watchdogMs / 2 : 0;
    // Without WATCHDOG_PID: whoever reads it is meant.
    this.environment = {
      ...(socket !== undefined && { NOTIFY_SOCKET: socket }),
      ...(usec !== undefined && watchdogMs > 0 && { WATCHDOG_USEC: usec }),
    };
    if (this.#socket !== undefined && watchdogMs > 0 && watchdogMs < LEAST_WATCHDOG_MS) {
      log.warn(`WATCHDOG_USEC = ${usec} is short: set WatchdogSec to ${LEAST_WATCHDOG_MS / 1000} s or more`);
    }
  }

  ready(staff: Staff): void {
    this.#tell({ READY: '1', STATUS: this.#status(staff) });
  }

  /** ready() ends it. systemd (Type=notify-reload) wants to know since when, by the clock that all processes share. */
  reloading(): void {
    const usec = process.hrtime.bigint() / 1000n;
    this.#tell({ RELOADING: '1', MONOTONIC_USEC: String(usec), STATUS: 'reloading' });
  }

  stopping(): void {
    this.#tell({ STOPPING: '1', STATUS: 'stopping' });
  }

  /** Another process is the service, or this one again. Resolves when that was read. */
  async tellMainPid(pid: number): Promise<void> {
    if (pid === this.#mainPid) return;
    this.#mainPid = pid;
    this.#tell({ MAINPID: String(pid) });
    await this.#said?.promise;
  }

  /** From now on another process speaks for the service. */
  mute(): void {
    this.#isMute = true;
  }

  /** While the service runs, once a tick: a supervisor that does not tick, or has no worker that serves, beats no more. */
  tend(staff: Staff): void {
    if (this.#socket === undefined) return;
    const now = this.#clock();
    if (this.#beatMs > 0 && staff.serving > 0 && now >= this.#beatAt) {
      this.#beatAt = now + this.#beatMs;
      this.#tell({ WATCHDOG: '1' });
    }
    if (now < this.#statusAt) return;
    this.#statusAt = now + STATUS_MS;
    this.#tell({ STATUS: this.#status(staff) });
    for (const worker of staff.workers) void worker.askUsage().then((usage) => this.#rate.add(worker, usage));
  }

  #status({ wanted, serving }: Staff): string {
    return `${serving} of ${wanted} workers ready, ${this.#rate.take()} requests/s`;
  }

  #tell(fields: Readonly<Record<string, string>>): void {
    if (this.#socket === undefined || this.#failed || this.#isMute) return;
    for (const [key, value] of Object.entries(fields)) this.#pending.set(key, value);
    if (!this.#sending) this.#send(this.#socket);
  }

  #send(socket: string): void {
    const said = [...this.#pending].map(([key, value]) => `${key}=${value}`);
    this.#pending.clear();
    this.#sending = true;
    this.#said ??= Promise.withResolvers();
    const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket };
    execFile(COMMAND, said, { env, timeout: PATIENCE_MS }, (error) => {
      this.#sending = false;
      if (error) this.#onError(error);
      else if (this.#pending.size > 0) return this.#send(socket);
      this.#said?.resolve();
      this.#said = undefined;
    });
  }

  /** Without the command nothing can ever be said; one message that failed is another matter. */
  #onError(error: NodeJS.ErrnoException | Error): void {
    this.#failed = 'code' in error && error.code === 'ENOENT';
    const hint = this.#failed ? `; nothing is told to it any more: install ${COMMAND}, or use Type=exec` : '';
    this.#log.error(`The service manager could not be told by ${COMMAND}: ${error.message.trim()}${hint}`);
  }
}

/** Requests per second, from counters of workers that come and go. */
class RequestRate {
  readonly #clock: () => number;
  readonly #seen = new WeakMap<object, number>();
  #count = 0;
  #since: number;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.#since = clock();
  }

  add(worker: object, usage: WorkerUsage | undefined): void {
    if (!usage) return;
    const total = usage.loops.reduce((sum, { requests }) => sum + requests, 0);
    // A thread that was replaced counts from 0 again.
    this.#count += Math.max(0, total - (this.#seen.get(worker) ?? 0));
    this.#seen.set(worker, total);
  }

  /** Since the last call, rounded. */
  take(): number {
    const now = this.#clock();
    const rate = now > this.#since ? this.#count / ((now - this.#since) / 1000) : 0;
    this.#count = 0;
    this.#since = now;
    return Math.round(rate);
  }
}
