/**
 * The configuration that an event loop, or whoever watches it, goes by. What of it is live may change while it runs: whoever
 * computes from such a setting follows it instead of reading it once.
 */
import type { Config } from '../config/config.ts';

/** Gets what has just changed, too. */
type Follower = (config: Config, changed: Partial<Config>) => void;

export class Terms {
  readonly #followers: Follower[] = [];
  #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  get config(): Config {
    return this.#config;
  }

  /** Calls it at once, and after each change. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
    follower(this.#config, {});
  }

  change(settings: Partial<Config>): void {
    this.#config = { ...this.#config, ...settings };
    for (const follower of this.#followers) follower(this.#config, settings);
  }
}
