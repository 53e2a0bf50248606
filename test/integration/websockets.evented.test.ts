import { websockets } from './websockets.ts';

websockets('evented');
