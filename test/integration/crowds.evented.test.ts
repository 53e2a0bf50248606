import { crowds } from './crowds.ts';

crowds('evented');
