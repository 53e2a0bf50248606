import { clients } from './clients.ts';

clients('prefork');
