/**
 * Whether whoever replaces workers grows with it, and what a crash loop costs the supervisor. In threaded mode it is the main
 * thread of a worker that replaces: its process grows by some 80 MB over the first 500 threads, for it makes next to no garbage
 * itself and collects late what they leave, and no more after that; so it is looked at from then on. What node:cluster and
 * worker_threads themselves grow by is measured in the same run, to compare.
 *
 *     node bench/restarts.ts            about 9 minutes; exit code 1 when something grew, or the crash loop costs 2 % or more
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildUntilExit } from './support/build.ts';
import { cpuSeconds, memory, processTree } from './support/proc.ts';
import { killAllWatched, Watched } from './support/watched.ts';

/** By then whatever is loaded when it is first needed has been, and of threads as much garbage is there as ever will be. */
const WARM_UP = { processes: 20, threads: 800 };
const RESTARTS = 200;
/** Bytes. */
const MOST_GROWTH = 5e6;
const LOOP_SECONDS = 30;
const MOST_CPU = 0.02;

/** Whoever replaces: its memory and what it has open. */
interface Size {
  readonly rss: number;
  readonly fds: number;
  readonly threads: number;
  readonly zombies: number;
}

function sizeOf(pid: number): Size {
  return {
    rss: memory(pid).rss,
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
    zombies: processTree(pid).filter((child) => / Z /.test(readFileSync(`/proc/${child}/stat`, 'utf8'))).length,
  };
}

function request(url: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  get(url, { agent: false }, (response) => response.resume().on('close', resolve)).on('error', () => resolve());
  return promise;
}

/** Requests that each wear one out, until so many have ended. */
async function wearOut(server: Watched, count: number): Promise<void> {
  const ended = (): number => server.lines.filter(({ msg }) => /^(worker|thread) .* has ended$/.test(msg)).length;
  const enough = ended() + count;
  while (ended() < enough) {
    await request(server.url);
    await sleep(5);
  }
}

/** Bytes that bare Node grows by the same restarts. */
function bareGrowth(kind: keyof typeof WARM_UP, dir: string): number {
  const target = join(dir, 'dist/bench/targets/bare-restarts.js');
  const counts = [WARM_UP[kind], WARM_UP[kind] + RESTARTS].map(String);
  const printed = execFileSync(process.execPath, [target, kind, ...counts], { encoding: 'utf8' });
  const [before = 0, after = 0] = printed.trim().split('\n').map(Number);
  return after - before;
}

/** @returns whether nothing grew */
async function restarts(mode: string, flags: readonly string[], dir: string): Promise<boolean> {
  const app = join(dir, 'dist/bench/targets/faulty.js');
  const once = ['--limit-request=1', '--limit-request-jitter=0', '--no-access-log', '--log-format=json'];
  const where = ['--http-interface=127.0.0.1', '--http-port=0'];
  const server = await Watched.start([join(dir, 'bin/tricorn.js'), app, ...flags, ...once, ...where]);
  const kind = mode === 'threaded' ? 'threads' : 'processes';
  const whoReplaces = kind === 'threads' ? (processTree(server.pid)[1] ?? 0) : server.pid;
  await wearOut(server, WARM_UP[kind]);
  const before = sizeOf(whoReplaces);
  await wearOut(server, RESTARTS);
  // What is still being replaced, is by then.
  await sleep(2000);
  const after = sizeOf(whoReplaces);
  await server.stop();
  const growth = after.rss - before.rss;
  const bare = bareGrowth(kind, dir);
  const grew = growth > MOST_GROWTH || after.fds > before.fds + 2 || after.zombies > 0;
  const show = ({ rss, fds, threads, zombies }: Size): string =>
    `${(rss / 1e6).toFixed(1)} MB, ${fds} descriptors, ${threads} threads, ${zombies} zombies`;
  console.log(
    `${mode}: after ${WARM_UP[kind]} restarts ${show(before)}; after ${RESTARTS} more ${show(after)}; bare Node grows by ${(bare / 1e6).toFixed(1)} MB${grew ? ' **grew**' : ''}`,
  );
  return !grew;
}

/** @returns whether the supervisor's share of a core was within its budget */
async function crashLoop(dir: string): Promise<boolean> {
  const broken = join(dir, 'broken');
  const app = join(dir, 'breakable.cjs');
  writeFileSync(
    app,
    `if (require('node:fs').existsSync(${JSON.stringify(broken)})) process.exit(1);
     module.exports.handler = (request, response) => response.end('served');`,
  );
  const flags = [
    '--workers=2',
    '--crash-loop-limit=3',
    '--http-interface=127.0.0.1',
    '--http-port=0',
    '--log-format=json',
  ];
  const server = await Watched.start([join(dir, 'bin/tricorn.js'), app, ...flags]);
  writeFileSync(broken, '');
  const looping = server.line(/^crash loop/);
  for (const pid of processTree(server.pid).slice(1)) process.kill(pid, 'SIGKILL');
  const begun = { at: performance.now(), cpu: cpuSeconds([server.pid]) };
  await looping;
  await sleep(LOOP_SECONDS * 1000);
  const share = (cpuSeconds([server.pid]) - begun.cpu) / ((performance.now() - begun.at) / 1000);
  rmSync(broken);
  await server.stop();
  console.log(`crash loop: the supervisor took ${(share * 100).toFixed(2)} % of a core`);
  return share < MOST_CPU;
}

const built = buildUntilExit(killAllWatched);

const held = [
  await restarts('prefork', ['--workers=2'], built.dir),
  await restarts('evented', ['--evented'], built.dir),
  await restarts('threaded', ['--threads=2'], built.dir),
  await crashLoop(built.dir),
];
process.exitCode = held.every(Boolean) ? 0 : 1;
