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
type Post = Pick<WorkerBoot, 'role' | 'worker' | 'threads'>;

export function launchWorker(employer: Employer, post: Post, premises: Premises): WorkerHandle {
  const { loaded, generation, folder } = employer;
  const { listeners, deaths, account, clock } = premises;
  const recorder = deaths.openRecorder();
  const { fds, ...told } = inherit(listeners.all, post.threads, recorder);
  const whom = { ...post, generation, address: listeners.address, ...told };
  const handle = new WorkerHandle(spawnWorker({ fds, account, folder }), bootMessage(whom, loaded), clock);
  deaths.assign(handle, recorder);
  return handle;
}
