/**
 * The worker's end of the lifeline, held outside the loop that runs the app: by the monitor thread in prefork and
 * evented mode, by the main thread in threaded mode. It answers for the stacks, and ends the process when the
 * supervisor is gone, even while the app blocks its loop: an orphan would hold the port. Limits that have changed reach a monitor
 * this way, so that a loop that is stuck already is judged by them.
 */
import { Socket } from 'node:net';
import type { Config } from '../config/config.ts';
import {
  encodeLine,
  type FromLifeline,
  LIFELINE_FD,
  lineDecoder,
  type LoopStack,
  type ToLifeline,
} from '../protocol.ts';

/** The main loop sees the supervisor's end by itself and leaves; this is for one that cannot. Milliseconds. */
const ORPHAN_GRACE_MS = 1000;

export interface Lifeline {
  tell(message: FromLifeline): void;
}

/** @param onLive where the event loop that hears of live settings may be the blocked one */
export function holdLifeline(
  takeStacks: () => Promise<LoopStack[]>,
  onLive: (settings: Partial<Config>) => void = () => {},
): Lifeline {
  const lifeline = new Socket({ fd: LIFELINE_FD });
  const tell = (message: FromLifeline): void => void lifeline.write(encodeLine(message));
  const answer = async (): Promise<void> => tell({ type: 'stacks', loops: await takeStacks() });
  lifeline.on(
    'data',
    lineDecoder<ToLifeline>((message) => {
      if (message.type === 'live') onLive(message.settings);
      else void answer();
    }),
  );
  lifeline.on('error', () => {
    // A reset is an end like any other.
  });
  lifeline.on('close', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), ORPHAN_GRACE_MS));
  return { tell };
}
