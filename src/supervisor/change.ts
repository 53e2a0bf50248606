/** What can be asked of a running service, and what comes of it. */
import type { Mode } from '../common-server.ts';
import type { WireError } from '../errors.ts';

export type ChangeRequest =
  /** The configuration and the code are read anew. */
  | {
      readonly command: 'reload';
      /** Only what is live, and in the workers that run. Default false. */
      readonly live?: boolean;
    }
  /** The generation before this one is started again. */
  | { readonly command: 'rollback' }
  /** Another number of workers or threads. */
  | { readonly command: 'scale'; readonly count: number }
  /** Another mode; `count` workers or threads, default: what the configuration says, else one for each core. */
  | { readonly command: 'mode'; readonly mode: Mode; readonly count?: number }
  /** A new supervisor takes over. */
  | { readonly command: 'upgrade' }
  /** That worker is replaced: a number, or `cron-1` or `evented-1` for one beside those of the mode. */
  | { readonly command: 'recycle'; readonly worker: number | string };

/** How far the new workers are. */
export interface Progress {
  readonly ready: number;
  readonly wanted: number;
  /** What happens now, in a few words; '' = nothing beyond the numbers. */
  readonly text: string;
}

export type Outcome =
  | {
      readonly outcome: 'done';
      readonly text: string;
      readonly generation: number;
      /** After an upgrade: which process is the service now. */
      readonly successor?: number;
    }
  /** What was there before serves on. */
  | { readonly outcome: 'failed'; readonly text: string; readonly error: WireError }
  /** It was not even tried. */
  | { readonly outcome: 'refused'; readonly text: string };

export type LastChange = Outcome & {
  readonly command: ChangeRequest['command'];
  /** ISO 8601. */
  readonly at: string;
};
