/**
 * A process that serves a control socket, without a service behind it. Its one argument is JSON: Play. It prints the
 * path of its socket when it listens.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { loadConfig } from '../../src/config/load.ts';
import { openControl } from '../../src/control/open.ts';
import type { ChangeRequest, Operations, Outcome, Progress } from '../../src/control/operations.ts';
import { openSupervisorLog } from '../../src/log/supervisor-log.ts';

export interface Play {
  /** As for tricorn. */
  readonly argv: readonly string[];
  /** How a change ends; `die` = the process does. Default done. */
  readonly change?: Outcome['outcome'] | 'die';
  /** It dies at a stop, without a word. */
  readonly rude?: boolean;
}

const play = JSON.parse(process.argv[2] ?? '{}') as Play;
const loaded = loadConfig({ argv: play.argv, env: {}, cwd: process.cwd(), stdoutIsTTY: false });
const { config } = loaded;

const outcomes: Readonly<Record<Outcome['outcome'], Outcome>> = {
  done: { outcome: 'done', text: 'generation 2 serves', generation: 2 },
  failed: {
    outcome: 'failed',
    text: 'the new workers did not boot, generation 1 serves on',
    error: { code: 'TRC_APP_BOOT', message: 'the app failed to boot', hint: 'Look.', exitCode: 3, stack: 'Error: db' },
  },
  refused: { outcome: 'refused', text: 'another change is on its way' },
};

const operations: Operations = {
  status: async () => ({
    pid: process.pid,
    version: '1.2.3',
    node: process.version,
    mode: 'prefork',
    state: 'serving',
    isCrashLooping: false,
    isHealthy: true,
    generation: 1,
    app: config.app,
    listeners: ['http://127.0.0.1:1'],
    uptimeMs: 1000,
    wanted: 2,
    ready: 2,
    workers: [],
    deaths: 0,
    poison: [],
  }),
  stacks: async () => [{ name: '1', number: 1, pid: 7, loops: [{ thread: 0, frames: [] }] }],
  config: () => loaded,
  change,
  stop: () => {
    if (play.rude !== true) end();
    process.exit();
  },
};

async function change(request: ChangeRequest, onProgress: (progress: Progress) => void): Promise<Outcome> {
  const { change: how = 'done' } = play;
  if (how === 'refused') return outcomes.refused;
  for (const ready of [0, 1, 2]) onProgress({ ready, wanted: 2, text: '' });
  if (how === 'die') process.exit(1);
  const { command, ...more } = request;
  return { ...outcomes[how], text: `${command} ${JSON.stringify(more)}: ${outcomes[how].text}` };
}

const control = await openControl({ config, log: openSupervisorLog(config).log, operations });
if (config.pidfile !== '') writeFileSync(config.pidfile, `${process.pid}\n`);
process.stdout.write(`${control?.path}\n`);
process.on('message', () => {});

function end(): void {
  if (config.pidfile !== '') rmSync(config.pidfile);
  control?.close();
}
