import { websockets } from './websockets.ts';

websockets('threaded');
