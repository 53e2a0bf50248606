/** Fastify: a plugin, for which Tricorn makes the instance, or an instance that the app made itself. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import type http from 'node:http';
import type { FastifyInstance, FastifyPluginOptions, FastifyServerOptions } from 'fastify';
import type fastify from 'fastify';
import { TricornError } from '../../errors.ts';
import { speaksForAll } from '../../log/identity.ts';
import {
  armTimeouts,
  type DetachedOptions,
  DetachedServer,
  setTimeouts,
  type Timeouts,
  timeoutsOf,
} from '../../http/server.ts';
import { type FormMount, type MountContext, prefer } from '../context.ts';
import type { AppPlugin } from '../define-app.ts';
import { FactoryError } from '../factory.ts';
import { isMadeApp, type Recognised } from '../recognise.ts';
import { serverOptions } from '../server-options.ts';
import { fastifyLog } from './fastify-log.ts';
import { hasMembers } from '../shapes.ts';

type AsyncPlugin = (fastify: FastifyInstance, options: FastifyPluginOptions) => Promise<unknown>;
type PluginForm = Extract<Recognised, { form: 'fastify plugin' }>;
type FastifyModule = typeof fastify;
/** What an app's `options` export may hold, as far as Tricorn looks into it. */
type AppServerOptions = FastifyServerOptions & { readonly https?: unknown; readonly http2?: unknown };

type Announce = NonNullable<DetachedOptions['announce']>;

/** A plugin that hangs is named by Fastify, if its limit ends before the boot's: this share of boot_timeout. */
const PLUGIN_SHARE = 0.9;

/** Makes an instance as `fastify start --options` does, with Tricorn's settings, and registers the plugin. */
export async function mountPlugin(app: PluginForm, context: MountContext): Promise<FormMount> {
  const module = await importFastify(context.config.app);
  const announce = (emit: () => void): void => quietly(instance.log, emit);
  const log = fastifyLog(module, app.options, context);
  const instance = make(module, { ...log.options, ...fastifyOptions(app.options, context, announce) }, context);
  log.install(instance);
  const options: Record<string, unknown> = { ...app.options, ...context.app_options };
  let routes = 0;
  instance.addHook('onRoute', () => void (routes += 1));
  let returned: unknown;
  const note = (result: unknown): void => void (returned = result);
  const plugin = types.isAsyncFunction(app.value) ? noted(app.value, note) : guarded(app.value, note);
  // fastify-plugin's documented mark, without the dependency: the plugin's decorators reach the root.
  if (options['skipOverride']) Object.assign(plugin, { [Symbol.for('skip-override')]: true });
  return {
    server: instance.server,
    ready: async () => {
      await instance.register(plugin as Parameters<typeof instance.register>[0], options);
      await instance.ready();
      if (routes === 0) judgeRouteless(returned, instance, context);
      // `tricorn check` has no address that the app could be told.
      const listens = instance.server instanceof DetachedServer && context.address !== null;
      if (listens) await instance.listen({ host: '127.0.0.1', port: 0 });
      else armTimeouts(instance.server);
    },
    close: async () => void (await instance.close()),
  };
}

/** @throws TricornError TRC_APP_BOOT: what may be wrong is the app's `options` export */
function make(module: FastifyModule, options: FastifyServerOptions, { config }: MountContext): FastifyInstance {
  try {
    return module.fastify(options);
  } catch (cause) {
    throw new TricornError('TRC_APP_BOOT', { app: config.app }, { cause });
  }
}

type Note = (result: unknown) => void;

/** The same async plugin, but what it resolves with is noted. */
function noted(plugin: AppPlugin, note: Note): AppPlugin {
  // Fastify refuses an async plugin that also takes `done`.
  if (plugin.length > 2) return plugin;
  const wrapper: AppPlugin = async (instance, options) => note(await (plugin as AsyncPlugin)(instance, options));
  return likeIt(wrapper, plugin);
}

/** The same plugin, but what it throws fails the boot. Fastify lets that become an uncaught exception. */
function guarded(plugin: AppPlugin, note: Note): AppPlugin {
  const wrapper: AppPlugin = (instance, options, done) => {
    try {
      const result = plugin(instance, options, done);
      if (types.isPromise(result)) return result.then(note);
      note(result);
      // An instance that is not ready has a then().
      if (hasMembers(result) && typeof result['then'] === 'function') return result;
      if (plugin.length < 3) done();
    } catch (error) {
      done(error as Error);
    }
    return undefined;
  };
  return likeIt(wrapper, plugin);
}

function likeIt(wrapper: AppPlugin, plugin: AppPlugin): AppPlugin {
  Object.defineProperty(wrapper, 'name', { value: plugin.name });
  // The marks that fastify-plugin left on it: its name, its dependencies, its wish not to be encapsulated.
  return Object.assign(wrapper, plugin);
}

/**
 * A function that makes the app would be a plugin without routes, and answer 404 to everybody. @throws TricornError TRC_APP_FORM
 * where it has returned one; what else it may be is only said, once, for hooks and handlers may be all that the app has
 */
