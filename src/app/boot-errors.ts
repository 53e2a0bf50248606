/** What an app's own error is told as, so that its author sees at once what to change. */
import { spawnSync } from 'node:child_process';
import type { Config } from '../config/config.ts';
import { TricornError } from '../errors.ts';
import type { Recognised } from './recognise.ts';

/** Fastify's errors about a plugin that does not come to its end; its message names the plugin. */
const TIMEOUTS: ReadonlySet<unknown> = new Set([
  'AVV_ERR_PLUGIN_EXEC_TIMEOUT',
  'AVV_ERR_READY_TIMEOUT',
  'FST_ERR_PLUGIN_TIMEOUT',
]);

const CHECK_MS = 10_000;

/** For what `import()` of the app threw. */
export function loadError(app: string, cause: unknown): TricornError {
  if (cause instanceof SyntaxError) addPlace(cause, app);
  return new TricornError('TRC_APP_LOAD', { app }, { cause });
}

/** For what the start of the framework, or onStart, threw. */
export function bootError(app: Recognised, config: Config, cause: unknown): TricornError {
  if (cause instanceof TricornError) return cause;
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

/**
 * Puts file, line and source before the stack of a syntax error in an ES module. Node has them, but shows them only
 * where the error ends the process: so a process is ended with it, which runs nothing of the app.
 */
function addPlace(error: SyntaxError, app: string): void {
  if (!error.stack?.startsWith('SyntaxError')) return;
  const { stderr } = spawnSync(process.execPath, ['--check', app], { encoding: 'utf8', timeout: CHECK_MS });
  const place = stderr.indexOf('\nSyntaxError');
  if (place > 0) error.stack = `${stderr.slice(0, place).trimEnd()}\n\n${error.stack}`;
}
