/**
 * A function that makes the app, given in place of what it makes. Of a listener or a fetch() nothing tells so before it is
 * called: `() => {}` is what an app may give that has only jobs. Then what it returns does: `handler: () => koa.callback()`
 * would leave every client without an answer.
 */
import type http from 'node:http';
import { types } from 'node:util';
import { logError, toWireError, TricornError } from '../errors.ts';
import { isAnsweredFor, type Refusal, refusalText, refuse } from '../http/refusal.ts';
import type { MountContext } from './context.ts';
import { type FetchFunction, isMadeApp } from './recognise.ts';
import { takesNothing } from './shapes.ts';

export class FactoryError extends TricornError {
  override readonly hint = 'Export what it returns: `export default createApp()`, also where it is async.';

  /** @param given what it was given as: `function`, `handler` */
  constructor(app: string, given: string) {
    super('TRC_APP_FORM', { app, seen: `a ${given} that returns an app` });
  }
}

type Context = Pick<MountContext, 'config' | 'log'>;

const NO_ANSWER: Refusal = { status: 500, message: 'The app gives no answer' };

/** The same listener; one that takes no request and turns out to make an app answers 500, and the log says why. */
export function judgedListener(listener: http.RequestListener, context: Context): http.RequestListener {
  if (!takesNothing(listener)) return listener;
  const tell = teller('handler', context);
  // Of another function's promise the app may have caught the rejection elsewhere; then() would make it one that nobody catches.
  const isAsync = types.isAsyncFunction(listener);
  return (request, response) => {
    const returned: unknown = listener(request, response);
    const judge = (value: unknown): void => {
      if (!isMade(value) || response.headersSent || isAnsweredFor(response)) return;
      tell();
      refuse(response, NO_ANSWER);
    };
    if (isAsync) void (returned as Promise<unknown>).then(judge);
    else judge(returned);
  };
}

/** The same function; one that turns out to make an app answers 500, and the log says why. */
export function judgedFetch(fetch: FetchFunction, context: Context): FetchFunction {
  const tell = teller('fetch()', context);
  let isUsual = false;
  const judge = (returned: Response): Response => {
    isUsual = !isMade(returned);
    if (isUsual) return returned;
    tell();
    const { body, headers } = refusalText(NO_ANSWER);
    return new Response(body, {
      status: NO_ANSWER.status,
      headers: { 'content-type': String(headers['content-type']) },
    });
  };
  return (request, env) => {
    const returned = fetch(request, env);
    if (isUsual) return returned;
    return types.isPromise(returned) ? returned.then(judge) : judge(returned);
  };
}

/** Once is enough: it will be so with every request. */
function teller(given: string, { config, log }: Context): () => void {
  let told = false;
  return () => {
    if (told) return;
    told = true;
    logError(log, toWireError(new FactoryError(config.app, given)), '', 'error');
  };
}

/** A function without parameters takes no request either: it may end what a handler has begun that answers later. */
function isMade(value: unknown): boolean {
  return (typeof value === 'function' && value.length > 0) || isMadeApp(value);
}
