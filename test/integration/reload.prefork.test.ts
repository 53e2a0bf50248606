import { reloads } from './reload.ts';

reloads('prefork');
