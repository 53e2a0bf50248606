/**
 * Puts lines into a destination in whole-line batches, and never blocks or ends the loop because of it.
 *
 * Why not sonic-boom, which pino would use: its flushSync() waits for ever on a pipe that nobody reads (it sleeps in 100 ms
 * steps with the loop stopped), a full buffer drops the newest line and not the oldest, a write in flight on a stuck pipe
 * holds a thread of the pool that the app's fs and dns calls need, and a rotated file is not noticed. Its batches do end at
 * line ends and maxWrite counts bytes; that much is alike.
 *
 * One state, set by #enter:
 *
 * | state   | means                                                       | left for                                     |
 * | ------- | ----------------------------------------------------------- | -------------------------------------------- |
 * | idle    | nothing under way; lines may wait for the batch timer       | writing, looking, waiting, broken, closed    |
 * | writing | an asynchronous write is in flight                          | idle, waiting, broken, closed                |
 * | looking | the logfile is looked at: was it renamed away?              | idle, closed                                 |
 * | waiting | the destination refused; the retry timer runs               | idle, broken, closed                         |
 * | broken  | nobody reads standard output any more; lines are discarded  | closed                                       |
 * | closed  | close() was called; lines are discarded                     | -                                            |
 */

import { fs, monotonicMs } from '../builtins.ts';
import { isNonBlocking } from './destination.ts';
import type { Destination } from './destination.ts';
import { LogfileWatch } from './logfile-watch.ts';
import { poolHasBegun, sleep } from './pool.ts';

type State = 'idle' | 'writing' | 'looking' | 'waiting' | 'broken' | 'closed';

/** Lines joined up to `destination.piece` bytes. */
interface Batch {
  text: string;
  bytes: number;
  lines: number;
}

export interface SinkOptions {
  /** Makes a line fit that is longer than the destination can hold untorn. Gets and gives the newline. */
  readonly shorten: (line: string, bytes: number) => string;
  /** Lines were lost and writing works again: how many, and the error code of the cause. */
  readonly onLoss: (lines: number, cause: string) => void;
  /** It is not in the main thread of its process: what is in flight at the end may be taken back. */
  readonly inThread?: boolean;
  /** Milliseconds of a clock, for tests. */
  readonly now?: () => number;
}

const MEMORY = 8 * 1024 * 1024;
const BATCH_MS = 10;
/** So many bytes are written without waiting for BATCH_MS. */
const ENOUGH = 4096;
const AGAIN_FIRST_MS = 5;
const AGAIN_LAST_MS = 100;
const TROUBLE_MS = 1000;
const EXIT_PATIENCE_MS = 250;
/** How long it is believed that a shared descriptor does not block. */
const TRUST_MS = 100;

/** The reader is gone for good, or the terminal is. */
const goneForGood = new Set(['EPIPE', 'ECONNRESET', 'ENOTCONN', 'EBADF', 'EIO', 'ENXIO']);

export class Sink {
  readonly #options: SinkOptions;
  readonly #watch: LogfileWatch;
  /** A FIFO given as logfile may find a new reader, and a disk may recover: only standard output is ever given up. */
  readonly #mayBreak: boolean;
  #destination: Destination;
  #state: State = 'idle';
  #queue: Batch[] = [];
  #queued = 0;
  /** What is being written, and how much of it is. */
  #chunk: Buffer | undefined;
  #offset = 0;
  #lost = 0;
  #cause = 'EAGAIN';
  #patience = AGAIN_FIRST_MS;
  #batchTimer: NodeJS.Timeout | undefined;
  #batchDue = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #nonBlocking = false;
  #lookedAt = -Infinity;

  constructor(destination: Destination, options: SinkOptions) {
    this.#destination = destination;
    this.#options = options;
    this.#mayBreak = destination.stdout && destination.kind !== 'file';
    this.#watch = new LogfileWatch(options.now ?? Date.now);
  }

  /** For tests and statistics. */
  get state(): State {
    return this.#state;
  }

  /** Bytes held in memory. */
  get pending(): number {
    return this.#queued + (this.#chunk?.length ?? 0);
  }

