import diagnostics from 'node:diagnostics_channel';
import http from 'node:http';
import https from 'node:https';

/** Published by Node for every call of listen(), before anything is bound. */
const CHANNEL = 'tracing:net.server.listen:asyncStart';

/** Watches whether an HTTP server is told to listen, from now until stop(). */
export function watchListens(): { seen(): boolean; stop(): void } {
  let seen = false;
  const onListen = (message: unknown): void => {
    const { server } = message as { server: unknown };
    seen ||= server instanceof http.Server || server instanceof https.Server;
  };
  diagnostics.subscribe(CHANNEL, onListen);
  return { seen: () => seen, stop: () => diagnostics.unsubscribe(CHANNEL, onListen) };
}
