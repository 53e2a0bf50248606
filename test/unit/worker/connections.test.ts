import { Socket } from 'node:net';
import t from 'tap';
import { Connections } from '../../../src/worker/connections.ts';

t.test('they come and go in any order', async (t) => {
  const all = Array.from({ length: 5 }, () => new Socket());
  const [first, second, third, fourth, fifth] = all as [Socket, Socket, Socket, Socket, Socket];
  const connections = new Connections();
  for (const socket of all) connections.add(socket);
  const left = (): Set<Socket> => new Set(connections);
  connections.delete(second);
  t.strictSame(left(), new Set([first, third, fourth, fifth]));
  connections.delete(fifth);
  connections.delete(fourth);
  t.strictSame(left(), new Set([first, third]));
  connections.add(second);
  connections.delete(first);
  t.strictSame(left(), new Set([second, third]));
  t.equal(connections.size, 2);
  for (const socket of connections) connections.delete(socket);
  t.strictSame([connections.size, left()], [0, new Set()], 'also while they are gone through');
});

t.test('one that is not, or no more, among them is let be', async (t) => {
  const connections = new Connections();
  const [gone, other] = [new Socket(), new Socket()];
  connections.delete(other);
  connections.add(gone);
  connections.delete(gone);
  connections.add(other);
  connections.delete(gone);
  t.same([...connections].length, 1);
  t.equal([...connections][0], other);
});
