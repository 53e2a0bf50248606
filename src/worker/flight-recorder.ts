/** The worker's side of the flight record (src/flight-record.ts): a ledger that also writes to the file. */
import { writeSync } from 'node:fs';
import { encodeFlight, REGION_SLOTS, SLOT_BYTES } from '../flight-record.ts';
import type { RecorderBoot } from '../protocol.ts';
import { Ledger } from './ledger.ts';

const REGION_BYTES = REGION_SLOTS * SLOT_BYTES;
const FREE = Buffer.alloc(1);

/** The ledger of a loop; a recording one only where the supervisor asks for it: else a request costs nothing more. */
export function openLedger(recorder: RecorderBoot | undefined, buffer?: SharedArrayBuffer): Ledger {
  return recorder ? new RecordingLedger(recorder, buffer) : new Ledger(buffer);
}

class RecordingLedger extends Ledger {
  readonly #fd: number;
  readonly #offset: number;
  readonly #until: number;
  readonly #record: Buffer = Buffer.alloc(SLOT_BYTES);
  readonly #recorded = new Set<number>();

  constructor({ fd, region, forMs }: RecorderBoot, buffer: SharedArrayBuffer | undefined) {
    super(buffer);
    this.#fd = fd;
    this.#offset = region * REGION_BYTES;
    this.#until = performance.now() + forMs;
  }

  override requestBegins(method: string, url: string, begun: number): number {
    const slot = super.requestBegins(method, url, begun);
    if (slot < 0 || begun >= this.#until) return slot;
    this.#recorded.add(slot);
    this.#write(this.#record, encodeFlight(this.#record, Date.now(), method, url), slot);
    return slot;
  }

  override requestEnds(slot?: number): void {
    super.requestEnds(slot);
    if (slot !== undefined && this.#recorded.delete(slot)) this.#write(FREE, 1, slot);
  }

  #write(bytes: Buffer, length: number, slot: number): void {
    try {
      writeSync(this.#fd, bytes, 0, length, this.#offset + slot * SLOT_BYTES);
    } catch {
      // A full disk must not cost a request; the record is a help, not a promise.
    }
  }
}

/** The regions of one record, handed out to the threads of a worker. Lives in its main thread. */
export class FlightRegions {
  readonly #recorder: RecorderBoot | undefined;
  readonly #taken = new Set<number>();

  constructor(recorder: RecorderBoot | undefined) {
    this.#recorder = recorder;
  }

  /** The lowest free region, for a thread that starts. */
  take(): RecorderBoot | undefined {
    if (!this.#recorder) return undefined;
    let region = 0;
    while (this.#taken.has(region)) region += 1;
    this.#taken.add(region);
    return { ...this.#recorder, region };
  }

  /** Its thread has ended: what it had in flight must not be blamed for another death. */
  release(recorder: RecorderBoot | undefined): void {
    if (!recorder) return;
    try {
      writeSync(recorder.fd, Buffer.alloc(REGION_BYTES), 0, REGION_BYTES, recorder.region * REGION_BYTES);
    } catch {
      // As above.
    }
    this.#taken.delete(recorder.region);
  }
}
