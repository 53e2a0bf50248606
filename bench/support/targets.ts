/** What is measured: the same app on each of these servers. */
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { heapFlags } from '../../src/heap-flags.ts';
import { root } from './build.ts';

export type TargetName =
  | 'bare'
  | 'bare-logger'
  | 'bare-flags'
  | 'cluster'
  | 'shared'
  | 'evented'
  | 'prefork'
  | 'prefork-one'
  | 'threaded'
  | 'threaded-one'
  | 'bare-logging'
  | 'evented-logging';

export interface Target {
  readonly name: TargetName;
  /** As in the table. */
  readonly title: string;
  /** Arguments to node. */
  readonly args: readonly string[];
  /** A line is written per request: a comparison of its own, with keep-alive only. */
  readonly logging: boolean;
  /** What it is compared with. */
  readonly base: TargetName;
}

// Whole URLs, so that tools see that these files are used.
const APP = new URL('../targets/app.ts', import.meta.url);
const BARE = new URL('../targets/bare-fastify.ts', import.meta.url);
const CLUSTER = new URL('../targets/cluster-fastify.ts', import.meta.url);

/** @param dir of the build */
export function targets(dir: string): readonly Target[] {
  const compiled = (source: URL): string => {
    return join(dir, 'dist', relative(root, fileURLToPath(source)).replace(/\.ts$/, '.js'));
  };
  const tricorn = (...flags: string[]): string[] => {
    const listen = ['--http-interface=127.0.0.1', '--http-port=0', '--log-format=json'];
    return [join(dir, 'bin/tricorn.js'), compiled(APP), ...listen, ...flags];
  };
  const quiet = { logging: false, base: 'bare' } as const;
  const logging = { logging: true, base: 'bare-logging' } as const;
  return [
    { name: 'bare', title: 'bare Fastify', args: [compiled(BARE)], ...quiet },
    {
      name: 'bare-logger',
      title: 'bare Fastify, logger on, no line per request',
      args: [compiled(BARE), '--quiet-log'],
      ...quiet,
    },
    {
      name: 'bare-flags',
      title: "bare Fastify, with Tricorn's V8 flags",
      args: [...heapFlags, compiled(BARE)],
      ...quiet,
    },
    { name: 'cluster', title: 'node:cluster, round robin, 2 workers', args: [compiled(CLUSTER)], ...quiet },
    {
      name: 'shared',
      title: 'bare Fastify, 2 processes on one socket',
      args: [compiled(CLUSTER), '--shared'],
      ...quiet,
    },
    { name: 'evented', title: 'Tricorn evented', args: tricorn('--evented', '--no-access-log'), ...quiet },
    {
      name: 'prefork-one',
      title: 'Tricorn prefork, 1 worker',
      args: tricorn('--workers=1', '--no-access-log'),
      ...quiet,
    },
    {
      name: 'threaded-one',
      title: 'Tricorn threaded, 1 thread',
      args: tricorn('--threads=1', '--no-access-log'),
      ...quiet,
    },
    { name: 'prefork', title: 'Tricorn prefork, 2 workers', args: tricorn('--workers=2', '--no-access-log'), ...quiet },
    {
      name: 'threaded',
      title: 'Tricorn threaded, 2 threads',
      args: tricorn('--threads=2', '--no-access-log'),
      ...quiet,
    },
    { name: 'bare-logging', title: 'bare Fastify, `logger: true`', args: [compiled(BARE), '--log'], ...logging },
    { name: 'evented-logging', title: 'Tricorn evented, access log', args: tricorn('--evented'), ...logging },
  ];
}
