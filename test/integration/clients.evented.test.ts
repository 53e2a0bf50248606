import { clients } from './clients.ts';

clients('evented');
