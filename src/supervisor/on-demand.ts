/** What only some services need. Each module is loaded when it is asked for: the supervisor's memory is a budget. */
import type { Config } from '../config/config.ts';
import { logError, toWireError } from '../errors.ts';
import type { Control } from '../control/open.ts';
import type { AppWatch } from '../dev/watch-app.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Account } from './account.ts';
import type { HealthFacts } from './health.ts';
import type { HealthPort } from './health-port.ts';
import type { Predecessor } from './predecessor.ts';
import type { Supervisor } from './supervisor.ts';
import type { Trial, TrialOptions } from './trial.ts';

/** Whose rights the workers get; the logfile is theirs, too. @throws TricornError TRC_USER */
export async function findAccount(config: Config, check: boolean): Promise<Account | undefined> {
  if (config.user === '' && config.group === '') return undefined;
  const { accountOf, giveLogfile } = await import('./account.ts');
  const account = accountOf(config);
  if (account && !check) giveLogfile(config, account);
  return account;
}

/** @param takeOver in an upgrade @throws TricornError TRC_CONTROL_SOCKET */
export async function openControl(
  supervisor: Supervisor,
  { config, log, takeOver }: { config: Config; log: Logger; takeOver: boolean },
): Promise<Control | undefined> {
  const [{ openControl: open }, { operationsOf }] = await Promise.all([
    import('../control/open.ts'),
    import('./operations.ts'),
  ]);
  return open({ config, log, operations: operationsOf(supervisor), takeOver });
}

/** In an upgrade: the process whose place this one takes. @param handover what the environment says of it */
export async function meetPredecessor(handover: string | undefined, log: Logger): Promise<Predecessor | undefined> {
  if (handover === undefined) return undefined;
  return new (await import('./predecessor.ts')).Predecessor(handover, log);
}

/** Where there is a health port. It answers at once, in an upgrade when the process before lets go, or is gone. @throws TricornError TRC_PORT_IN_USE */
export async function openHealthPort(
  supervisor: Supervisor,
  { log, predecessor }: { log: Logger; predecessor: Predecessor | undefined },
): Promise<HealthPort | undefined> {
  const { health: listener, isHealthForeign } = supervisor.listeners;
  if (!listener) return undefined;
  const { HealthPort: Loaded } = await import('./health-port.ts');
  let succeeds = false;
  const port = new Loaded({
    listener,
    log,
    facts: () => healthOf(supervisor, succeeds),
    wake: () => supervisor.wake(),
  });
  if (!isHealthForeign) await port.serve();
  void predecessor?.gone.then(async () => {
    succeeds = true;
    await port.serve().catch((error: unknown) => logError(log, toWireError(error), '', 'error'));
  });
  return port;
}

function healthOf({ state, current, generations, sinceTickMs }: Supervisor, succeeds: boolean): HealthFacts {
  const { isCrashLooping } = current.readiness;
  const { isHealthy, loops: workers } = generations;
  return { state, succeeds, isCrashLooping, sinceTickMs, isHealthy, workers };
}

/** With dev = reload. */
export async function watchAppOf(supervisor: Supervisor, log: Logger): Promise<AppWatch | undefined> {
  const { watchApp } = await import('../dev/watch-app.ts');
  if (supervisor.state !== 'booting') return undefined;
  return watchApp({ supervisor, log, reload: () => supervisor.changes.reloadAnew() });
}

/** Of a reload; undefined where there is no canary. */
export async function trialOf(options: TrialOptions): Promise<Trial | undefined> {
  if (options.next.config.canary === '') return undefined;
  return (await import('./trial.ts')).Trial.of(options);
}
