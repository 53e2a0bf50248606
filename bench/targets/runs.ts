/** What the targets of bench/cron.ts have in common: how they tell of a run, and the routes by which they are asked for some. */
import { appendFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';

const FILE = process.env['BENCH_RUNS'] ?? '/dev/null';

/** Asked for at the same time. */
const AT_ONCE = 10;

/** Milliseconds, of the clock that all processes of a machine share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Writes down that a run has begun, or, where it does nothing else, that it has run. */
export function begun(): void {
  appendFileSync(FILE, `${now()}\n`);
}

/**
 * GET /ping asks for one run; GET /work?count=N&jobs=M for N, one after the other from each of M jobs. Answered with the time
 * at which it was asked.
 */
export async function answer(
  { url = '' }: IncomingMessage,
  response: ServerResponse,
  ask: (job: string) => Promise<unknown>,
): Promise<void> {
  const { pathname, searchParams } = new URL(url, 'http://bench');
  const at = now();
  if (pathname === '/ping') await ask('ping');
  if (pathname === '/work') {
    let left = Number(searchParams.get('count'));
    const jobs = Number(searchParams.get('jobs'));
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await ask(`work-${left % jobs}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }
  response.end(String(at));
}
