// One stream of a conversation's events, open only while something is unfinished. A lost connection
// is opened again, after the last event that was received.

import { ApiError, open, pause } from "./api.js";
import { createParser } from "./vendor/eventsource-parser.js";

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 8000;
// The server sends something every 15 s.
const SILENT_MS = 40_000;

export class Stream {
  /**
   * @param path the URL of the stream, given the position.
   * @param listeners `onEvent(event)`, `onIdle()`, `onConnection(error)`, null once it is
   *   open, and `onRefused(error)`, if the server has no such stream or position.
   */
  constructor(path, position, listeners) {
    this.path = path;
    this.position = position;
    this.listeners = listeners;
    this.closed = false;
    this.hurry = () => this.wake?.();
    window.addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.run();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    this.wake?.();
    window.removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
  }

  async run() {
    for (let failures = 0; !this.closed; ) {
      const began = performance.now();
      const outcome = await this.readOnce();
      if (this.closed) return;
      if (outcome === "idle") {
        this.close();
        return this.listeners.onIdle();
      }
      if (outcome instanceof ApiError && outcome.status >= 400 && outcome.status < 500 && outcome.status !== 429) {
        this.close();
        return this.listeners.onRefused(outcome);
      }
      failures = performance.now() - began > LONGEST_PAUSE_MS ? 0 : failures + 1;
      // A stream that the server has ended, to restart, is not worth a word if it is back at once.
      if (failures > 1 || outcome instanceof ApiError) this.listeners.onConnection(outcome ?? new Error());
      const notBeforeMs = 1000 * (outcome?.retryAfterS ?? 0);
      await this.sleep(Math.max(notBeforeMs, Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)));
    }
  }

  /** Read until the connection ends. Returns "idle" if all jobs have ended, or the error. */
  async readOnce() {
    this.abort = new AbortController();
    this.idle = false;
    try {
      const response = await open(this.path(this.position), { signal: this.abort.signal });
      if (response.status === 204) return "idle";
      this.listeners.onConnection(null);
      await this.readAll(response.body.pipeThrough(new TextDecoderStream()).getReader());
      return this.idle ? "idle" : null;
    } catch (error) {
      return error;
    } finally {
      clearTimeout(this.watch);
    }
  }

  async readAll(reader) {
    const parser = createParser({ onEvent: (event) => this.take(event) });
    for (;;) {
      clearTimeout(this.watch);
      this.watch = setTimeout(() => this.abort.abort(), SILENT_MS);
      const { value, done } = await reader.read();
      if (done || this.closed) return;
      parser.feed(value);
    }
  }

  take(event) {
    if (event.id !== undefined) this.position = event.id;
    if (event.event === "conversation.idle") this.idle = true;
    else this.listeners.onEvent(JSON.parse(event.data));
  }

  sleep(ms) {
    return Promise.race([pause(ms), new Promise((resolve) => (this.wake = resolve))]);
  }
}