function judgeRouteless(returned: unknown, { server }: FastifyInstance, context: MountContext): void {
  const { config, log } = context;
  const isOwn = returned === server || (hasMembers(returned) && returned['server'] === server);
  if (!isOwn && isMadeApp(returned)) throw new FactoryError(config.app, 'function');
  if (!speaksForAll(context, config)) return;
  log.warn(`The app ${config.app} has no route: it answers 404. If its function makes an app, export what it returns`);
}

/** Takes an instance as it is. Its onListen hooks do not run: it never listens, and its server is not Tricorn's. */
export function mountInstance(instance: FastifyInstance, context: MountContext): FormMount {
  const ours = timeoutsOf(context.config);
  const server: http.Server = instance.server;
  setTimeouts(server, {
    keepAlive: prefer(context, 'keep_alive_timeout', ours.keepAlive, server.keepAliveTimeout),
    headers: prefer(context, 'headers_timeout', ours.headers, server.headersTimeout),
    // 0 is what Fastify sets where the app asks for nothing.
    request: prefer(context, 'request_timeout', ours.request, server.requestTimeout || undefined),
  });
  warnOfDeafSettings(context);
  return {
    server,
    ready: async () => {
      await instance.ready();
      armTimeouts(server);
    },
    close: async () => void (await instance.close()),
  };
}

/** An operator who sets these must hear that nothing can set them once the instance exists. */
function warnOfDeafSettings(context: MountContext): void {
  if (context.explicit('body_limit')) {
    context.log.warn('body_limit does not reach a ready Fastify instance: give it bodyLimit, or export a plugin');
  }
  if (context.config.proxy_mode) {
    context.log.warn('proxy_mode cannot set trustProxy on a ready Fastify instance: give it that, or export a plugin');
  }
}

/** The app's own Fastify, else Tricorn's: two versions in one app would not know each other's plugins. */
async function importFastify(app: string): Promise<FastifyModule> {
  const own = resolveFrom(app, 'fastify');
  const module = (await import(own === undefined ? 'fastify' : pathToFileURL(own).href)) as { default: FastifyModule };
  return module.default;
}

function resolveFrom(file: string, name: string): string | undefined {
  try {
    return createRequire(file).resolve(name);
  } catch {
    return undefined;
  }
}

/** Tricorn's defaults, under what the app asks for, under what the operator said. */
function fastifyOptions(asked: AppServerOptions, context: MountContext, announce: Announce): FastifyServerOptions {
  const { config } = context;
  const ownServer = asked.serverFactory !== undefined || Boolean(asked.https) || Boolean(asked.http2);
  const bodyLimit = config.body_limit || Number.MAX_SAFE_INTEGER;
  // The peer, whoever it is: what its headers say is the truth by now (src/http/proxy.ts), also over a unix socket.
  const trustProxy = config.proxy_mode ? { trustProxy: (_address: string, hop: number) => hop === 0 } : {};
  return {
    ...trustProxy,
    return503OnClosing: false,
    ...asked,
    ...(context.explicit('proxy_mode') ? trustProxy : {}),
    bodyLimit: prefer(context, 'body_limit', bodyLimit, asked.bodyLimit),
    pluginTimeout: prefer(context, 'boot_timeout', config.boot_timeout * 1000 * PLUGIN_SHARE, asked.pluginTimeout),
    ...(ownServer ? {} : { serverFactory: serverFactory(asked, context, announce) }),
  };
}

/** Makes the server that Fastify's listen() can be called on without binding anything. */
function serverFactory(
  asked: AppServerOptions,
  context: MountContext,
  announce: Announce,
): (handler: http.RequestListener) => DetachedServer {
  const ours = timeoutsOf(context.config);
  const nodes = 'http' in asked ? (asked.http as http.ServerOptions | null) : null;
  const timeouts: Timeouts = {
    keepAlive: prefer(context, 'keep_alive_timeout', ours.keepAlive, asked.keepAliveTimeout),
    headers: prefer(context, 'headers_timeout', ours.headers, nodes?.headersTimeout),
    request: prefer(context, 'request_timeout', ours.request, asked.requestTimeout),
  };
  return (handler) => {
    const server = new DetachedServer({ ...serverOptions(context, timeouts), ...nodes, announce }, handler);
    setTimeouts(server, timeouts);
    server.setTimeout(asked.connectionTimeout ?? 0);
    server.maxRequestsPerSocket = asked.maxRequestsPerSocket ?? 0;
    return server;
  };
}

/** Keeps Fastify's "Server listening at …" out of the log: every worker would say it, of an address it does not bind. */
function quietly(log: FastifyInstance['log'], emit: () => void): void {
  const { level } = log;
  // An app may bring a logger that has no levels.
  if (typeof level !== 'string') return emit();
  log.level = 'silent';
  try {
    emit();
  } finally {
    log.level = level;
  }
}
