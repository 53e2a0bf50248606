import { canaries } from './canary.ts';

canaries('threaded');
