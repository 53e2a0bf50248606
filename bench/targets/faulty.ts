/** The app of bench/faults.ts: each route does one kind of harm. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const kept: unknown[] = [];

const routes: Record<string, (url: URL, response: ServerResponse) => void> = {
  '/': (_url, response) => void response.end('served'),
  '/slow': (url, response) => void setTimeout(() => response.end('served'), Number(url.searchParams.get('ms'))),
  '/block': () => {
    while (true);
  },
  '/throw': () => {
    setImmediate(() => {
      throw new Error('thrown');
    });
  },
  '/exit': () => process.exit(7),
  '/crash': () => void process.kill(process.pid, 'SIGSEGV'),
  '/heap': () => {
    for (;;) kept.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
  },
  '/leak': (_url, response) => {
    kept.push(Buffer.alloc(300 * 1024 * 1024, 1));
    response.end('leaked');
  },
};

export function handler(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://bench');
  routes[url.pathname]?.(url, response);
}
