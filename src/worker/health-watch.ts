/**
 * Asks the app's health() now and then, in the event loop that runs it, and tells when the answer has changed: a probe of
 * the health port is answered from what was told last, and so at once. An app without the hook is healthy as long as its
 * event loop turns, which is the watchdog's matter.
 */
import { inspect } from 'node:util';
import type { Logger } from 'pino';
import type { AppHooks } from '../app/define-app.ts';

type Ask = NonNullable<AppHooks['health']>;

/** From an answer, or the lack of one, to the next question, milliseconds. */
const PAUSE_MS = 5000;
/** An answer that has not come by then counts as none, milliseconds. */
const LIMIT_MS = 5000;
/** A boot that has no longer than that is not to fail for want of the first answer. */
const SHARE_OF_BOOT = 0.5;

export interface HealthWatchOptions {
  /** The app's hook. */
  readonly ask: Ask | undefined;
  readonly log: Logger;
  readonly onChange: (healthy: boolean) => void;
  /** `boot_timeout`, seconds. */
  readonly bootTimeout: number;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #unhealthy: string | undefined;
  #stopped = false;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
  }

  /** Why the app is not healthy; null where it is, or does not say. */
  get unhealthy(): string | null {
    return this.#unhealthy ?? null;
  }

  /** Resolves with the first answer, or when that is late. */
  async start(): Promise<void> {
    const { ask, bootTimeout } = this.#options;
    if (!ask) return;
    await this.check(ask, Math.min(LIMIT_MS, bootTimeout * 1000 * SHARE_OF_BOOT));
    this.#askLater(ask);
  }

  #askLater(ask: Ask): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.check(ask).then(() => this.#askLater(ask)), PAUSE_MS).unref();
  }

  /** The hook is called no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** One question, and what follows from its answer. One that is late is not listened to: the next is asked anew. */
  async check(ask: Ask, limitMs: number = LIMIT_MS): Promise<void> {
    const { log, onChange } = this.#options;
    const reason = await reasonWithin(ask, limitMs);
    const before = this.#unhealthy;
    if (this.#stopped || reason === before) return;
    this.#unhealthy = reason;
    if (reason === undefined) log.info('The app is healthy again');
    else log.warn({ unhealthy: reason }, `The app is not healthy: ${reason}`);
    if ((reason === undefined) !== (before === undefined)) onChange(reason === undefined);
  }
}

async function reasonWithin(ask: Ask, limitMs: number): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const abandoned = new AbortController();
  const timer = setTimeout(() => {
    late.resolve(`health() has not answered within ${limitMs / 1000} s`);
    abandoned.abort(new DOMException('health() is late', 'TimeoutError'));
  }, limitMs);
  try {
    return await Promise.race([reasonOf(ask, abandoned.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Undefined: it is healthy. */
async function reasonOf(ask: Ask, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer: unknown = await ask({ signal });
    if (answer === true || answer === undefined) return undefined;
    return answer === false ? 'health() answered false' : `health() must answer true or false, not ${typeof answer}`;
  } catch (error) {
    return `health() failed: ${messageOf(error)}`;
  }
}

/** Of an error that has none, as of all addresses of a host that refuse, that of the first that it stands for. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error);
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return error.message || (first instanceof Error ? first.message : error.name);
}
