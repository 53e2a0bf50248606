import { canaries } from './canary.ts';

canaries('prefork');
