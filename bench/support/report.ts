/** Pure: the report as Markdown. */
import { cpuRatio, idleFigures, loadFigures, type Ratio } from './figures.ts';
import type { Verdict } from './goals.ts';
import { loads, type Load } from './load.ts';
import { table, type Row } from './markdown.ts';
import type { Measured, Plan } from './measure.ts';
import type { Target } from './targets.ts';

export interface Report {
  readonly measured: Measured;
  readonly targets: readonly Target[];
  readonly verdicts: readonly Verdict[];
  readonly plan: Plan;
  /** What was measured on, name and value. */
  readonly machine: readonly (readonly [string, string])[];
}

export function renderReport(report: Report): string {
  return [
    machine(report),
    heading('Budget', verdicts(report.verdicts)),
    ...loads.map((load) => heading(load.title, underLoad(report, load))),
    heading('With a line per request in the log, keep-alive, 32 connections', withLog(report)),
    heading('Start and memory', idle(report)),
  ].join('\n\n');
}

function machine({ machine: facts, plan }: Report): string {
  const { series, rounds, seconds } = plan;
  const how = `${series} starts x ${rounds} rounds x ${seconds} s for each target and load`;
  return [...facts, ['run', how]].map(([name, value]) => `- ${name}: ${value}`).join('\n');
}

function verdicts(list: readonly Verdict[]): string {
  const rows = list.map(({ text, figure, limit, met }) => [text, figure, `<= ${limit}`, said(met)]);
  return table(['what', 'measured', 'budget', ''], rows);
}

function said(met: boolean | undefined): string {
  if (met === undefined) return 'not judged';
  return met ? 'met' : '**missed**';
}

function underLoad({ measured, targets }: Report, load: Load): string {
  const quiet = targets.filter(({ logging }) => !logging);
  const rows = quiet.map((target) => {
    const ratios = (['bare', 'cluster'] as const).map((base) => cpuRatio(measured, target.name, base, load.name));
    return [...loadCells(measured, target, load), ...ratios.map(spread)];
  });
  return table(
    ['server', 'req/s', 'p99 ms', 'sleeps / 100 req', 'CPU us/req', 'CPU / bare Fastify', 'CPU / node:cluster'],
    rows,
  );
}

function withLog({ measured, targets }: Report): string {
  const [load] = loads;
  if (!load) return '';
  const rows = targets
    .filter(({ logging }) => logging)
    .map((target) => {
      const ratio = cpuRatio(measured, target.name, target.base, load.name);
      return [...loadCells(measured, target, load), spread(ratio)];
    });
  return table(['server', 'req/s', 'p99 ms', 'sleeps / 100 req', 'CPU us/req', 'CPU / bare Fastify with log'], rows);
}

function loadCells(measured: Measured, { name, title }: Target, load: Load): Row {
  const figures = loadFigures(measured, name, load.name);
  if (!figures) return [title, '', '', '', ''];
  const { requestsPerSecond, p99, cpu, sleeps, errors } = figures;
  const failed = errors > 0 ? ` (${errors} errors)` : '';
  return [
    title,
    `${Math.round(requestsPerSecond)}${failed}`,
    p99.toFixed(1),
    (sleeps * 100).toFixed(1),
    cpu.toFixed(1),
  ];
}

function idle({ measured, targets }: Report): string {
  const rows = targets
    .filter(({ logging }) => !logging)
    .map(({ name, title }) => {
      const { startMs, first, others, pss } = idleFigures(measured, name);
      return [title, (startMs / 1000).toFixed(2), mb(first), others.map(mb).join(' + '), mb(pss)];
    });
  return table(['server', 'first 200 after s', 'RSS MB, first process', 'RSS MB, others', 'PSS MB, all'], rows);
}

/** `1.04 (1.02-1.07)`: the ratio, and the quartiles of the rounds. */
function spread(ratio: Ratio | undefined): string {
  if (!ratio) return '';
  return `${ratio.value.toFixed(2)} (${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)})`;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function heading(text: string, body: string): string {
  return `### ${text}\n\n${body}`;
}
