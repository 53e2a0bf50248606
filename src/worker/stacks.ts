/**
 * Takes the JavaScript stack of another event loop by the inspector, from within the process: no port is opened, and
 * it works while that loop is blocked (DESIGN, fact 7).
 */
import { Session, type Debugger } from 'node:inspector';
import type { LoopStack } from '../protocol.ts';
import { CURRENT_REQUEST } from './current-request-key.ts';

type Stack = Omit<LoopStack, 'thread'>;

/** A loop that has run no JavaScript for this long after it took the order to pause is idle. Milliseconds. */
const IDLE_AFTER_MS = 100;
/** The same for one that is known to be stuck: it runs, or its processor is away for a while. */
const STUCK_PATIENCE_MS = 5000;
/** A loop that does not even take orders from the inspector for this long is stuck outside of JavaScript. Milliseconds. */
const NO_ANSWER_MS = 5000;
const TICK_MS = 20;

type Frames = readonly Debugger.CallFrame[];
/** Where scripts come from, by scriptId: the frames name no file. */
type Scripts = Map<string, string>;

/** An event loop under inspection. */
interface Inspected {
  /** Resolves when the loop has taken the command: also one that is blocked by JavaScript does. */
  send(method: string, params?: object): Promise<unknown>;
  onPaused(listener: (frames: Frames) => void): void;
  /** Filled when the debugger is enabled. */
  readonly scripts: Scripts;
  /** Makes an idle loop turn. */
  wake(): void;
  /** Without JavaScript for so long it counts as idle. */
  readonly patienceMs: number;
}

/**
 * From a thread: the stack of the process's main thread.
 *
 * @param isStuck it is known to be stuck: it is not taken for idle too soon
 */
export async function mainThreadStack(isStuck: boolean): Promise<Stack> {
  const session = new Session();
  session.connectToMainThread();
  const scripts: Scripts = new Map();
  session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url));
  try {
    return await pausedStack({
      scripts,
      wake: () => {},
      send: (method, params) =>
        new Promise((resolve) => session.post(method, params, (_error, result) => resolve(result))),
      onPaused: (listener) => session.on('Debugger.paused', ({ params }) => listener(params.callFrames)),
      patienceMs: isStuck ? STUCK_PATIENCE_MS : IDLE_AFTER_MS,
    });
  } finally {
    session.disconnect();
  }
}

/**
 * From the main thread: the stacks of all its threads, by the name that each Worker was given.
 *
 * @param wake makes the thread of that name run a little JavaScript: an idle thread sleeps through an inspector's order
 *   now and then (seen with Node 26.10, about one in five beside a blocked one)
 * @param stuck the name of one that is known to be stuck: it is not taken for idle too soon, and no other is disturbed
 */
export async function threadStacks(wake: (name: string) => void, stuck?: string): Promise<Map<string, Stack>> {
  const patienceMs = stuck === undefined ? IDLE_AFTER_MS : STUCK_PATIENCE_MS;
  const session = new Session();
  session.connect();
  const inspections: Promise<[string, Stack]>[] = [];
  session.on('NodeWorker.attachedToWorker', ({ params }) => {
    // The title is `[worker 1] name`.
    const name = params.workerInfo.title.replace(/^\[.*?\] /, '');
    if (stuck !== undefined && name !== stuck) return;
    inspections.push(
      pausedStack({ ...inspectThread(session, params.sessionId), wake: () => wake(name), patienceMs }).then((stack) => [
        name,
        stack,
      ]),
    );
  });
  try {
    // Answered once it is attached to every thread there is.
    await enableNodeWorker(session);
    return new Map(await Promise.all(inspections));
  } finally {
    session.disconnect();
  }
}

/** A thread is reached through the main thread's session: its messages travel as text within messages. */
function inspectThread(session: Session, sessionId: string): Omit<Inspected, 'wake' | 'patienceMs'> {
  const scripts: Scripts = new Map();
  const answers = new Map<number, (value: unknown) => void>();
  let onPaused: (frames: Frames) => void = () => {};
  let lastId = 0;
  session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
    if (params.sessionId !== sessionId) return;
    const message = JSON.parse(params.message) as ThreadMessage;
    if (message.id !== undefined) answers.get(message.id)?.(message.result);
    else if (message.method === 'Debugger.scriptParsed') scripts.set(message.params.scriptId, message.params.url);
    else if (message.method === 'Debugger.paused') onPaused(message.params.callFrames);
  });
  return {
    scripts,
    send: (method, params) => {
      lastId += 1;
      const message = JSON.stringify({ id: lastId, method, params });
      session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
      return new Promise((resolve) => answers.set(lastId, resolve));
    },
    onPaused: (listener) => {
      onPaused = listener;
    },
  };
}

