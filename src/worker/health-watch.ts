/**
 * Asks the app's health() now and then, in the event loop that runs it, and tells when the answer has changed: a probe of
 * the health port is answered from what was told last, and so at once. An app without the hook is healthy as long as its
 * event loop turns, which is the watchdog's matter.
 */
import { inspect } from 'node:util';
import type { Logger } from 'pino';
import type { AppHooks } from '../app/define-app.ts';

type Ask = NonNullable<AppHooks['health']>;

/** How often it is asked, milliseconds. */
const EVERY_MS = 5000;
/** An answer that has not come by then counts as none, milliseconds. */
const LIMIT_MS = 5000;

export interface HealthWatchOptions {
  /** The app's hook. */
  readonly ask: Ask | undefined;
  readonly log: Logger;
  readonly onChange: (healthy: boolean) => void;
  readonly limitMs?: number;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  /** Of the hook, which is not called again before it has answered: the reason, or undefined. */
  #answer: Promise<string | undefined> | undefined;
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
    const { ask } = this.#options;
    if (!ask) return;
    await this.check(ask);
    if (!this.#stopped) this.#timer = setInterval(() => void this.check(ask), EVERY_MS).unref();
  }

  /** The hook is called no more. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** One question, and what follows from its answer. */
  async check(ask: Ask): Promise<void> {
    const { log, onChange, limitMs = LIMIT_MS } = this.#options;
    this.#answer ??= reasonOf(ask).finally(() => (this.#answer = undefined));
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => resolve(`health() has not answered within ${limitMs / 1000} s`), limitMs);
    const reason = await Promise.race([this.#answer, late]);
    clearTimeout(timer);
    const before = this.#unhealthy;
    if (this.#stopped || reason === before) return;
    this.#unhealthy = reason;
    if (reason === undefined) log.info('The app is healthy again');
    else log.warn({ unhealthy: reason }, `The app is not healthy: ${reason}`);
    if ((reason === undefined) !== (before === undefined)) onChange(reason === undefined);
  }
}

/** Undefined: it is healthy. */
async function reasonOf(ask: Ask): Promise<string | undefined> {
  try {
    const answer: unknown = await ask();
    if (answer === true || answer === undefined) return undefined;
    return answer === false ? 'health() answered false' : `health() must answer true or false, not ${typeof answer}`;
  } catch (error) {
    return `health() failed: ${error instanceof Error ? error.message : inspect(error)}`;
  }
}
