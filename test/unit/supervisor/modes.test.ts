// The three modes (src/modes): what each asks of the supervisor, and how far it scales.
import t, { type Test } from 'tap';
import { EventedServer } from '../../../src/modes/evented.ts';
import { PreforkServer } from '../../../src/modes/prefork.ts';
import { ThreadedServer } from '../../../src/modes/threaded.ts';
import type { Population, ServerOptions } from '../../../src/common-server.ts';
import type { LoadedConfig } from '../../../src/config/config.ts';
import { load } from '../config/support.ts';
import { recordLog } from './support.ts';

/** A mode with its hooks in the open, as CommonServer sees them. */
interface Open {
  readonly mode: string;
  population(): Population;
  readonly size: number;
  scale(size: number): string;
  describe(): string;
}

class OpenPrefork extends PreforkServer {
  override population(): Population {
    return super.population();
  }
}

class OpenThreaded extends ThreadedServer {
  override population(): Population {
    return super.population();
  }
}

class OpenEvented extends EventedServer {
  override population(): Population {
    return super.population();
  }
}

function open(t: Test, Mode: new (loaded: LoadedConfig, options: ServerOptions) => Open, ...argv: string[]): Open {
  const loaded = load(t.testdir({ 'app.ts': '' }), { argv: ['app.ts', ...argv] });
  return new Mode(loaded, { log: recordLog().log });
}

t.test('prefork: workers, without threads', async (t) => {
  const server = open(t, OpenPrefork, '--workers=2', '--threads=7');
  t.equal(server.mode, 'prefork');
  t.same(server.population(), { workers: 2, threads: 0 });
  t.equal(server.describe(), 'prefork, 2 workers');
});

t.test('prefork scales its workers, never under 1', async (t) => {
  const server = open(t, OpenPrefork, '--workers=2');
  t.equal(server.scale(server.size + 1), 'Scaling to prefork, 3 workers');
  t.same(server.population(), { workers: 3, threads: 0 });
  server.scale(server.size - 1);
  t.equal(server.scale(server.size - 1), 'Scaling to prefork, 1 worker');
  t.equal(server.scale(server.size - 1), 'One worker is the least there can be');
  t.same(server.population(), { workers: 1, threads: 0 });
  t.equal(server.scale(server.size + 1), 'Scaling to prefork, 2 workers', 'what was refused is not owed');
});

t.test('threaded: one worker with its threads', async (t) => {
  const server = open(t, OpenThreaded, '--threads=2');
  t.equal(server.mode, 'threaded');
  t.same(server.population(), { workers: 1, threads: 2 });
  t.equal(server.describe(), 'threaded, 2 threads');
});

t.test('threaded scales its threads, never under 1', async (t) => {
  const server = open(t, OpenThreaded, '--threads=2');
  t.equal(server.scale(server.size + 1), 'Scaling to threaded, 3 threads');
  t.same(server.population(), { workers: 1, threads: 3 });
  server.scale(server.size - 1);
  t.equal(server.scale(server.size - 1), 'Scaling to threaded, 1 thread');
  t.equal(server.scale(server.size - 1), 'One thread is the least there can be');
  t.same(server.population(), { workers: 1, threads: 1 });
  t.equal(server.scale(server.size + 1), 'Scaling to threaded, 2 threads');
});

t.test('evented: one worker, and it does not scale', async (t) => {
  const server = open(t, OpenEvented, '--evented');
  t.equal(server.mode, 'evented');
  for (const step of [1, -1] as const) {
    t.match(server.scale(server.size + step), /^Evented mode has one event loop; --workers or --threads/);
    t.same(server.population(), { workers: 1, threads: 0 });
  }
  t.equal(server.describe(), 'evented, one event loop');
});
