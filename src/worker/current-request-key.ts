/** Where a paused loop tells an inspector which request its code belongs to: see current-request.ts. */
export const CURRENT_REQUEST_KEY = 'tricorn.current-request';

/** The JavaScript that the inspector evaluates there. */
export const CURRENT_REQUEST: string = `globalThis[Symbol.for('${CURRENT_REQUEST_KEY}')]?.() ?? ''`;
