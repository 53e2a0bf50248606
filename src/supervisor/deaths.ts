/**
 * Says how workers ended: what a worker said itself is not repeated, and what it could not say any more is said for it,
 * with the requests that it had in flight as far as they are known.
 */
import type { Logger } from '../log/supervisor-log.ts';
import { nameRequests } from '../log/requests.ts';
import { FlightRecorders, RECORD_MS, type FlightRecorder } from './flight-recorders.ts';
import type { Exit, WorkerHandle } from './worker-handle.ts';

const NOT_KNOWN = `. Its requests are not known; from now on those of workers that start are, for ${RECORD_MS / 60_000} min`;

export class Deaths {
  readonly #log: Logger;
  readonly #recorders: FlightRecorders;
  readonly #assigned = new Map<WorkerHandle, FlightRecorder>();

  readonly #counted = new WeakSet<WorkerHandle>();
  #count = 0;

  constructor(log: Logger, clock: () => number) {
    this.#log = log;
    this.#recorders = new FlightRecorders(clock);
  }

  /** How many worker processes have ended, or could not go on, without an order. */
  get total(): number {
    return this.#count;
  }

  count(handle: WorkerHandle): void {
    if (!this.#counted.has(handle)) this.#count += 1;
    this.#counted.add(handle);
  }

  /** For a worker that is about to start. */
  openRecorder(): FlightRecorder | undefined {
    return this.#recorders.open();
  }

  assign(handle: WorkerHandle, recorder: FlightRecorder | undefined): void {
    if (recorder) this.#assigned.set(handle, recorder);
  }

  /** It has ended: what belonged to it is put away. */
  bury(handle: WorkerHandle): void {
    this.#assigned.get(handle)?.close();
    this.#assigned.delete(handle);
  }

  /** While the service stops nothing replaces it, and what was to be said of those that end as they should has been said. */
  reportAtStop(handle: WorkerHandle, exit: Exit): void {
    if (exit.signal === null || handle.explained) return;
    const fields = { worker: handle.number, code: exit.code, signal: exit.signal };
    this.#log.error(fields, `${handle.name} died while it drained: ${howItEnded(exit)}`);
  }

  report(handle: WorkerHandle, exit: Exit): void {
    const { name, number: worker } = handle;
    const fields = { worker, code: exit.code, signal: exit.signal };
    const said = hasSaidWhy(handle, exit);
    if (!exit.expected) this.count(handle);
    // One that is no longer wanted before it was ready has nothing to say.
    if (exit.expected && (said || exit.code === 0)) return this.#log.info(fields, `${name} has ended`);
    const died = `${name} died: ${howItEnded(exit)}; it is replaced`;
    if (said) this.#log.warn(fields, died);
    else if (exit.signal === null) this.#log.error(fields, died);
    else this.#reportSilent(handle, fields, died);
  }

  /** Killed from outside, or by a fault in native code: no JavaScript ran any more. */
  #reportSilent(handle: WorkerHandle, fields: object, died: string): void {
    this.#recorders.turnOn();
    const record = this.#assigned.get(handle)?.read();
    if (record) this.#log.error({ ...fields, ...nameRequests(record) }, died);
    else this.#log.error(fields, died + NOT_KNOWN);
  }
}

/** Whether the log has the reason already: a worker that serves says itself why it exits. */
function hasSaidWhy({ explained, readyAt }: WorkerHandle, { signal }: Exit): boolean {
  return explained || (signal === null && readyAt !== undefined);
}

export function howItEnded({ code, signal }: Exit): string {
  if (signal !== null) return `signal ${signal}`;
  return code === null ? 'it could not be started' : `exit code ${code}`;
}
