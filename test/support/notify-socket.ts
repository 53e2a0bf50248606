/** A socket on which a service manager listens for sd_notify(3). Perl holds it: Node has no unix datagram sockets. */
import { spawn, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { shortFolder } from './ini.ts';

const RECEIVER = String.raw`
  use strict; use Socket;
  $| = 1;
  socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($socket, sockaddr_un($ARGV[0])) or die $!;
  print "bound\n";
  while (defined recv($socket, my $message, 65536, 0)) { $message =~ s/\n/|/g; print "$message\n"; }`;

/** Whether this machine has what sends: where not, the tests show what is said then. */
export const canNotify: boolean = spawnSync('systemd-notify', ['--version'], { stdio: 'ignore' }).status === 0;

export class NotifySocket extends EventEmitter<{ message: [string] }> {
  readonly path: string;
  /** Each with its lines joined by `|`. */
  readonly messages: string[] = [];

  private constructor(path: string) {
    super();
    this.path = path;
  }

  static async open(t: Test): Promise<NotifySocket> {
    const socket = new NotifySocket(join(shortFolder(t), 'notify'));
    const receiver = spawn('perl', ['-e', RECEIVER, socket.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => receiver.kill('SIGKILL'));
    const lines = createInterface({ input: receiver.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => socket.#take(line));
    return socket;
  }

  /** Resolves with the first message that matches, also if it has come already. */
  async message(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.messages.find((message) => pattern.test(message));
      if (found !== undefined) return found;
      await once(this, 'message');
    }
  }

  #take(message: string): void {
    // What systemd-notify sends of its own, to know that the others were read.
    if (message.startsWith('BARRIER=')) return;
    this.messages.push(message);
    this.emit('message', message);
  }
}
