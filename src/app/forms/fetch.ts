/** Objects with fetch(request): Hono, h3 and others, through @hono/node-server. */
import type http from 'node:http';
import { proxiedClient } from '../../http/proxy.ts';
import type { FormMount, MountContext } from '../context.ts';
import { judgedFetch } from '../factory.ts';
import type { FetchEnvironment, FetchFunction } from '../recognise.ts';
import { serveListener } from './listener.ts';

export async function mountFetch(given: FetchFunction, context: MountContext): Promise<FormMount> {
  const fetch = judgedFetch(given, context);
  const { getRequestListener, RequestError } = await import('@hono/node-server');
  const { RESPONSE_ALREADY_SENT } = await import('@hono/node-server/utils/response');

  /** A body over the limit has been answered with 413; what the app says to its broken body then goes nowhere. */
  const unlessRefused = async (request: Request, env: FetchEnvironment): Promise<Response> => {
    try {
      const response = await fetch(request, env);
      return env.outgoing.headersSent ? RESPONSE_ALREADY_SENT : response;
    } catch (error) {
      if (env.outgoing.headersSent) return RESPONSE_ALREADY_SENT;
      throw error;
    }
  };

  const listener = getRequestListener(
    (request, env) => {
      const environment = env as FetchEnvironment;
      const chunked = environment.incoming.headers['transfer-encoding'] !== undefined;
      return chunked ? unlessRefused(request, environment) : fetch(request, environment);
    },
    {
      // For HTTP/1.0 without a Host header, as health checks of load balancers send it: a Request must have an absolute URL.
      hostname: 'localhost',
      // Without this a rejection becomes a 500 that leaves no trace.
      errorHandler: (error) => {
        if (error instanceof RequestError) return new Response(null, { status: 400 });
        context.log.error(error instanceof Error ? error : { error }, 'fetch() of the app failed');
        return new Response('Internal Server Error', { status: 500 });
      },
    },
  ) as http.RequestListener;
  return serveListener(context.config.proxy_mode ? withClientsUrl(listener) : listener, context);
}

/**
 * Gives `request.url` the scheme and host that the client used. @hono/node-server takes them from a request target in
 * absolute form; it reads that before it first awaits, so the target is restored at once, for the access log.
 */
function withClientsUrl(listener: http.RequestListener): http.RequestListener {
  return (req, res) => {
    const target = req.url;
    const client = proxiedClient(req);
    const host = client?.host ?? req.headers.host;
    if (client?.proto === undefined || host === undefined || !target?.startsWith('/')) {
      listener(req, res);
      return;
    }
    req.url = `${client.proto}://${host}${target}`;
    listener(req, res);
    req.url = target;
  };
}
