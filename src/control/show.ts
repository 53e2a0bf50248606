/** What `status` and `stacks` print for people. */
import type { LoopStack } from '../protocol.ts';
import { columns } from './columns.ts';
import type { LastChange, Status, WorkerStacks, WorkerStatus } from './operations.ts';

const MIB = 1024 * 1024;

export function showStatus(status: Status): string {
  const { pid, version, node, mode, generation, app, listeners, uptimeMs, wanted, ready, deaths } = status;
  const facts: [string, string][] = [
    ['server', `pid ${pid}, tricorn ${version}, node ${node}`],
    ['state', `${stateOf(status)}, for ${showAge(uptimeMs)} in all`],
    ['mode', `${mode}, generation ${generation}`],
    ['ready', `${ready} of ${wanted}`],
    ['app', app],
    ['listens', listeners.join(', ') || 'nowhere'],
    ['deaths', String(deaths)],
    ...status.workers.flatMap(unhealthyLoops),
    ...(status.poison.length === 0 ? [] : ([['refused', status.poison.join(', ')]] as [string, string][])),
    ...(status.lastChange ? ([['last', showChange(status.lastChange)]] as [string, string][]) : []),
  ];
  const lines = facts.map(([name, value]) => `${name.padEnd(9)}${value}`);
  return `${[...lines, '', ...columns([HEADER, ...status.workers.map(workerRow)])].join('\n')}\n`;
}

/** In the words of /readyz. */
function stateOf({ state, isCrashLooping, isHealthy, wanted, ready }: Status): string {
  if (state !== 'serving') return state;
  if (isCrashLooping) return 'crash loop';
  if (ready === 0 && wanted > 0) return 'no worker';
  return isHealthy ? state : 'unhealthy';
}

function unhealthyLoops({ name, usage }: WorkerStatus): [string, string][] {
  const loops = usage?.loops.filter(({ unhealthy }) => unhealthy !== null) ?? [];
  return loops.map(({ thread, unhealthy }) => [
    'health',
    `worker ${name}${thread ? ` thread ${thread}` : ''}: ${unhealthy}`,
  ]);
}

export function showStacks(workers: readonly WorkerStacks[]): string {
  const blocks = workers.flatMap(({ name, pid, loops }) => {
    if (loops.length === 0) return [`worker ${name} (pid ${pid}): does not tell`];
    return loops.map((loop) => showLoop(`worker ${name} (pid ${pid})`, loop));
  });
  return `${blocks.join('\n\n') || 'there is no worker'}\n`;
}

function showLoop(worker: string, { thread, frames, request = '', unknown, requests = [] }: LoopStack): string {
  const name = thread === 0 ? worker : `${worker} thread ${thread}`;
  const head = `${name}: ${unknown ?? (frames.length === 0 ? 'idle' : request || 'runs')}`;
  const inFlight = requests.map((each) => `  in flight: ${each}`);
  return [head, ...frames.map((frame) => `  ${frame.trim()}`), ...inFlight].join('\n');
}

const HEADER = ['worker', 'pid', 'role', 'state', 'generation', 'age', 'threads', 'rss', 'requests', 'in flight'];

function workerRow({ name, pid, role, state, generation, ageMs, threads, usage }: WorkerStatus): string[] {
  const sum = (of: 'requests' | 'inflight'): string =>
    usage ? String(usage.loops.reduce((total, loop) => total + loop[of], 0)) : '?';
  return [
    name,
    String(pid),
    role,
    state,
    String(generation),
    showAge(ageMs),
    threads === 0 ? '-' : String(threads),
    usage ? `${Math.round(usage.rss / MIB)} MiB` : '?',
    sum('requests'),
    sum('inflight'),
  ];
}

function showChange({ command, at, outcome, text }: LastChange): string {
  return `${command} at ${at}: ${outcome}${text === '' ? '' : `, ${text}`}`;
}

/** The two largest units: `2 h 3 min`. */
export function showAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount} ${unit}`).join(' ');
}