type ThreadMessage =
  | { readonly id: number; readonly result?: unknown }
  | {
      readonly id?: never;
      readonly method: 'Debugger.scriptParsed';
      readonly params: Debugger.ScriptParsedEventDataType;
    }
  | { readonly id?: never; readonly method: 'Debugger.paused'; readonly params: { readonly callFrames: Frames } };

async function pausedStack(inspected: Inspected): Promise<Stack> {
  const paused = Promise.withResolvers<Frames>();
  inspected.onPaused(paused.resolve);
  const enabled = inspected.send('Debugger.enable');
  inspected.wake();
  if ((await within(NO_ANSWER_MS, enabled)) === TIMED_OUT) {
    return { frames: [], unknown: 'does not answer: it is stuck outside of JavaScript' };
  }
  void inspected.send('Debugger.pause');
  const frames = await within(inspected.patienceMs, paused.promise);
  const request = frames === TIMED_OUT ? '' : await currentRequest(inspected, frames);
  // Disabling takes back a pause that has not happened, too: an idle loop must not stop at its next request.
  await within(IDLE_AFTER_MS, inspected.send('Debugger.disable'));
  const described = frames === TIMED_OUT ? [] : describeFrames(frames, inspected.scripts);
  return { frames: described, ...(request && { request }) };
}

/** Asks the paused loop to which request the code on its stack belongs. '' = to none, or it does not say. */
async function currentRequest(inspected: Inspected, [top]: Frames): Promise<string> {
  if (!top) return '';
  const ask = (): Promise<unknown> =>
    inspected.send('Debugger.evaluateOnCallFrame', {
      callFrameId: top.callFrameId,
      expression: CURRENT_REQUEST,
      returnByValue: true,
      silent: true,
    });
  const answer = (await insist(inspected.patienceMs, ask)) as Debugger.EvaluateOnCallFrameReturnType | undefined;
  const value: unknown = answer?.result?.value;
  return typeof value === 'string' ? value : '';
}

/**
 * Sends again what is not answered: a loop that is just about to stop can miss that a message came, and finds it with the
 * next one (seen with Node 26.10 on a busy machine, about one pause in 300).
 */
async function insist(ms: number, send: () => Promise<unknown>): Promise<unknown> {
  const answered = Promise.withResolvers<unknown>();
  const again = setInterval(() => void send().then(answered.resolve), IDLE_AFTER_MS);
  void send().then(answered.resolve);
  try {
    return await within(ms, answered.promise);
  } finally {
    clearInterval(again);
  }
}

const TIMED_OUT: unique symbol = Symbol('timed out');

/**
 * In ticks, so that a machine that stood still meanwhile has used up one of them and not the whole time: what was waited
 * for may need no more than the next turn of this loop.
 */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | typeof TIMED_OUT> {
  const late = Promise.withResolvers<typeof TIMED_OUT>();
  let ticks = ms / TICK_MS;
  const timer = setInterval(() => {
    ticks -= 1;
    if (ticks <= 0) late.resolve(TIMED_OUT);
  }, TICK_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearInterval(timer);
  }
}

/** Takes the wake that was asked for, or beats: what every loop does that has nothing to do. */
const TURNS = /^ {4}at (takeOrder \(.*\/worker\/thread|beat \(.*\/worker\/ledger|<anonymous> \(.*\/watchdog\/beat)\./;

/** Node's own, whose script the inspector has not named: a thread that hears of its standard output (Node 26.10). */
const NODES_OWN = /\(node:|^ {4}at \[k[A-Z]\w*\] \(unknown:/;

/** Where nothing but Node's own code and these run, the loop is as good as idle. */
function describeFrames(frames: Frames, scripts: Scripts): string[] {
  const lines = frames.map((frame) => formatFrame(frame, scripts));
  return lines.every((line) => NODES_OWN.test(line) || TURNS.test(line)) ? [] : lines;
}

function formatFrame({ functionName, url, location }: Debugger.CallFrame, scripts: Scripts): string {
  const file = url || scripts.get(location.scriptId) || 'unknown';
  return `    at ${functionName || '<anonymous>'} (${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1})`;
}

function enableNodeWorker(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
