import { contract } from './every-mode.ts';

contract('evented');
