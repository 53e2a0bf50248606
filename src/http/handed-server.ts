/** The supervisor's own http.Server, of the control socket and the health port. Loaded only with them. */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';

const CHECK_EVERY_MS = 1000;

/** After which a connection is cut, milliseconds. */
export interface Patience {
  /** Until the headers have arrived. */
  readonly headersMs: number;
  /** Until all of the request has arrived. */
  readonly requestMs: number;
  /** On which nothing moves, such as of a client that does not take its answer. */
  readonly silentMs: number;
}

/**
 * For short requests of anybody, on connections that others accept: hand each over by `server.emit('connection', socket)`,
 * as Node documents it.
 */
export function handedServer(
  { headersMs, requestMs, silentMs }: Patience,
  listener: RequestListener,
  options: ServerOptions = {},
): Server {
  const server = createServer(
    {
      ...options,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    listener,
  );
  server.timeout = silentMs;
  // Else what a client sends at once is all begun at once, and only the first is answered.
  server.maxRequestsPerSocket = 1;
  // It never listens itself, and Node arms the timeouts only then.
  server.emit('listening');
  return server;
}
