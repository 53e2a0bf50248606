/** What the tests of the log share: pipes with both ends in the test's hands, and children that write to them. */
import { spawn, execFileSync } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';

const { O_RDONLY, O_NONBLOCK } = fs.constants;

export interface Pipe {
  readonly path: string;
  /** Non-blocking. */
  readonly reader: number;
  /** A blocking one, as a shell makes it. */
  readonly writer: number;
}

export function makePipe(folder: string): Pipe {
  const file = path.join(folder, 'fifo');
  execFileSync('mkfifo', [file]);
  const reader = fs.openSync(file, O_RDONLY | O_NONBLOCK);
  return { path: file, reader, writer: fs.openSync(file, 'w') };
}

/** Everything that is in the pipe now. */
export function readNow(reader: number): string {
  const buffer = Buffer.alloc(1 << 20);
  const chunks: Buffer[] = [];
  for (;;) {
    const bytes = readSome(reader, buffer);
    if (bytes === 0) return Buffer.concat(chunks).toString();
    chunks.push(Buffer.from(buffer.subarray(0, bytes)));
  }
}

function readSome(reader: number, buffer: Buffer): number {
  try {
    return fs.readSync(reader, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

/** Runs test/unit/log/writer.ts. */
export function startWriter(args: readonly string[], stdio: StdioOptions): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, 'writer.ts'), ...args], { stdio });
}

/** What the child reports over IPC; fails if it ends before. */
export async function reportOf(child: ChildProcess): Promise<Record<string, unknown>> {
  const ended = new AbortController();
  child.once('exit', (code) => ended.abort(new Error(`the writer ended: ${code}`)));
  const [message] = (await once(child, 'message', { signal: ended.signal })) as [Record<string, unknown>];
  return message;
}

/** Resolves when the file holds the text; told by the folder, not by the clock. */
export async function holds(file: string, text: string): Promise<string> {
  const watcher = fs.watch(path.dirname(file));
  try {
    for (;;) {
      const content = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
      if (content.includes(text)) return content;
      await once(watcher, 'change');
    }
  } finally {
    watcher.close();
  }
}

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
