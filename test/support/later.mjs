/**
 * Loaded by --import into a server's processes and threads (test/support/clock.ts): the clock of all of them is as many
 * milliseconds ahead as the file says that $CLOCK_AHEAD names. Timers stay what they are.
 */
import { readFileSync } from 'node:fs';

const now = performance.now.bind(performance);
const file = process.env.CLOCK_AHEAD;

performance.now = () => now() + Number(readFileSync(file, 'utf8'));
