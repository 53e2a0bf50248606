/** Real servers that answer what a test tells them to, byte by byte. */
import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';
import { content } from '../../../support/load/content.ts';

/** What a server does about the `count`-th request of a connection, counted from 1. */
export type Answer = (socket: net.Socket, count: number, path: string) => void;

/** @returns its URL. Bodies of requests are not waited for. */
export async function startRogue(t: Test, answer: Answer): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    let count = 0;
    let rest = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const heads = (rest + bytes.toString('latin1')).split('\r\n\r\n');
      rest = heads.pop() ?? '';
      for (const head of heads) answer(socket, (count += 1), head.split(' ')[1] ?? '');
    });
  });
  server.listen(0, '127.0.0.1');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** The right answer to GET /content. */
export function rightBody(path: string): Buffer {
  const { searchParams } = new URL(path, 'http://rogue');
  return content(Number(searchParams.get('seed')), Number(searchParams.get('size')));
}

interface Parts {
  readonly status?: string;
  readonly headers?: string;
  readonly body?: Buffer;
}

/** The right answer to GET /content, but for the parts that a test gives. */
export function answerTo(path: string, { status = '200 OK', headers, body = rightBody(path) }: Parts = {}): Buffer {
  const framing = headers ?? `Content-Length: ${body.length}\r\n`;
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\nX-Served-By: 1.0.1\r\n${framing}\r\n`), body]);
}
