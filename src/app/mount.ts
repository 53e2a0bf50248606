import cluster from 'node:cluster';
import type http from 'node:http';
import { pathToFileURL } from 'node:url';
import type { Config } from '../config/config.ts';
import type { DeclaredJob } from '../cron/job.ts';
import { logError, toWireError, TricornError } from '../errors.ts';
import { compileTrust, installProxy } from '../http/proxy.ts';
import { bootError, hookError, loadError } from './boot-errors.ts';
import type { FormMount, MountContext } from './context.ts';
import type { AppContext, AppHooks } from './define-app.ts';
import { onLateListen, watchListens } from './listens.ts';
import { awaited, type Namespace, recognise, type Recognised } from './recognise.ts';
import { stopWithin } from './stop.ts';

export type { MountContext } from './context.ts';

/** An app that is loaded and can be started. */
export interface MountedApp {
  /** In words: 'fastify plugin', 'express', 'fetch', … */
  readonly form: string;
  /** Give it connections by `server.emit('connection', socket)`, once start() has resolved. */
  readonly server: http.Server;
  /** Its jobs by name, checked; empty where it has none. */
  readonly jobs: ReadonlyMap<string, DeclaredJob>;
  /** Boots the framework, then runs onStart. @throws TricornError TRC_APP_BOOT, TRC_BOOT_TIMEOUT or TRC_APP_LISTENS */
  start(): Promise<void>;
  /**
   * Runs onStop, then closes the framework: once, and only where start() has resolved. Rejects with what went wrong,
   * or when `limitMs` are over; whatever still runs then is left to itself.
   */
  stop(limitMs: number): Promise<void>;
  /** The app's own figures; undefined where it has none. Rejects with the app's error. */
  stats(): Promise<Record<string, unknown> | undefined>;
  /** The app's own. */
  readonly health: AppHooks['health'];
}

/**
 * Imports the app of the configuration and makes its server.
 *
 * @throws TricornError TRC_APP_LOAD, TRC_APP_FORM or TRC_APP_LISTENS, with the app's own error as cause; TRC_JOBS
 */
export async function mountApp(context: MountContext): Promise<MountedApp> {
  const { app } = context.config;
  const listens = watchListens();
  try {
    const namespace = await load(app);
    if (listens.seen()) throw new TricornError('TRC_APP_LISTENS', { app });
    refuseForks(app);
    const recognised = recognise(namespace);
    if ('refused' in recognised) throw new TricornError(recognised.code, { app, seen: recognised.refused });
    const jobs = await jobsOf(recognised, context.config);
    const form = await mountForm(recognised, context);
    onLateListen(recognised.form === 'fastify instance' ? form.server : recognised.value, () => tellLate(context));
    if (context.config.proxy_mode) installProxy(form.server, compileTrust(context.config.proxy_trust));
    return { ...mounted(recognised, form, context), jobs };
  } finally {
    listens.stop();
  }
}

/** After an await: it has been mounted by then. Whoever connects to it there is not drained, and not counted. */
function tellLate({ config: { app }, log }: MountContext): void {
  logError(log, toWireError(new TricornError('TRC_APP_LISTENS', { app })), 'Beside Tricorn, ', 'error');
}

async function load(app: string): Promise<Namespace> {
  try {
    return await awaited((await import(pathToFileURL(app).href)) as Namespace);
  } catch (cause) {
    throw loadError(app, cause);
  }
}

/**
 * A worker process is one of node:cluster itself, where an app finds that it is not the primary. A thread is told that it is: its
 * forks would run the thread's code, and end, and be forked again.
 */
function refuseForks(app: string): void {
  const forked = Object.values(cluster.workers ?? {});
  for (const worker of forked) worker?.process.kill('SIGKILL');
  if (forked.length > 0) throw new TricornError('TRC_APP_FORKS', { app });
}

async function mountForm(app: Recognised, context: MountContext): Promise<FormMount> {
  // Each form is loaded when it is needed: an Express app pays neither Fastify's memory nor Hono's.
  switch (app.form) {
    case 'fastify plugin':
      return (await import('./forms/fastify.ts')).mountPlugin(app, context);
    case 'fastify instance':
      return (await import('./forms/fastify.ts')).mountInstance(app.value, context);
    case 'fetch':
      return (await import('./forms/fetch.ts')).mountFetch(app.value, context);
    default:
      return (await import('./forms/listener.ts')).mountListener(app, context);
  }
}

/** Wherever the app is loaded, so that it does not depend on the worker's role whether a mistake ends the boot. */
async function jobsOf({ cron }: Recognised, config: Config): Promise<MountedApp['jobs']> {
  if (cron === undefined) return new Map();
  const { readJobs } = await import('../cron/read-jobs.ts');
  return readJobs(cron, { app: config.app, now: Date.now() });
}

function mounted(app: Recognised, form: FormMount, context: MountContext): Omit<MountedApp, 'jobs'> {
  const hooks: AppHooks = app.hooks;
  const hookContext = contextOf(form.server, context);
  let started = false;
  let stopping: Promise<void> | undefined;
  return {
    form: app.form,
    server: form.server,
    start: async () => {
      await boot(app, form, context.config, async () => hooks.onStart?.(hookContext));
      started = true;
    },
    stop: (limitMs) => {
      if (!started) return Promise.resolve();
      return (stopping ??= stopWithin(limitMs, [
        ['onStop', async () => void (await hooks.onStop?.(hookContext))],
        [`the close of the ${app.form}`, () => form.close()],
      ]));
    },
    stats: async () => hooks.stats?.(),
    health: hooks.health?.bind(hooks),
  };
}

function contextOf(server: http.Server, context: MountContext): AppContext {
  const { app_options: options, log, role, worker, thread, generation } = context;
  return Object.freeze({ server, options, log, role, worker, thread, generation });
}

async function boot(app: Recognised, form: FormMount, config: Config, onStart: () => Promise<unknown>): Promise<void> {
  const listens = watchListens();
  try {
    await form.ready();
    // Whoever calls instance.listen() without await listens only about now.
    if (app.form === 'fastify instance' && (form.server.listening || listens.seen())) {
      throw new TricornError('TRC_APP_LISTENS', { app: config.app });
    }
  } catch (cause) {
    throw bootError(app, config, cause);
  } finally {
    listens.stop();
  }
  try {
    await onStart();
  } catch (cause) {
    throw hookError(config, cause);
  }
}
