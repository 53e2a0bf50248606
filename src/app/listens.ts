import diagnostics from 'node:diagnostics_channel';
import http from 'node:http';
import https from 'node:https';

/** Published by Node for every call of listen(), before anything is bound. */
const CHANNEL = 'tracing:net.server.listen:asyncStart';

/** Calls back whenever an HTTP server is told to listen. @returns what ends that */
function onListen(callback: (server: http.Server) => void): () => void {
  const subscriber = (message: unknown): void => {
    const { server } = message as { server: unknown };
    if (server instanceof http.Server || server instanceof https.Server) callback(server);
  };
  diagnostics.subscribe(CHANNEL, subscriber);
  return () => diagnostics.unsubscribe(CHANNEL, subscriber);
}

/** Watches whether an HTTP server is told to listen, from now until stop(). */
export function watchListens(): { seen(): boolean; stop(): void } {
  let seen = false;
  const stop = onListen(() => {
    seen = true;
  });
  return { seen: () => seen, stop };
}

/** Calls back once when a server is told to listen that answers by `app`, or is `app`, from now on. */
export function onLateListen(app: unknown, callback: () => void): void {
  const stop = onListen((server) => {
    if (server !== app && !server.listeners('request').includes(app as () => void)) return;
    stop();
    callback();
  });
}
