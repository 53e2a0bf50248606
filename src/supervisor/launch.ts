/** Starts one worker process: what it inherits, what it is told, and where its requests are recorded. */
import type { CommonServer } from '../common-server.ts';
import type { Config } from '../config/config.ts';
import type { Spares } from '../dev/spares.ts';
import { heapFlags } from '../heap-flags.ts';
import type { WorkerBoot } from '../protocol.ts';
import type { Account } from './account.ts';
import { bootMessage } from './boot-message.ts';
import { cronSettings, type Crew } from './crew.ts';
import type { Deaths } from './deaths.ts';
import type { FlightRecorder } from './flight-recorders.ts';
import { inherit } from './inheritance.ts';
import type { Listeners } from './listeners.ts';
import { spawnWorker, type SpawnOptions } from './spawn-worker.ts';
import { WorkerHandle } from './worker-handle.ts';

/** What the workers of all generations share. */
export interface Premises {
  readonly listeners: Listeners;
  readonly deaths: Deaths;
  readonly account: Account | undefined;
  readonly clock: () => number;
  /** With dev = reload. */
  readonly spares: Spares | undefined;
}

type Employer = Pick<CommonServer, 'loaded' | 'generation' | 'folder'>;
export interface Post extends Pick<WorkerBoot, 'role' | 'worker' | 'threads' | 'since'> {
  /** Default `worker`. */
  readonly title?: string;
}

/** What it serves lasts long: it is not recycled by requests. */
export const asideSettings: Partial<Config> = { limit_request: 0 };

export function launchAside(
  { folder, generation, loaded }: Employer,
  worker: number,
  premises: Premises,
): WorkerHandle {
  const config = { ...loaded.config, ...asideSettings };
  const post = { role: 'evented', worker, threads: 0, title: 'evented worker' } as const;
  return launchWorker({ folder, generation, loaded: { ...loaded, config } }, post, premises);
}

export function launchCron(
  { folder, generation, loaded }: Employer,
  worker: number,
  { threads, since }: Pick<Crew, 'threads' | 'since'>,
  premises: Premises,
): WorkerHandle {
  const config = { ...loaded.config, ...cronSettings(threads) };
  const post = { role: 'cron', worker, threads, title: 'cron worker', ...(since !== undefined && { since }) } as const;
  return launchWorker({ folder, generation, loaded: { ...loaded, config } }, post, premises);
}

interface Description {
  readonly boot: WorkerBoot;
  readonly spawn: SpawnOptions;
}

export function launchWorker(employer: Employer, post: Post, premises: Premises): WorkerHandle {
  const { deaths, clock, spares } = premises;
  const recorder = deaths.openRecorder();
  const { boot, spawn } = describeWorker(employer, post, premises, recorder);
  // A spare has no recorder among its descriptors, and those of the main workers' listeners.
  const spare = recorder || post.title !== undefined ? undefined : spares?.take(boot);
  const handle = new WorkerHandle(spare ?? spawnWorker(spawn), boot, clock, post.title);
  deaths.assign(handle, recorder);
  return handle;
}

/** What it is told, and how its process is started. */
export function describeWorker(
  { loaded, generation, folder }: Employer,
  { title, ...post }: Post,
  { listeners, account }: Premises,
  recorder?: FlightRecorder,
): Description {
  const own = post.role === 'evented' && title !== undefined ? listeners.aside : listeners.of(post.role);
  const { fds, ...told } = inherit(own, post.threads, recorder);
  const boot = bootMessage({ ...post, generation, address: own[0]?.address ?? null, ...told }, loaded);
  return { boot, spawn: { fds, account, folder, flags: post.role === 'cron' ? [] : heapFlags } };
}
