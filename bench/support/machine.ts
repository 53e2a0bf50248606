/** What a figure depends on beside the code. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { createRequire } from 'node:module';

export function machineFacts(generator: string): (readonly [string, string])[] {
  const { version } = createRequire(import.meta.url)('fastify/package.json') as { version: string };
  return [
    ['date', new Date().toISOString().slice(0, 10)],
    ['CPU', `${cpuModel()}, ${availableParallelism()} cores, shared with the load generator`],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['system', `${type()} ${release()} ${arch()}`],
    ['Node.js', process.version],
    ['Fastify', version],
    ['load generator', generator],
    ['load average before the run', (loadavg()[0] ?? 0).toFixed(2)],
  ];
}

function cpuModel(): string {
  const [first] = cpus();
  // Virtual machines and ARM often leave it out.
  const model = first?.model.trim();
  if (model !== undefined && model !== '' && model !== 'unknown') return model;
  return /^(?:model name|Hardware)\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
}
