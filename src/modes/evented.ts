/** Evented: one worker process with one event loop, which accepts by itself. */
import { CommonServer, type Population } from '../common-server.ts';

export class EventedServer extends CommonServer {
  readonly mode = 'evented';

  protected population(): Population {
    return { workers: 1, threads: 0 };
  }

  protected scale(): string {
    return 'Evented mode has one event loop; --workers or --threads choose a mode that scales';
  }

  describe(): string {
    return 'evented, one event loop';
  }
}
