/** Requests in flight as the log names them. */

export interface RequestInFlight {
  /** `GET /path?query`, cut where it is long. */
  readonly text: string;
  readonly ageMs: number;
}

/** So many are named; one line is to be read, and to fit into what a pipe takes in one piece. */
const NAMED = 20;

/** Fields for a log line: `GET /path (1.2 s)`, the oldest first, and how many more there are. */
export function nameRequests(entries: readonly RequestInFlight[]): { requests: string[]; more_requests?: number } {
  const requests = entries.slice(0, NAMED).map(({ text, ageMs }) => `${text} (${(ageMs / 1000).toFixed(1)} s)`);
  return entries.length > NAMED ? { requests, more_requests: entries.length - NAMED } : { requests };
}
