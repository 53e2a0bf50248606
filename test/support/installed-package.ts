/** Packs the checkout and installs the tarball into an empty project, as a user would get it from the registry. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';

export const checkout: string = fileURLToPath(new URL('../..', import.meta.url));

/** The pinned Node.js first, and nothing of the npm and tap that run the tests: it would point npm at the checkout. */
export const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(?!config_)|^npm_config_local_prefix$|^TAP|^_TAPJS|^TRICORN_/.test(name),
    ),
  ),
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
};

const execute = promisify(execFile);

/**
 * The arguments of `env` that run a command as a user does. tap puts its module hooks into NODE_OPTIONS of every child
 * process, whatever environment it is given; under them tsc does not even start (ERR_REQUIRE_CYCLE_MODULE).
 */
export function withoutHooks(command: string, args: readonly string[]): string[] {
  return ['-u', 'NODE_OPTIONS', command, ...args];
}

/** Runs a command to its end; rejects, with what it printed, unless it exits with 0. */
export async function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  try {
    return (await execute('env', withoutHooks(command, args), { cwd, env: environment })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

/**
 * The folder of a new project that has only the packed tricorn and the given files. Not t.testdir(): that is inside
 * the checkout, where a dependency that package.json forgot would still be found.
 */
export async function installPackage(t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tricorn-package-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await run(checkout, 'npm', ['pack', '--silent', '--pack-destination', folder]);
  const [tarball] = await readdir(folder);
  if (tarball === undefined) throw new Error('npm pack left no tarball');
  const project = join(folder, 'project');
  await mkdir(project);
  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text);
  await run(project, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball)]);
  return project;
}

/** A Node.js that Tricorn does not run on, if this machine has one. */
export function olderNode(): { path: string; version: string } | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin'];
  for (const path of new Set(folders.map((folder) => join(folder, 'node')))) {
    if (!existsSync(path)) continue;
    const version = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim();
    if (Number.parseInt(version, 10) < 24) return { path, version };
  }
  return undefined;
}
