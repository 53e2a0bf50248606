/** A server whose requests a Requests has taken over, as an AppLoop does it; the test is the app. */
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import type { Test } from 'tap';
import { openLog } from '../../../src/log/open-log.ts';
import { Ledger } from '../../../src/worker/ledger.ts';
import { Requests } from '../../../src/worker/requests.ts';
import { Terms } from '../../../src/worker/terms.ts';
import { holds, jsonLines } from '../log/support.ts';
import { configOf } from '../supervisor/support.ts';

export type Arrival = [http.IncomingMessage, http.ServerResponse];

export interface Served {
  readonly requests: Requests;
  readonly terms: Terms;
  readonly ledger: Ledger;
  readonly connections: ReadonlySet<net.Socket>;
  readonly port: number;
  readonly url: string;
  /** 'request' with request and response, when the app gets one; the test answers. */
  readonly app: EventEmitter<{ request: Arrival }>;
  /** What was logged, as soon as that text is in it: a line may be on its way to the file. */
  readonly logged: (text: string) => Promise<Record<string, unknown>[]>;
}

export async function serve(t: Test, ...flags: string[]): Promise<Served> {
  const config = configOf(t, '--no-access-log', ...flags);
  const ledger = new Ledger();
  ledger.open();
  const connections = new Set<net.Socket>();
  const logfile = `${t.testdirName}/log`;
  const log = openLog({ ...config, logfile, log_format: 'json' }, { role: 'http', worker: 1 });
  const terms = new Terms(config);
  const many = (): number => Infinity;
  const requests = new Requests({ role: 'http', terms, log, ledger, connections, many, onMany: () => {} });
  const app: Served['app'] = new EventEmitter();
  const server = http.createServer((request, response) => app.emit('request', request, response));
  server.prependListener('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => {
      connections.delete(socket);
      requests.onConnectionEnd(socket);
    });
  });
  requests.takeOver(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    log.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const logged: Served['logged'] = async (text) => jsonLines(await holds(logfile, text));
  return { requests, terms, ledger, connections, port, url: `http://127.0.0.1:${port}`, app, logged };
}
