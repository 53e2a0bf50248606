/** What the health port says to a probe. Pure. */
import type { ServerState } from './server-state.ts';

/**
 * The supervisor ticks once a second. One that has not done so for this long, or whose tick fails again and again, does
 * not look after its workers any more, milliseconds.
 */
const TICK_LIMIT_MS = 10_000;

/** What is known of the service when a probe asks. */
export interface HealthFacts {
  readonly state: ServerState;
  /** It takes the place of a process that has let go or is gone: what serves already does so for good. */
  readonly succeeds: boolean;
  /** So many starts in a row have failed, and nobody is ready. */
  readonly isCrashLooping: boolean;
  /** The app says so of itself, in one of its event loops at least, or says nothing. */
  readonly isHealthy: boolean;
  /** Since the last tick that went well, milliseconds. */
  readonly sinceTickMs: number;
  /** Event loops: worker processes, or threads in threaded mode. */
  readonly workers: { readonly ready: number; readonly wanted: number };
}

export interface ProbeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

export function isTicking({ sinceTickMs }: Pick<HealthFacts, 'sinceTickMs'>): boolean {
  return sinceTickMs < TICK_LIMIT_MS;
}

/** @param url as it stands in the request line */
export function answerProbe({ method, url }: { method: string; url: string }, facts: HealthFacts): ProbeAnswer {
  const path = url.replace(/\?.*$/s, '');
  const answer = Object.hasOwn(probes, path) ? probes[path] : undefined;
  if (!answer) return { status: 404, headers: {}, body: { error: 'no such path', paths: Object.keys(probes) } };
  if (method === 'GET' || method === 'HEAD') return answer(facts);
  return { status: 405, headers: { allow: 'GET, HEAD' }, body: { error: 'must be GET or HEAD' } };
}

const probes: Readonly<Record<string, (facts: HealthFacts) => ProbeAnswer>> = {
  '/livez': (facts) => {
    const live = isTicking(facts);
    const seconds = Math.round(facts.sinceTickMs / 1000);
    const reason = `the supervisor has not looked after its workers for ${seconds} s`;
    return { status: live ? 200 : 503, headers: {}, body: live ? { live } : { live, reason } };
  },
  '/readyz': (facts) => {
    const state = stateOf(facts);
    const ready = state === 'serving';
    return { status: ready ? 200 : 503, headers: {}, body: { ready, state, workers: facts.workers } };
  },
};

type Shown = 'starting' | 'serving' | 'unhealthy' | 'no worker' | 'crash loop' | 'stopping';

function stateOf({ state, succeeds, isCrashLooping, isHealthy, workers }: HealthFacts): Shown {
  if (state === 'stopping' || state === 'stopped') return 'stopping';
  if (state !== 'serving' && !(succeeds && workers.ready > 0)) return 'starting';
  if (workers.ready > 0) return isHealthy ? 'serving' : 'unhealthy';
  return isCrashLooping ? 'crash loop' : 'no worker';
}