  /** Takes one line, newline included. An urgent one is written at once, with what waits before it. */
  write(line: string, urgent: boolean): void {
    if (this.#state === 'broken' || this.#state === 'closed') return;
    this.#append(line);
    if (this.#state !== 'idle') return;
    if (urgent || this.#queued >= ENOUGH) this.#pump();
    else this.#writeSoon();
  }

  /**
   * Writes what waits, at once. A destination that refuses is given `patience` ms. A write in flight is left to the thread
   * pool, which completes it even while the process exits (tried, with a busy pool too).
   */
  flushSync(patience = 0): void {
    const deadline = monotonicMs() + patience;
    if (this.#state === 'writing') return this.#flushBehind(deadline);
    while (this.#nextChunk()) {
      try {
        this.#written(fs.writeSync(this.#destination.fd, this.#chunk as Buffer, this.#offset));
      } catch (error) {
        if (!waitAWhile(error, deadline)) return this.#refused(error as NodeJS.ErrnoException);
      }
    }
  }

  /** Before an exit: writes what it can within a quarter of a second. */
  finish(): void {
    this.flushSync(EXIT_PATIENCE_MS);
    if (this.#state !== 'writing' || !this.#options.inThread || !this.#chunk) return;
    // What the pool has not begun in that time is taken back when the thread ends, a moment from now. Should it begin within this
    // moment the lines are there twice, which is better than not at all.
    const isBegun = poolHasBegun(monotonicMs() + EXIT_PATIENCE_MS);
    if (!isBegun) writeOut(this.#destination.fd, this.#chunk.subarray(this.#offset), 0);
  }

  /** The last thing before the exit: finish(), then lets go of the descriptor. */
  close(): void {
    if (this.#state === 'closed') return;
    this.finish();
    const isFree = this.#state !== 'writing' && this.#state !== 'looking';
    this.#discard();
    this.#enter('closed');
    clearTimeout(this.#batchTimer);
    // Under a write in flight it is closed after that: its number might go to another file before the write happens.
    if (isFree) this.#letGo();
  }

  #letGo(): void {
    if (this.#destination.own) closeQuietly(this.#destination.fd);
  }

  #append(line: string): void {
    const { longest, piece } = this.#destination;
    let bytes = Buffer.byteLength(line);
    if (bytes > longest) {
      line = this.#options.shorten(line, longest);
      bytes = Buffer.byteLength(line);
    }
    const last = this.#queue.at(-1);
    if (last && last.bytes + bytes <= piece) {
      last.text += line;
      last.bytes += bytes;
      last.lines++;
    } else {
      this.#queue.push({ text: line, bytes, lines: 1 });
    }
    this.#queued += bytes;
    if (this.#queued > MEMORY) this.#dropOldest();
  }

  /** The newest lines say what is going on now, so the oldest go. */
  #dropOldest(): void {
    while (this.#queued > MEMORY && this.#queue.length > 1) this.#lost += this.#take()?.lines ?? 0;
  }

  #take(): Batch | undefined {
    const batch = this.#queue.shift();
    if (batch) this.#queued -= batch.bytes;
    return batch;
  }

  #writeSoon(): void {
    if (this.#batchDue) return;
    this.#batchDue = true;
    if (this.#batchTimer) this.#batchTimer.refresh();
    else this.#batchTimer = setTimeout(() => this.#onBatchTimer(), BATCH_MS).unref();
  }

  #onBatchTimer(): void {
    this.#batchDue = false;
    if (this.#state === 'idle') this.#pump();
  }

  /** Writes until nothing is left or the destination refuses. */
  #pump(): void {
    while (this.#state === 'idle' && this.#nextChunk()) {
      if (this.#watch.due(this.#destination)) this.#lookAtLogfile();
      else if (this.#mayWriteDirect()) this.#writeDirect();
      else this.#writeAsync();
    }
  }

  #nextChunk(): boolean {
    if (this.#chunk) return true;
    const batch = this.#take();
    if (!batch) return false;
    this.#chunk = Buffer.from(batch.text);
    this.#offset = 0;
    return true;
  }

  #lookAtLogfile(): void {
    const before = this.#destination;
    this.#enter('looking');
    this.#watch.check(before, (next) => {
      this.#destination = next;
      if (next !== before) closeQuietly(before.fd);
      if (this.#state === 'closed') return this.#letGo();
      this.#enter('idle');
      this.#pump();
    });
  }

  /**
   * By way of the pool there is one write per turn of the loop: 16 KiB on a socket, too little for a loop with 100 requests in
   * a turn. So a shared descriptor is written directly for as long as it is seen to be non-blocking.
   */
  #mayWriteDirect(): boolean {
    const { kind, direct, fd } = this.#destination;
    if (direct || kind === 'file') return direct;
    const now = monotonicMs();
    if (now - this.#lookedAt < TRUST_MS) return this.#nonBlocking;
    this.#lookedAt = now;
    this.#nonBlocking = isNonBlocking(fd);
    return this.#nonBlocking;
  }

  #writeDirect(): void {
    try {
      this.#written(fs.writeSync(this.#destination.fd, this.#chunk as Buffer, this.#offset));
    } catch (error) {
      this.#refused(error as NodeJS.ErrnoException);
    }
  }

  #writeAsync(): void {
    const chunk = this.#chunk as Buffer;
    this.#enter('writing');
    fs.write(this.#destination.fd, chunk, this.#offset, chunk.length - this.#offset, null, (error, bytes) => {
      if (this.#state === 'closed') return this.#letGo();
      this.#enter('idle');
      if (error) return this.#refused(error);
      this.#written(bytes);
      this.#pump();
    });
  }

  #written(bytes: number): void {
    this.#patience = AGAIN_FIRST_MS;
    this.#offset += bytes;
    if (this.#chunk && this.#offset < this.#chunk.length) return;
    this.#chunk = undefined;
    if (this.#lost > 0) this.#reportLoss();
  }

  /** The warning itself goes through write(), so the count is taken first. */
  #reportLoss(): void {
    const lines = this.#lost;
    this.#lost = 0;
    this.#options.onLoss(lines, this.#cause);
  }

  #refused(error: NodeJS.ErrnoException): void {
    const code = error.code ?? error.message;
    if (this.#mayBreak && goneForGood.has(code)) return this.#breakOff();
    this.#cause = code;
    this.#beginLineAgain();
    // What follows the look tries again.
    if (this.#state !== 'looking') this.#retryIn(code === 'EAGAIN' ? this.#nextPatience() : TROUBLE_MS);
  }

  /** After half a line others may have written: the line is repeated whole, on a line of its own. */
  #beginLineAgain(): void {
    if (!this.#chunk || this.#offset === 0) return;
    const start = this.#chunk.lastIndexOf(10, this.#offset - 1) + 1;
    const rest = this.#chunk.subarray(start);
    this.#chunk = start === this.#offset ? rest : Buffer.concat([Buffer.from('\n'), rest]);
    this.#offset = 0;
  }

  #nextPatience(): number {
    const now = this.#patience;
    this.#patience = Math.min(now * 2, AGAIN_LAST_MS);
    return now;
  }

  #retryIn(ms: number): void {
    if (this.#state === 'waiting') return;
    this.#enter('waiting');
    this.#retryTimer = setTimeout(() => {
      this.#enter('idle');
      this.#pump();
    }, ms).unref();
  }

  #breakOff(): void {
    this.#discard();
    this.#enter('broken');
  }

  #discard(): void {
    this.#queue = [];
    this.#queued = 0;
    this.#chunk = undefined;
  }

  /** While a write is in flight: only the queue, and what is refused stays in it for the outcome of that write. */
  #flushBehind(deadline: number): void {
    for (let batch = this.#queue[0]; batch; batch = this.#queue[0]) {
      if (!writeOut(this.#destination.fd, Buffer.from(batch.text), deadline)) return;
      this.#take();
    }
  }

  #enter(state: State): void {
    if (this.#state === 'closed') throw new Error(`log sink: ${state} after closed`);
    if (this.#state === 'waiting') clearTimeout(this.#retryTimer);
    this.#state = state;
  }
}

function writeOut(fd: number, buffer: Buffer, deadline: number): boolean {
  for (let offset = 0; offset < buffer.length;) {
    try {
      offset += fs.writeSync(fd, buffer, offset);
    } catch (error) {
      if (!waitAWhile(error, deadline)) return false;
    }
  }
  return true;
}

/** Sleeps 5 ms where the reader may yet catch up before the deadline; else says false. */
function waitAWhile(error: unknown, deadline: number): boolean {
  if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || monotonicMs() >= deadline) return false;
  sleep(5);
  return true;
}

function closeQuietly(fd: number): void {
  fs.close(fd, () => undefined);
}
