/** Servers that are machines to each other: all they share is a PostgreSQL server. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { get } from '../http.ts';
import { folderOf } from '../ini.ts';
import { modes, startTricorn, type Mode, type Tricorn } from '../tricorn.ts';
import type { Ledger } from './ledger.ts';

const APP = fileURLToPath(new URL('app.ts', import.meta.url));

export interface MachineOptions {
  readonly name: string;
  readonly mode: Mode;
  /** The text of an object literal, made of what app.ts exports. */
  readonly jobs: string;
}

export interface Machine {
  readonly name: string;
  readonly folder: string;
  readonly server: Tricorn;
  /** Puts an app with these jobs where the server looks. */
  deploy(jobs: string): void;
}

/** Each second, and none of them may be left out, however late. */
export const TICKING = "schedule: '* * * * * *', missed: 'all', retries: 100";
/** Never by itself. */
export const YEARLY = "schedule: '@yearly'";

/** With 4 cron workers. */
export async function startMachine(t: Test, ledger: Ledger, options: MachineOptions): Promise<Machine> {
  const { name, mode, jobs } = options;
  const folder = join(folderOf(t), `${name}-${Math.random().toString(36).slice(2)}`);
  mkdirSync(folder);
  const deploy = (text: string): void => {
    const imports = `import { machineApp, steps, told, untilFile } from ${JSON.stringify(APP)};`;
    writeFileSync(join(folder, 'app.mjs'), `${imports}\nexport default machineApp(${text});`);
  };
  deploy(jobs);
  const settings = [`db_url = ${ledger.url}`, 'max_cron_threads = 4', 'cron_history = 10000', 'graceful_timeout = 10'];
  const app = ['[app]', `machine = ${name}`, `ledger = ${ledger.url}`];
  writeFileSync(join(folder, 'tricorn.ini'), ['[options]', ...settings, ...app].join('\n'));
  const server = await startTricorn(t, 'app.mjs', [...modes[mode], '--no-access-log'], { cwd: folder });
  ledger.watch(server);
  return { name, folder, server, deploy };
}

/** Between two requests of a visitor, milliseconds: the machine is to have time for the jobs, too. */
const PAUSE_MS = 10;

export interface Visits {
  readonly failures: string[];
  served: number;
  /** Resolves when the last is answered. */
  end(): Promise<void>;
}

/** Somebody who asks each of the machines for something, one request after the other. */
export function visit(machines: readonly Machine[]): Visits {
  const over = new AbortController();
  const failures: string[] = [];
  const one = async ({ name, server }: Machine): Promise<void> => {
    while (!over.signal.aborted) {
      const status = await get(server.url).then(({ status }) => status, String);
      if (status === 200) visits.served += 1;
      else failures.push(`${name}: ${status}`);
      await pass(PAUSE_MS);
    }
  };
  const going = machines.map(one);
  const visits: Visits = {
    failures,
    served: 0,
    end: async () => {
      over.abort();
      await Promise.all(going);
    },
  };
  return visits;
}
