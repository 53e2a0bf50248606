/** Evented: one worker process with one event loop, which accepts by itself. */
import { CommonServer, type Population } from '../common-server.ts';

export class EventedServer extends CommonServer {
  readonly mode = 'evented';
  readonly size = 1;

  protected population(): Population {
    return { workers: 1, threads: 0 };
  }

  protected resize(): undefined {
    return undefined;
  }

  describe(): string {
    return 'evented, one event loop';
  }
}
