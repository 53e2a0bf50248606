import { reloads } from './reload.ts';

reloads('evented');
