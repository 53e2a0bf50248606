/** Starts one worker process: what it inherits, what it is told, and where its requests are recorded. */
import type { CommonServer } from '../common-server.ts';
import type { WorkerBoot } from '../protocol.ts';
import type { Account } from './account.ts';
import { bootMessage } from './boot-message.ts';
import type { Deaths } from './deaths.ts';
import { inherit } from './inheritance.ts';
import type { Listeners } from './listeners.ts';
import { spawnWorker } from './spawn-worker.ts';
import { WorkerHandle } from './worker-handle.ts';

/** What the workers of all generations share. */
export interface Premises {
  readonly listeners: Listeners;
  readonly deaths: Deaths;
  readonly account: Account | undefined;
  readonly clock: () => number;
}

type Employer = Pick<CommonServer, 'loaded' | 'generation' | 'folder'>;
interface Post extends Pick<WorkerBoot, 'role' | 'worker' | 'threads'> {
  /** Default `worker`. */
  readonly title?: string;
}

export function launchWorker(employer: Employer, { title, ...post }: Post, premises: Premises): WorkerHandle {
  const { loaded, generation, folder } = employer;
  const { listeners, deaths, account, clock } = premises;
  const recorder = deaths.openRecorder();
  const own = title === undefined ? listeners.of(post.role) : listeners.aside;
  const { fds, ...told } = inherit(own, post.threads, recorder);
  const whom = { ...post, generation, address: own[0]?.address ?? null, ...told };
  const handle = new WorkerHandle(spawnWorker({ fds, account, folder }), bootMessage(whom, loaded), clock, title);
  deaths.assign(handle, recorder);
  return handle;
}
