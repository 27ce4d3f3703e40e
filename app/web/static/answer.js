// An answer: its text, what can be done with it, how it ended, and its receipt.

import { advice, whyItWaits } from "./format.js";
import { GrowingMarkdown } from "./growing.js";
import { Receipt } from "./receipt.js";
import { html, useLayoutEffect, useRef } from "./ui.js";

export function Answer({ job, act, isKept, canKeep, name = "" }) {
  const status = job.status.value;
  const unfinished = job.unfinished;
  const hasText = job.hasText.value;
  return html`
    <div class="message assistant" data-role="assistant" data-status=${status} data-job=${job.id} aria-busy=${unfinished}>
      <${Written} job=${job} />
      ${unfinished && !hasText && html`<${Loading} />`}
      ${unfinished ? html`<${Waiting} job=${job} />` : html`<${Ending} job=${job} />`}
      <div class="actions">
        ${unfinished && html`<button type="button" onClick=${() => act("stop", job)}>Stop${name}</button>`}
        ${["failed", "cancelled", "expired"].includes(status) &&
        html`<button type="button" onClick=${() => act("retry", job)}>Retry${name}</button>`}
        ${status === "completed" && html`<${CopyAnswer} job=${job} />`}
        ${canKeep && !isKept && status === "completed" && html`<button type="button" onClick=${() => act("choose", job)}>Keep this answer</button>`}
        ${isKept && html`<span class="badge">Kept</span>`}
      </div>
      ${job.problem.value && html`<p class="error" role="alert">${job.problem.value}</p>`}
      ${!unfinished && html`<${Receipt} job=${job} />`}
    </div>
  `;
}

function Loading() {
  return html`<div class="loading" aria-hidden="true"><span></span><span></span><span></span></div>`;
}

/** Why nothing happens, if the job waits to be tried again. */
function Waiting({ job }) {
  const code = job.waitsFor;
  if (!code) return null;
  return html`
    <p class="note waiting">
      ${whyItWaits(code)} It is tried again by itself: wait, or stop it and pick another model.
    </p>
  `;
}

function Ending({ job }) {
  const body = job.body.value;
  const status = job.status.value;
  if (status === "failed" || status === "expired") {
    const { code, message } = body.error ?? {};
    return html`<p class="error" role="alert"><strong>No answer.</strong> ${message} ${advice(code)}</p>`;
  }
  if (status === "cancelled") return html`<p class="quiet note">Stopped. Retry to ask again.</p>`;
  if (status === "completed" && body.finish_reason === "length") {
    return html`<p class="quiet note">The answer was cut off at its maximum length.</p>`;
  }
  if (status === "completed" && body.finish_reason === "content_filter") {
    return html`<p class="quiet note">The provider declined to answer all of it.</p>`;
  }
  return null;
}

function CopyAnswer({ job }) {
  const copy = async ({ currentTarget: button }) => {
    try {
      await navigator.clipboard.writeText(job.text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Can't copy here";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };
  return html`<button type="button" onClick=${copy}>Copy</button>`;
}

/** The text of a job: what has arrived is drawn once per frame, and less often if that is slow. */
export function Written({ job }) {
  const element = useRef(null);
  const drawing = useRef(null);
  const unfinished = job.unfinished;
  useLayoutEffect(() => {
    drawing.current = new Drawing(element.current, job);
    return () => drawing.current.close();
  }, [job]);
  useLayoutEffect(() => {
    if (!unfinished) drawing.current.drawAll();
  }, [job, unfinished]);
  return html`<div class="markdown" ref=${element}></div>`;
}

class Drawing {
  constructor(element, job) {
    this.job = job;
    this.markdown = new GrowingMarkdown(element);
    this.pending = job.text;
    this.frame = this.notBefore = 0;
    this.listener = (text) => this.take(text);
    job.listeners.add(this.listener);
    this.schedule();
  }

  close() {
    this.job.listeners.delete(this.listener);
    cancelAnimationFrame(this.frame);
  }

  take(text) {
    if (text === null) {
      this.markdown.reset();
      this.pending = this.job.text;
    } else this.pending += text;
    this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame((at) => this.draw(at));
  }

  draw(at) {
    this.frame = 0;
    if (at < this.notBefore) return this.schedule();
    if (!this.job.unfinished) return this.drawAll();
    const began = performance.now();
    this.drawPending();
    this.notBefore = at + 3 * (performance.now() - began);
  }

  /** Draw the whole of a text that has ended. */
  drawAll() {
    this.markdown.finish(this.takePending());
  }

  drawPending() {
    if (this.pending) this.markdown.append(this.takePending());
  }

  takePending() {
    const text = this.pending;
    this.pending = "";
    return text;
  }
}
