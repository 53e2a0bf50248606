/** A worker process that does nothing by itself: it says what the test lets it say, and repeats what it is told. */
import { Socket } from 'node:net';
import {
  encodeLine,
  LIFELINE_FD,
  lineDecoder,
  wrap,
  type FromWorker,
  type ToLifeline,
  type ToWorker,
} from '../../../src/protocol.ts';

/** What a test may order. */
export type Order =
  /** As the worker itself. */
  | { readonly type: 'say'; readonly what: FromWorker }
  /** As its app. */
  | { readonly type: 'send'; readonly what: unknown }
  | { readonly type: 'exit'; readonly code: number };

const heard: unknown[] = [];

process.on('message', (message: ToWorker | Order) => {
  if (message.type === 'say') process.send?.(wrap(message.what));
  else if (message.type === 'send') process.send?.(message.what);
  else if (message.type === 'exit') process.exit(message.code);
  else heard.push(message);
  if (message.type === 'usage') process.send?.(wrap(repeat()));
});

/** An answer to `usage` that carries all orders so far. */
function repeat(): FromWorker {
  const usage = {
    thread: 0,
    requests: 0,
    inflight: 0,
    connections: 0,
    waiting: 0,
    refused: 0,
    utilisation: 0,
    delayP50: 0,
    delayP99: 0,
    heap: 0,
    unhealthy: null,
  };
  return { type: 'usage', rss: 1, loops: [{ ...usage, app: heard }] };
}

process.send?.(wrap({ type: 'awake' }));

const lifeline = new Socket({ fd: LIFELINE_FD });
const answer = (): void => {
  lifeline.write(encodeLine({ type: 'stacks', loops: [{ thread: 0, frames: ['    at obedience'] }] }));
};
lifeline.on('data', lineDecoder<ToLifeline>(answer)).on('error', () => {});
