import type http from 'node:http';
import { CountingResponse } from '../http/access-log.ts';
import { checkingInterval, type DetachedOptions, type Timeouts } from '../http/server.ts';
import type { MountContext } from './context.ts';

/** How every server is made that Tricorn makes for an app. */
export function serverOptions(context: MountContext, timeouts: Timeouts): DetachedOptions {
  const options: http.ServerOptions = { connectionsCheckingInterval: checkingInterval(timeouts) };
  // The access log tells what was sent; without it nobody needs the count.
  if (context.config.access_log) options.ServerResponse = CountingResponse;
  return { ...options, address: context.address };
}
