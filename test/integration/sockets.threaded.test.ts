import { sockets } from './sockets.ts';

sockets('threaded');
