import { reloads } from './reload.ts';

reloads('threaded');
