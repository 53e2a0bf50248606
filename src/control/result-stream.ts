/** The answer to a POST: lines of JSON, written as they come. Whoever reads it may be gone; the change goes on. */
import type { ServerResponse } from 'node:http';
import type { Progress, Result } from './operations.ts';

/** How long a client may neither send nor take anything, milliseconds. */
export const SILENT_MS = 10_000;

/** The status where a result is the first that can be said; after progress it is 200, and the last line tells. */
const statusOf: Readonly<Record<Result['outcome'], number>> = { done: 200, failed: 500, refused: 409 };

export class ResultStream {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
    // An outcome may take its time, in silence.
    response.socket?.setTimeout(0);
  }

  progress(progress: Progress): void {
    this.#write(200, { progress });
  }

  /** Ends the answer; what comes later is dropped. */
  finish(result: Result): void {
    this.#write(statusOf[result.outcome], { result });
    // From now on it is only its reader who takes time.
    this.#response.socket?.setTimeout(SILENT_MS);
    this.#response.end();
  }

  #write(status: number, line: object): void {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return;
    if (!response.headersSent)
      response.writeHead(status, { 'content-type': 'application/x-ndjson', connection: 'close' });
    response.write(`${JSON.stringify(line)}\n`);
  }
}
