/** Answers on each socket that it is sent: which form the arrived one has, which the fresh one has, and what it read. */
import { Socket } from 'node:net';
import { runInThisContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { refresh } from '../../../src/worker/arrived-socket.ts';

// The parent has switched natives on for this process.
const isFast = runInThisContext('(object) => %HasFastProperties(object)') as (object: object) => boolean;

parentPort?.on('message', (arrived: Socket) => {
  const was = isFast(arrived);
  const socket = refresh(arrived);
  socket.once('data', (data) => {
    const forms = { arrived: was, fresh: isFast(socket) };
    socket.end(JSON.stringify({ ...forms, allowHalfOpen: socket.allowHalfOpen, read: String(data) }));
  });
});
parentPort?.postMessage('up');
