/** What `tricorn check` says beyond the verdict: what a reload of the server that runs would change. */
import type { LoadedConfig } from '../config/config.ts';
import type { Environment } from '../config/environment.ts';
import type { WireError } from '../errors.ts';
import { freeze } from '../supervisor/releases.ts';
import { ask } from './client.ts';
import { cluesIn } from './clues.ts';
import { locate } from './locate.ts';
import type { ReportedConfig } from './masked.ts';
import { planOf, showPlan, type Change } from './plan.ts';
import { surroundings } from './runtime-directory.ts';

/** A check is no reason to wait for a server that is stuck, milliseconds. */
const ASK_MS = 3000;

interface CheckReport {
  readonly env: Environment;
  readonly json: boolean;
  /** Why the app did not boot. */
  readonly failure: WireError | undefined;
}

interface Plan {
  /** The control socket of the server that runs. */
  readonly socket: string;
  readonly changes: readonly Change[];
}

/** Text for standard output; '' where there is nothing to say. */
export async function reportCheck(loaded: LoadedConfig, { env, json, failure }: CheckReport): Promise<string> {
  const plan = failure ? undefined : await planFor(loaded, env);
  if (!json) return plan ? showReport(plan) : '';
  const verdict = failure ? { outcome: 'failed', error: failure } : { outcome: 'done', running: plan ?? null };
  return `${JSON.stringify(verdict, undefined, 2)}\n`;
}

/** Undefined where no such server runs: mostly the check comes before the first start. */
async function planFor(loaded: LoadedConfig, env: Environment): Promise<Plan | undefined> {
  try {
    const socket = await locate(cluesIn(loaded), surroundings(env));
    const { status, body } = await ask(socket, { method: 'GET', path: '/config', withinMs: ASK_MS });
    return status === 200 ? { socket, changes: planOf(body as ReportedConfig, freeze(loaded).loaded) } : undefined;
  } catch {
    return undefined;
  }
}

function showReport({ socket, changes }: Plan): string {
  if (changes.length === 0) return `The server at ${socket} runs with the same settings.\n`;
  return `${[`A reload of the server at ${socket} would change:`, ...showPlan(changes)].join('\n')}\n`;
}
