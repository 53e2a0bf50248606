import { BoundSocket } from 'node:net';

/** Until this process ends: a port is nobody else's meanwhile. */
const kept: BoundSocket[] = [];

/**
 * A port of the loopback for what cannot be told to take any. It is bound here, and on Linux stays so: the kernel gives it to
 * nobody who asks for any port, be it to listen or to connect, while whoever asks for this one may still bind it and listen,
 * as long as nobody else does. Other systems would refuse that: there it is a port that is free now.
 */
export function freePort(): number {
  const bound = new BoundSocket({ host: '127.0.0.1', port: 0 });
  const { port } = bound.address();
  if (process.platform === 'linux') kept.push(bound);
  else bound.close();
  return port;
}
