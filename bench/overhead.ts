/**
 * What Tricorn costs, compared with the same app on bare Fastify and on node:cluster. What is measured and how stands in
 * docs/performance.md.
 *
 *     node bench/overhead.ts            about 30 minutes; prints the report, exit code 1 when the budget is missed
 *     node bench/overhead.ts --quick    about 3 minutes: does the benchmark work at all?
 *     node bench/overhead.ts --write    puts the report into docs/performance.md
 */
import { parseArgs } from 'node:util';
import { buildUntilExit } from './support/build.ts';
import { judge } from './support/goals.ts';
import { loadGenerator } from './support/load.ts';
import { machineFacts } from './support/machine.ts';
import { publish } from './support/markdown.ts';
import { measure, plans } from './support/measure.ts';
import { renderReport } from './support/report.ts';
import { killAllServices } from './support/service.ts';
import { targets } from './support/targets.ts';

const PAGE = new URL('../docs/performance.md', import.meta.url);

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean' }, write: { type: 'boolean' } } });

if (process.platform !== 'linux') fail('The benchmark reads /proc: it runs on Linux only.');
if (flags.quick && flags.write) fail('--quick measures too little to be published: leave out --quick or --write.');

const built = buildUntilExit(killAllServices);

const plan = flags.quick ? plans.quick : plans.full;
const generator = loadGenerator();
const machine = machineFacts(generator.title);
console.error(`Load generator: ${generator.title}`);
const list = targets(built.dir);
const measured = await measure({
  targets: list,
  generator,
  plan,
  dir: built.dir,
  progress: (text) => console.error(text),
});
const verdicts = judge(measured);
const report = renderReport({ measured, targets: list, verdicts, plan, machine });
console.log(report);
if (flags.write) await publish(PAGE, 'overhead', report);
process.exitCode = verdicts.every(({ met }) => met !== false) ? 0 : 1;

function fail(reason: string): never {
  console.error(reason);
  process.exit(2);
}
