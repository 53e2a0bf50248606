/**
 * The measuring itself. All targets run at the same time and are loaded in turn, one short slice after the other, in an
 * order that rotates: what disturbs the machine for a while disturbs all of them alike. Each series starts them anew,
 * since one process of the same program can be some percent faster than the next.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loads, type Generator, type Load, type LoadName } from './load.ts';
import type { Memory } from './proc.ts';
import { Service } from './service.ts';
import type { Target, TargetName } from './targets.ts';

export interface Plan {
  readonly series: number;
  /** In each series. */
  readonly rounds: number;
  /** How long one target is loaded in a round. wrk takes whole seconds only. */
  readonly seconds: number;
  /** Rounds at the start of a series that are not counted: the code has to become hot first. */
  readonly warmUps: number;
  /** Between the start and the reading of the memory, milliseconds. */
  readonly idleMs: number;
}

export const plans: Readonly<Record<'full' | 'quick', Plan>> = {
  full: { series: 7, rounds: 3, seconds: 1, warmUps: 1, idleMs: 2000 },
  quick: { series: 1, rounds: 2, seconds: 1, warmUps: 1, idleMs: 1000 },
};

/** One slice. */
export interface Sample {
  readonly target: TargetName;
  readonly load: LoadName;
  /** Samples of the same round are compared with each other. */
  readonly round: number;
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p99: number;
  /** CPU time of the server's processes per request, microseconds. */
  readonly cpu: number;
  /** How often a thread of the server went to sleep, per request. */
  readonly sleeps: number;
  readonly errors: number;
}

/** One start. */
interface Start {
  readonly target: TargetName;
  readonly startMs: number;
  /** Idle, after one request: the process started first, then its descendants. */
  readonly memory: readonly Memory[];
}

export interface Measured {
  readonly samples: readonly Sample[];
  readonly starts: readonly Start[];
}

export interface Measuring {
  readonly targets: readonly Target[];
  readonly generator: Generator;
  readonly plan: Plan;
  /** For output. */
  readonly dir: string;
  readonly progress: (text: string) => void;
}

export async function measure(measuring: Measuring): Promise<Measured> {
  const samples: Sample[] = [];
  const starts: Start[] = [];
  for (let series = 0; series < measuring.plan.series; series += 1) {
    const services = await startAll(measuring, starts);
    try {
      await runSeries(measuring, series, services, samples);
    } finally {
      await Promise.all(services.map((service) => service.stop()));
    }
  }
  return { samples, starts };
}

/** One after the other, so that none is slowed down by the start of the next. */
async function startAll({ targets, dir, plan }: Measuring, starts: Start[]): Promise<Service[]> {
  const services: Service[] = [];
  for (const target of targets) services.push(await Service.start(target, dir));
  await sleep(plan.idleMs);
  for (const service of services) {
    starts.push({ target: service.target.name, startMs: service.startMs, memory: service.memory() });
  }
  return services;
}

async function runSeries(
  { plan, generator, progress }: Measuring,
  series: number,
  services: readonly Service[],
  samples: Sample[],
): Promise<void> {
  for (let round = -plan.warmUps; round < plan.rounds; round += 1) {
    const number = series * plan.rounds + round;
    progress(
      `series ${series + 1} of ${plan.series}, ${round < 0 ? 'warm-up' : `round ${round + 1} of ${plan.rounds}`}`,
    );
    for (const load of loads) {
      for (const service of rotated(services, number + plan.warmUps)) {
        if (service.target.logging && load.name !== 'keepAlive') continue;
        const sample = await slice(service, load, number, generator, plan.seconds);
        if (round >= 0) samples.push(sample);
      }
    }
  }
}

async function slice(
  service: Service,
  load: Load,
  round: number,
  generator: Generator,
  seconds: number,
): Promise<Sample> {
  const before = { cpu: service.cpuSeconds(), sleeps: service.sleeps() };
  const result = await generator.run(service.url, load, seconds);
  const used = { cpu: service.cpuSeconds() - before.cpu, sleeps: service.sleeps() - before.sleeps };
  service.dropOutput();
  if (result.requests === 0) throw new Error(`${service.target.title} answered no request (${load.title})`);
  return {
    target: service.target.name,
    load: load.name,
    round,
    requestsPerSecond: result.requests / result.seconds,
    p99: result.p99,
    cpu: (used.cpu / result.requests) * 1e6,
    sleeps: used.sleeps / result.requests,
    errors: result.errors,
  };
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const offset = by % items.length;
  return [...items.slice(offset), ...items.slice(0, offset)];
}
