/**
 * The flight record: requests in flight, in a file that outlives the process which writes it. The ledger in shared memory
 * dies with its process; this is for deaths that run no JavaScript any more (SIGKILL, SIGSEGV, abort). It costs two
 * system calls a request, so it is kept only after such a death (src/supervisor/flight-recorders.ts).
 *
 * Layout: one region for each event loop; in it one slot for each request, `EPOCH_MS METHOD URL\n`, or a zero byte at its
 * begin where it is free.
 */
import type { RequestInFlight } from './log/requests.ts';

/** As many as the ledger lists. */
export const REGION_SLOTS = 128;
export const SLOT_BYTES = 256;
const END = 10;

/** Writes one record into `slot`, cut where it is long. @returns its length */
export function encodeFlight(slot: Buffer, begun: number, method: string, url: string): number {
  const length = slot.write(`${begun} ${method} ${url}`, 0, SLOT_BYTES - 1, 'latin1');
  slot[length] = END;
  return length + 1;
}

/** The requests that a record holds, the oldest first. @param now as Date.now() */
export function decodeFlights(record: Buffer, now: number): RequestInFlight[] {
  const slots = Array.from({ length: Math.ceil(record.length / SLOT_BYTES) }, (_, slot) =>
    record.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES),
  );
  return slots
    .filter(([first]) => first !== 0)
    .map((slot) => decodeFlight(slot.toString('latin1', 0, slot.indexOf(END)), now))
    .toSorted((a, b) => b.ageMs - a.ageMs);
}

function decodeFlight(line: string, now: number): RequestInFlight {
  const space = line.indexOf(' ');
  return { text: line.slice(space + 1), ageMs: now - Number(line.slice(0, space)) };
}
