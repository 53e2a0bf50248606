import { sockets } from './sockets.ts';

sockets('prefork');
