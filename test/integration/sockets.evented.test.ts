import { sockets } from './sockets.ts';

sockets('evented');
