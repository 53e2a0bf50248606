/**
 * The supervisor's side of the flight record (src/flight-record.ts). In normal operation there is none. After a worker
 * died without a word, those that start within RECORD_MS get one, so that the next such death names its requests.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fs } from '../builtins.ts';
import { decodeFlights } from '../flight-record.ts';
import type { RequestInFlight } from '../log/requests.ts';

export const RECORD_MS = 3_600_000;
/** In memory: a record is worth nothing after a reboot, and a disk may be slow. */
const MEMORY_FOLDER = '/dev/shm';

export class FlightRecorder {
  readonly fd: number;

  /** @throws Error where no folder can be written to */
  constructor() {
    const folder = fs.mkdtempSync(join(fs.existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'tricorn-'));
    try {
      this.fd = fs.openSync(join(folder, 'flights'), 'wx+', 0o600);
    } finally {
      // It lives on by its descriptors, and nothing is left behind, however the supervisor ends.
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }

  /** The requests that were in flight when the worker last wrote, the oldest first. */
  read(): RequestInFlight[] {
    const record = Buffer.alloc(fs.fstatSync(this.fd).size);
    fs.readSync(this.fd, record, 0, record.length, 0);
    return decodeFlights(record, Date.now());
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}

export class FlightRecorders {
  readonly #clock: () => number;
  #until = -Infinity;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** A worker died without a word. */
  turnOn(): void {
    this.#until = this.#clock() + RECORD_MS;
  }

  /** For a worker that starts now; undefined where nothing is to be recorded, or where it cannot be. */
  open(): FlightRecorder | undefined {
    if (this.#clock() >= this.#until) return undefined;
    try {
      return new FlightRecorder();
    } catch {
      return undefined;
    }
  }
}
