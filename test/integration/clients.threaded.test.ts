import { clients } from './clients.ts';

clients('threaded');
