/** What an app's own error is told as, so that its author sees at once what to change. */
import type { Config } from '../config/config.ts';
import { TricornError } from '../errors.ts';
import type { Recognised } from './recognise.ts';
import { addPlace } from './syntax-place.ts';

/** Fastify's errors about a plugin that does not come to its end; its message names the plugin. */
const TIMEOUTS: ReadonlySet<unknown> = new Set([
  'AVV_ERR_PLUGIN_EXEC_TIMEOUT',
  'AVV_ERR_READY_TIMEOUT',
  'FST_ERR_PLUGIN_TIMEOUT',
]);

/** For what `import()` of the app threw. */
export function loadError(app: string, cause: unknown): TricornError {
  if (cause instanceof SyntaxError) addPlace(cause);
  return new TricornError('TRC_APP_LOAD', { app }, { cause });
}

/** For what onStart threw. */
export function hookError({ app }: Config, cause: unknown): TricornError {
  return cause instanceof TricornError ? cause : new TricornError('TRC_APP_BOOT', { app }, { cause });
}

/** For what the start of the framework threw. */
export function bootError(app: Recognised, config: Config, cause: unknown): TricornError {
  if (cause instanceof TricornError) return cause;
  if (cause instanceof SyntaxError) addPlace(cause);
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (TIMEOUTS.has(code) && app.options['pluginTimeout'] === undefined) {
    return new TricornError('TRC_BOOT_TIMEOUT', { app: config.app, seconds: config.boot_timeout }, { cause });
  }
  if (app.form === 'fastify plugin' && app.guessed) return new GuessedPluginError(config.app, cause);
  return new TricornError('TRC_APP_BOOT', { app: config.app }, { cause });
}

/** The boot error of a function that was taken for a plugin only because nothing said otherwise. */
class GuessedPluginError extends TricornError {
  override readonly hint: string;

  constructor(app: string, cause: unknown) {
    super('TRC_APP_BOOT', { app }, { cause });
    this.hint =
      'The default export is a function, so it was run as a Fastify plugin. If it is a node request listener, use ' +
      '`export const handler`; else the stack below is the app’s own.';
  }
}
