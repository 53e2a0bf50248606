/** What the benchmark must show: Tricorn's published budget. */
import { cpuRatio, idleFigures } from './figures.ts';
import type { LoadName } from './load.ts';
import type { Measured } from './measure.ts';
import type { TargetName } from './targets.ts';

export interface Verdict {
  readonly text: string;
  readonly figure: string;
  readonly limit: string;
  /** Undefined where it is shown beside, and not judged. */
  readonly met: boolean | undefined;
}

interface CpuGoal {
  readonly target: TargetName;
  readonly base: TargetName;
  readonly load: LoadName;
  readonly most: number;
  /** Shown, not judged. */
  readonly beside?: true;
}

/** The budget of an event loop that serves alone, and of one beside another. */
const ALONE = 1.05;
const TOGETHER = 1.1;

/** Two loops and one process can be compared only where nobody waits for work: with the light load two loops do. */
const busy: readonly LoadName[] = ['keepAlive', 'keepAliveMany', 'keepAliveCrowd'];
const keptAlive: readonly LoadName[] = [...busy, 'keepAliveLight'];

const cpuGoals: readonly CpuGoal[] = [
  ...keptAlive.flatMap((load): CpuGoal[] => [
    { target: 'evented', base: 'bare', load, most: ALONE },
    { target: 'prefork-one', base: 'bare', load, most: TOGETHER },
    { target: 'threaded-one', base: 'bare', load, most: TOGETHER },
  ]),
  ...keptAlive.flatMap((load): CpuGoal[] => {
    const judged = busy.includes(load) ? {} : ({ beside: true } as const);
    return [
      { target: 'prefork', base: 'bare', load, most: TOGETHER, ...judged },
      { target: 'threaded', base: 'bare', load, most: TOGETHER, ...judged },
    ];
  }),
  // Loop for loop: its two workers run bare Fastify, and have as many connections each, as threads have.
  ...keptAlive.flatMap((load): CpuGoal[] => [
    { target: 'prefork', base: 'cluster', load, most: TOGETHER },
    { target: 'threaded', base: 'cluster', load, most: TOGETHER },
  ]),
  { target: 'prefork', base: 'cluster', load: 'perRequest', most: 0.45 },
  { target: 'threaded', base: 'cluster', load: 'perRequest', most: 0.6 },
];

const SUPERVISED = ['evented', 'prefork', 'threaded'] as const satisfies readonly TargetName[];
const SUPERVISOR_MOST = 60e6;

const shown: Readonly<Partial<Record<TargetName, string>>> = {
  bare: 'bare Fastify',
  'prefork-one': 'prefork with 1 worker',
  'threaded-one': 'threaded with 1 thread',
  cluster: "node:cluster's round robin",
};
const shownLoad: Readonly<Record<LoadName, string>> = {
  keepAlive: 'keep-alive, 32 connections',
  keepAliveMany: 'keep-alive, 128 connections',
  keepAliveCrowd: 'keep-alive, 512 connections',
  perRequest: 'one request per connection',
  keepAliveLight: 'keep-alive, 32 connections, a generator of one thread',
};

export function judge(measured: Measured): Verdict[] {
  return [...cpuGoals.map((goal) => judgeCpu(measured, goal)), judgeSupervisor(measured)];
}

function judgeCpu(measured: Measured, { target, base, load, most, beside }: CpuGoal): Verdict {
  const ratio = cpuRatio(measured, target, base, load)?.value ?? Number.NaN;
  return {
    text: `CPU per request, ${shownLoad[load]}: ${shown[target] ?? target} / ${shown[base] ?? base}`,
    figure: ratio.toFixed(2),
    limit: most.toFixed(2),
    // Judged as it is shown: a third digit says nothing on such a machine.
    met: beside ? undefined : Number(ratio.toFixed(2)) <= most,
  };
}

function judgeSupervisor(measured: Measured): Verdict {
  const rss = Math.max(...SUPERVISED.map((target) => idleFigures(measured, target).first));
  return {
    text: 'RSS of the supervisor, compiled and idle, in the mode with the largest',
    figure: `${(rss / 1e6).toFixed(1)} MB`,
    limit: `${SUPERVISOR_MOST / 1e6} MB`,
    met: rss <= SUPERVISOR_MOST,
  };
}
