/**
 * What it costs to watch an event loop: the ledger, per request, and the beat, per second; as shares of what a request on
 * bare Fastify costs, and of a second, in the same run.
 *
 *     node bench/watch.ts            about 20 seconds; exit code 1 where the beat takes 0.5 % or more
 *     node bench/watch.ts --write    puts the report into docs/performance.md
 */
import http from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import fastify from 'fastify';
import { Ledger } from '../src/worker/ledger.ts';
import { loadGenerator, loads } from './support/load.ts';
import { machineFacts } from './support/machine.ts';
import { publish, table } from './support/markdown.ts';

const ROUNDS = 5;
const CALLS = 2_000_000;
const SECONDS = 2;
/** The fastest that src/watchdog/beat.ts beats, by the shortest limits there are, and what it does by the defaults. */
const BEATS_PER_SECOND = { 'at most': 50, 'by default': 4 } as const;
const BUDGET = 0.005;

/** Nanoseconds of CPU time for each of `calls` calls. */
function nanoseconds(calls: number, call: () => void): number {
  const before = process.cpuUsage();
  for (let left = calls; left > 0; left -= 1) call();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / calls;
}

/** Nanoseconds of CPU time of this process for each request on bare Fastify. */
async function requestCost(url: string): Promise<number> {
  const before = process.cpuUsage();
  const { requests } = await generator.run(url, loads[0]!, SECONDS);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / requests;
}

/** Nanoseconds of CPU time for one timer of the event loop that beats: the timer costs more than the beat. */
async function beatCost(ledger: Ledger): Promise<number> {
  const beats = 2000;
  const before = process.cpuUsage();
  for (let left = beats; left > 0; left -= 1) {
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        ledger.beat();
        resolve();
      }, 1),
    );
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / beats;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const { values } = parseArgs({ options: { write: { type: 'boolean' } } });
const generator = loadGenerator();
const app = fastify();
app.get('/', async () => ({ hello: 'world' }));
await app.listen({ port: 0, host: '127.0.0.1' });
const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
const [response] = (await once(http.get(url, { agent: false }), 'response')) as [http.IncomingMessage];
response.resume();

const ledger = new Ledger();
ledger.open();
const track = (): void => ledger.requestEnds(ledger.requestBegins('GET', '/orders/17/items?page=2', performance.now()));
nanoseconds(CALLS, track);
const shares: number[] = [];
const beats: number[] = [];
const costs: number[] = [];
for (let round = 1; round <= ROUNDS; round += 1) {
  const request = await requestCost(url);
  shares.push(nanoseconds(CALLS, track) / request);
  beats.push(await beatCost(ledger));
  costs.push(request);
}
await app.close();

const percent = (share: number): string => `${(share * 100).toFixed(3)} %`;
const beating = (perSecond: number): number => (median(beats) * perSecond) / 1e9;
const rows = [
  [
    'the ledger',
    'a request',
    `a request on bare Fastify, ${(median(costs) / 1000).toFixed(1)} us`,
    percent(median(shares)),
  ],
  ...Object.entries(BEATS_PER_SECOND).map(([when, count]) => [
    'the beat',
    `${count} a second, ${when}`,
    'a second',
    percent(beating(count)),
  ]),
];
const facts = machineFacts(generator.title).filter(([name]) =>
  ['date', 'CPU', 'Node.js', 'load generator'].includes(name),
);
const report = `${table(['what', 'how often', 'compared with the CPU time of', 'share'], rows)}\n\n${facts.map(([name, value]) => `${name}: ${value}`).join('; ')}`;
console.log(report);
if (values.write) await publish(new URL('../docs/performance.md', import.meta.url), 'watch', report);
process.exitCode = beating(BEATS_PER_SECOND['at most']) < BUDGET ? 0 : 1;
