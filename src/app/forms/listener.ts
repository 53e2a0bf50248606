/** Express, Connect, Koa, Polka and plain node request listeners: one http.Server with the listener on it. */
import type http from 'node:http';
import { limitBody, limitContinue } from '../../http/body-limit.ts';
import { DetachedServer, setTimeouts, timeoutsOf } from '../../http/server.ts';
import type { FormMount, MountContext } from '../context.ts';
import { judgedListener } from '../factory.ts';
import type { Recognised } from '../recognise.ts';
import { serverOptions } from '../server-options.ts';
import type { ExpressApp, KoaApp } from '../shapes.ts';

type ListenerForm = Extract<Recognised, { form: 'express' | 'koa' | 'connect' | 'polka' | 'handler' }>;

export function mountListener(app: ListenerForm, context: MountContext): FormMount {
  if (context.config.proxy_mode) believeProxy(app);
  const listener = app.form === 'koa' ? app.value.callback() : app.value;
  return serveListener(judgedListener(listener, context), context);
}

/** A server of Tricorn's own around a request listener, with all limits. */
export function serveListener(listener: http.RequestListener, context: MountContext): FormMount {
  const { config } = context;
  const timeouts = timeoutsOf(config);
  const server = new DetachedServer(serverOptions(context, timeouts), limitBody(config.body_limit, listener));
  limitContinue(config.body_limit, server);
  setTimeouts(server, timeouts);
  return {
    server,
    ready: async () => server.arm(),
    // Its only error is that the app has closed it: socket.io and Apollo do, in an onStop that ends them.
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The headers are the truth by now: lets the frameworks that can believe them do so, unless the app chose otherwise. */
function believeProxy(app: ListenerForm): void {
  if (app.form === 'express') trustExpress(app.value);
  if (app.form === 'koa') trustKoa(app.value);
}

function trustExpress(app: ExpressApp): void {
  // Express keeps `false` for "unset"; an app that wants no proxy believed has no reason to run in proxy_mode.
  if (app.get('trust proxy') === false) app.set('trust proxy', true);
}

function trustKoa(app: KoaApp): void {
  if (!app.proxy) app.proxy = true;
}
