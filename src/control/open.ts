/** Opens the control socket, for the supervisor. */
import { join } from 'node:path';
import { fs } from '../builtins.ts';
import type { Environment } from '../config/environment.ts';
import type { Config } from '../config/config.ts';
import { NO_CONTROL } from '../config/settings.ts';
import { connectError, isAlive } from '../supervisor/probe.ts';
import { bindUnixSocket, type UnixListener } from '../supervisor/unix-socket.ts';
import { makeRuntimeDirectory, surroundings } from './runtime-directory.ts';
import { ControlServer, type ControlOptions } from './server.ts';

export interface OpenOptions extends ControlOptions {
  readonly config: Pick<Config, 'control_socket'>;
  /** Default process.env. */
  readonly env?: Environment;
  /** An upgrade: who serves at that path now is our predecessor. Default false. */
  readonly takeOver?: boolean;
}

export interface Control {
  /** Absolute. */
  readonly path: string;
  /** Tells those who wait for an outcome, cuts the others, and removes the file if it is ours. */
  close(): void;
}

/**
 * Undefined where there is to be none, or where the one by pid cannot be had: a service is worth more than its
 * control socket, so that is only a warning in the log.
 *
 * @throws TricornError TRC_CONTROL_SOCKET where the path that somebody gave cannot be had
 */
export async function openControl(options: OpenOptions): Promise<Control | undefined> {
  const { config, log, env = process.env } = options;
  if (config.control_socket === NO_CONTROL) return undefined;
  if (config.control_socket !== '') return serve(config.control_socket, options);
  try {
    const directory = makeRuntimeDirectory(surroundings(env));
    await sweep(directory);
    return await serve(join(directory, `${process.pid}.sock`), options);
  } catch (error) {
    const { message } = error as Error;
    log.warn(`There is no control socket: ${message}; choose another path with control_socket`);
    return undefined;
  }
}

async function serve(path: string, { takeOver = false, operations, log }: OpenOptions): Promise<Control> {
  // Bound aside, without listening, and renamed when its mode is right: nobody ever sees it open wider.
  const listener = await bindUnixSocket({ path, mode: '0600', code: 'TRC_CONTROL_SOCKET', takeOver });
  const server = new ControlServer({ operations, log });
  await listenOrClose(server, listener);
  return {
    path,
    close: () => {
      server.close();
      listener.close();
    },
  };
}

async function listenOrClose(server: ControlServer, listener: UnixListener): Promise<void> {
  try {
    await server.listen(listener);
  } catch (error) {
    listener.close();
    throw error;
  }
}

/**
 * Removes what servers that were killed have left behind. Both must say that it is dead: the pid, which in another
 * container may mean nothing, and the socket, which one that just starts does not answer on yet.
 */
async function sweep(directory: string): Promise<void> {
  for (const name of fs.readdirSync(directory)) {
    const pid = Number(/^(\d+)\.sock$/.exec(name)?.[1] ?? 0);
    if (pid === 0 || isAlive(pid)) continue;
    const path = join(directory, name);
    if ((await connectError(path)) === 'ECONNREFUSED') fs.rmSync(path, { force: true });
  }
}
