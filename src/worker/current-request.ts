/** Which request the running code belongs to, also after an await, and also for an inspector that has paused the loop. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { CURRENT_REQUEST_KEY } from './current-request-key.ts';

const storage = new AsyncLocalStorage<IncomingMessage>();

/** Calls `run` as part of `request`: what it starts belongs to it, too. */
export function runFor<Args extends readonly unknown[]>(
  request: IncomingMessage,
  run: (...args: Args) => void,
  ...args: Args
): void {
  storage.run(request, run, ...args);
}

/** Undefined where the running code belongs to none. An error that nobody caught belongs to the one that threw it. */
export function currentRequest(): IncomingMessage | undefined {
  return storage.getStore();
}

/** `GET /path`, or '' where the running code belongs to none. */
export function nameCurrentRequest(): string {
  const request = storage.getStore();
  return request === undefined ? '' : `${request.method} ${request.url}`;
}

Reflect.set(globalThis, Symbol.for(CURRENT_REQUEST_KEY), nameCurrentRequest);
