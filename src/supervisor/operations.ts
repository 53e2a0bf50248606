/** What the control socket can ask of the supervisor. Loaded with it. */
import { setTimeout as pass } from 'node:timers/promises';
import { fs } from '../builtins.ts';
import type { Operations, Status, WorkerStacks, WorkerStatus } from '../control/operations.ts';
import type { Supervisor } from './supervisor.ts';
import type { WorkerHandle } from './worker-handle.ts';

/** A worker that says nothing for this long is shown without what it would have said, milliseconds. */
const PATIENCE_MS = 1500;

export function operationsOf(supervisor: Supervisor): Operations {
  return {
    status: () => statusOf(supervisor),
    stacks: () => Promise.all(supervisor.handles.map(stacksOf)),
    config: () => supervisor.current.loaded,
    change: (request, onProgress) => supervisor.changes.request(request, onProgress),
    stop: () => supervisor.stop(),
  };
}

async function statusOf(supervisor: Supervisor): Promise<Status> {
  const { current, clock, listeners, changes } = supervisor;
  const handles = supervisor.handles;
  // Taken together with the workers: asking them takes time, and another generation may serve by then.
  const { loops: population, isHealthy } = supervisor.generations;
  const ready = current.main.serving.reduce((sum, { loops }) => sum + loops, 0);
  const workers = await Promise.all(handles.map((handle) => workerStatus(handle, clock())));
  return {
    pid: process.pid,
    version: version(),
    node: process.version,
    mode: current.mode,
    state: supervisor.state,
    isCrashLooping: current.readiness.isCrashLooping,
    isHealthy,
    generation: current.generation,
    app: current.config.app,
    listeners: listeners.shown,
    uptimeMs: Math.round(supervisor.uptimeMs),
    wanted: population.wanted,
    ready,
    workers,
    deaths: supervisor.deaths.total,
    poison: current.poison,
    lastChange: changes.last,
  };
}

async function workerStatus(handle: WorkerHandle, now: number): Promise<WorkerStatus> {
  const { label, number, pid, generation, role, state, loops, startedAt } = handle;
  const threads = handle.threads === 0 ? 0 : loops;
  const usage = await Promise.race([handle.askUsage(), pass(PATIENCE_MS, undefined, { ref: false })]);
  return { name: label, number, pid, generation, role, state, ageMs: Math.round(now - startedAt), threads, usage };
}

async function stacksOf(handle: WorkerHandle): Promise<WorkerStacks> {
  const loops = await Promise.race([handle.askStacks(), pass(PATIENCE_MS, undefined, { ref: false })]);
  return { name: handle.label, number: handle.number, pid: handle.pid, loops: loops ?? [] };
}

function version(): string {
  const ending = import.meta.filename.slice(-3);
  // src/supervisor in the checkout, dist/src/supervisor in the package.
  const manifest = new URL(ending === '.ts' ? '../../package.json' : '../../../package.json', import.meta.url);
  return (JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string }).version;
}
