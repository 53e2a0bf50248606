/** What `tricorn status` says of a server. */
import type { WorkerUsage } from '../../src/protocol.ts';
import type { Tricorn } from './tricorn.ts';

export interface Shown {
  readonly mode: string;
  readonly state: string;
  readonly generation: number;
  readonly listeners: readonly string[];
  readonly wanted: number;
  readonly ready: number;
  readonly deaths: number;
  readonly workers: readonly {
    readonly pid: number;
    readonly number: number;
    readonly generation: number;
    readonly state: string;
    readonly usage?: WorkerUsage;
  }[];
  readonly lastChange?: { readonly command: string; readonly outcome: string };
}

export async function statusOf(server: Tricorn): Promise<Shown> {
  const { code, stdout, stderr } = await server.control('status', '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Shown;
}

/**
 * What the command prints, once all that it shows has told: an event loop that gets no processor for 1.5 s, as on a slow machine,
 * is shown without its figures, or its stack.
 */
export async function told(server: Tricorn, command: 'status' | 'stacks'): Promise<string> {
  for (;;) {
    const { code, stdout, stderr } = await server.control(command);
    if (code !== 0) throw new Error(stderr);
    if (!/\s\?(\s|$)|does not tell/m.test(stdout)) return stdout;
  }
}

/** Once it answers this, so many are ready. */
export async function untilReady(server: Tricorn, wanted: number): Promise<Shown> {
  for (;;) {
    const shown = await statusOf(server);
    if (shown.ready === wanted && shown.wanted === wanted) return shown;
  }
}
