/** Which request the running code belongs to, also after an await, and also for an inspector that has paused the loop. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { CURRENT_REQUEST_KEY } from './current-request-key.ts';

interface Request {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

const storage = new AsyncLocalStorage<Request>();

/** Calls `run` as part of `request`: what it starts belongs to it, too. */
export function runFor<Args extends readonly unknown[]>(
  request: Request,
  run: (...args: Args) => void,
  ...args: Args
): void {
  storage.run(request, run, ...args);
}

/** `GET /path`, or '' where the running code belongs to none. */
function currentRequest(): string {
  const request = storage.getStore();
  return request === undefined ? '' : `${request.method} ${request.url}`;
}

Reflect.set(globalThis, Symbol.for(CURRENT_REQUEST_KEY), currentRequest);
