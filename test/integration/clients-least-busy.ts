/** Threaded mode: each connection goes to the thread that has the least to do. */
import t from 'tap';
import { getJson, HeldRequest, RawConnection } from '../support/http.ts';
import { statistics } from '../support/statistics.ts';
import { fixture, modes, startTricorn, type Tricorn } from '../support/tricorn.ts';

interface Who {
  readonly pid: number;
  readonly thread: number;
}

export function leastBusy(): void {
  t.test('while one thread has a request in flight, all new connections go to the other', async (t) => {
    const server = await startTricorn(t, fixture('lab.ts'), modes.threaded);
    const { url } = server;
    const held = await HeldRequest.begin(`${url}/hold`);
    const busy = String((await held.headers())['x-served-by']);
    const others = new Set<string>();
    for (let n = 0; n < 10; n += 1) {
      const { pid, thread } = await getJson<Who>(`${url}/who`);
      others.add(`${pid}.${thread}`);
      // A client may have its answer before the server has counted the request as done.
      await server.count((line) => line['url'] === '/who', n + 1);
    }
    t.equal(others.size, 1, 'one thread');
    t.notOk(others.has(busy), 'not the busy one');
    t.match(await held.finish(), { status: 200, body: 'begun,done' });
  });

  t.test('idle connections spread evenly: their number breaks the tie', async (t) => {
    const server = await startTricorn(t, fixture('lab.ts'), ['--threads=4']);
    const counts = new Map<number, number>();
    const clients: RawConnection[] = [];
    for (let n = 0; n < 20; n += 1) {
      const client = await RawConnection.open(server.port);
      clients.push(client);
      const thread = Number(/"thread":(\d+)/.exec(await client.get('/who'))?.[1]);
      // A request that is not counted as done yet weighs more than the number of connections.
      await server.count((line) => line['url'] === '/who', n + 1);
      counts.set(thread, (counts.get(thread) ?? 0) + 1);
    }
    t.strictSame([...counts.values()], [5, 5, 5, 5]);
    for (const { socket } of clients) socket.destroy();
  });

  t.test('a burst of connections spreads evenly, too, before one of them has said a word', async (t) => {
    const server = await startTricorn(t, fixture('lab.ts'), ['--threads=4']);
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawConnection.open(server.port)));
    let counts: number[] = [];
    // A client is connected before its connection has been accepted.
    while (sum(counts) < clients.length) counts = await connectionsOf(server, 4);
    t.strictSame(counts, [5, 5, 5, 5]);
    for (const { socket } of clients) socket.destroy();
  });
}

/** How many connections each thread has, as the statistics say. */
async function connectionsOf(server: Tricorn, threads: number): Promise<number[]> {
  return (await statistics(server, threads)).map(({ connections }) => Number(connections));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
