import { websockets } from './websockets.ts';

websockets('prefork');
