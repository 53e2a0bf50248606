/** Pure: checks what an app declares under `cron`, and tells every mistake by job and field. */
import { didYouMean } from '../config/nearest.ts';
import { cut, showText } from '../config/show.ts';
import { parseDuration } from '../config/values.ts';
import { TricornError } from '../errors.ts';
import type { DeclaredJob, JobDefinition, Missed, Rhythm } from './job.ts';
import { parseCron } from './schedule.ts';

const FIELDS = ['schedule', 'timezone', 'every', 'run', 'timeout', 'priority', 'missed', 'retries', 'paused'] as const;
type Field = (typeof FIELDS)[number];

const MISSED: readonly Missed[] = ['once', 'skip', 'all'];
const NAME = /^[a-z\d][\w.:-]{0,99}$/i;
const YEAR_S = 366 * 86_400;
const DAY_S = 86_400;
const MOST_PRIORITY = 1000;
const MOST_RETRIES = 100;

interface Context {
  /** Path of the app module, for the message. */
  readonly app: string;
  /** When the app is read: a schedule must have a tick after it. */
  readonly now: number;
}

/** A field's value, or what is wrong with it. */
type Read<T> = { readonly value: T } | { readonly wrong: string };

type Reader = <T>(key: Field, read: (value: unknown) => Read<T>, fallback: T) => T;

/** @throws TricornError TRC_JOBS with every mistake */
export function readJobs(cron: unknown, context: Context): ReadonlyMap<string, DeclaredJob> {
  const mistakes: string[] = [];
  const jobs = new Map<string, DeclaredJob>();
  if (typeof cron !== 'object' || cron === null || Array.isArray(cron)) {
    mistakes.push(`cron is ${show(cron)}; it must be an object that has a job under each name`);
  } else {
    for (const [name, definition] of Object.entries(cron)) {
      const job = readJob(name, definition, context, mistakes);
      if (job) jobs.set(name, job);
    }
  }
  if (mistakes.length === 0) return jobs;
  const count = mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`;
  throw new TricornError('TRC_JOBS', {
    count,
    app: context.app,
    problems: mistakes.map((line) => `  ${line}`).join('\n'),
  });
}

function readJob(name: string, given: unknown, context: Context, mistakes: string[]): DeclaredJob | undefined {
  const before = mistakes.length;
  const tell = (what: string): number => mistakes.push(`job ${showText(name)}: ${what}`);
  if (!NAME.test(name))
    tell('a name must be letters, digits and . _ : -, at most 100, and begin with a letter or digit');
  if (typeof given !== 'object' || given === null) {
    tell(`it is ${show(given)}; it must be an object with run and either schedule or every`);
    return undefined;
  }
  for (const field of Object.keys(given)) {
    if (!(FIELDS as readonly string[]).includes(field))
      tell(`there is no field ${showText(field)}${didYouMean(field, FIELDS) || `; there are ${FIELDS.join(', ')}`}`);
  }
  const definition = given as Readonly<Partial<Record<Field, unknown>>>;
  const field: Reader = (key, read, fallback) => {
    if (definition[key] === undefined) return fallback;
    const result = read(definition[key]);
    if ('value' in result) return result.value;
    tell(`${key} is ${show(definition[key])}; it must be ${result.wrong}`);
    return fallback;
  };
  const spec: DeclaredJob['spec'] = {
    name,
    rhythm: readRhythm(definition, field, tell, context.now),
    timeout: field<number | undefined>('timeout', duration(0, DAY_S * 7), undefined),
    priority: field('priority', integer(MOST_PRIORITY), 5),
    missed: field<Missed>('missed', oneOfMissed, 'once'),
    retries: field('retries', integer(MOST_RETRIES), 0),
    paused: field('paused', boolean, false),
  };
  if (typeof definition.run !== 'function') tell(`run is ${show(definition.run)}; it must be a function of the job`);
  return mistakes.length > before ? undefined : { spec, run: definition.run as JobDefinition['run'] };
}

function readRhythm(
  { schedule, every, timezone }: Readonly<Partial<Record<Field, unknown>>>,
  field: Reader,
  tell: (what: string) => void,
  now: number,
): Rhythm {
  if ((schedule === undefined) === (every === undefined)) {
    tell(
      `it has ${schedule === undefined ? 'neither schedule nor every' : 'both schedule and every'}; it must have one`,
    );
  }
  if (every !== undefined) {
    if (timezone !== undefined) tell('timezone goes with schedule, not with every');
    return { everyMs: Math.round(field('every', duration(1, YEAR_S), 1) * 1000) };
  }
  const zone = field('timezone', zoneName, 'UTC');
  return { cron: field('schedule', expression(zone, now), '@yearly'), timezone: zone };
}

function expression(zone: string, now: number): (value: unknown) => Read<string> {
  const wrong =
    'five fields (minute, hour, day of month, month, day of week), six with seconds in front, or one of @yearly, @monthly, @weekly, @daily and @hourly';
  return (value) => {
    // croner takes a date as well, which would tick once.
    if (typeof value !== 'string' || !/^(@\w+|\S+(\s+\S+){4,5})$/.test(value.trim())) return { wrong };
    try {
      const hasTick = parseCron(value.trim(), zone).nextRun(new Date(now)) !== null;
      return hasTick ? { value: value.trim() } : { wrong: 'a schedule that has a tick: this one never comes' };
    } catch (error) {
      return { wrong: `${wrong} (${showText((error as Error).message.replace(/^\w+: /, ''))})` };
    }
  };
}

function zoneName(value: unknown): Read<string> {
  const wrong = 'the name of a time zone, such as UTC or Europe/Paris';
  if (typeof value !== 'string') return { wrong };
  try {
    new Date(0).toLocaleString('en', { timeZone: value });
    return { value };
  } catch {
    return { wrong };
  }
}

function duration(least: number, most: number): (value: unknown) => Read<number> {
  const wrong = `a duration from ${least} to ${most} seconds, such as 90, '90 s', '10m' or '1h'`;
  return (value) => {
    const seconds = typeof value === 'string' ? parseDuration(value.trim()) : value;
    return typeof seconds === 'number' && seconds >= least && seconds <= most ? { value: seconds } : { wrong };
  };
}

function integer(most: number): (value: unknown) => Read<number> {
  return (value) => {
    const isOne = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
    return isOne ? { value: value as number } : { wrong: `an integer from 0 to ${most}` };
  };
}

function oneOfMissed(value: unknown): Read<Missed> {
  const found = MISSED.find((one) => one === value);
  return found ? { value: found } : { wrong: `one of ${MISSED.join(', ')}` };
}

function boolean(value: unknown): Read<boolean> {
  return typeof value === 'boolean' ? { value } : { wrong: 'true or false' };
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (value === undefined || typeof value === 'symbol') return String(value);
  return cut(JSON.stringify(value) ?? typeof value);
}
