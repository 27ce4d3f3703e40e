// A pane: one mind's side of the conversation.

import { advice, seconds, STAGES } from "./format.js";
import { copyCode, GrowingMarkdown, renderMarkdown } from "./markdown.js";
import { Receipt } from "./receipt.js";
import { html, signal, useEffect, useLayoutEffect, useRef } from "./ui.js";

// The time, while something waits for it.
const now = signal(Date.now());
let ticking = null;
let watchers = 0;

function useTicks(on) {
  useEffect(() => {
    if (!on) return undefined;
    if (watchers++ === 0) ticking = setInterval(() => (now.value = Date.now()), 250);
    return () => {
      if (--watchers === 0) clearInterval(ticking);
    };
  }, [on]);
}

export function Pane({ mind, index, turns, hidden, act, hasEarlier, onEarlier }) {
  const scroller = useRef(null);
  const atEnd = useRef(true);
  const latest = turns.at(-1)?.job;
  useLayoutEffect(() => {
    const element = scroller.current;
    const stay = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    });
    stay.observe(element.firstElementChild);
    return () => stay.disconnect();
  }, []);
  const onScroll = ({ currentTarget: at }) => {
    atEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < 48;
  };
  return html`
    <section class=${`pane ${hidden ? "pane-hidden" : ""}`} id=${`pane-${mind.id}`} aria-labelledby=${`mind-${mind.id}`}>
      <header class="pane-head">
        <span class="mind-mark" data-mind=${index % 3} aria-hidden="true">${mind.title.replace(/^The /, "")[0]}</span>
        <h2 id=${`mind-${mind.id}`}>${mind.title}</h2>
        ${latest && html`<${State} job=${latest} />`}
      </header>
      <div class="pane-body" ref=${scroller} onScroll=${onScroll} onClick=${copyCode} tabindex="0" role="log"
        aria-live="off" aria-label=${`Messages of ${mind.title}`} data-pane=${mind.id}>
        <div class="turns">
          ${hasEarlier && html`<button type="button" class="link" onClick=${onEarlier}>Show earlier messages</button>`}
          ${turns.map((turn) => html`<${Turn} key=${turn.key} turn=${turn} act=${act} />`)}
          ${!turns.length && html`<p class="quiet pane-empty">${mind.title} has not been asked yet.</p>`}
        </div>
      </div>
    </section>
  `;
}

/** The live state of a job: where it is, and for how many seconds. */
function State({ job }) {
  const unfinished = job.unfinished;
  useTicks(unfinished);
  const status = job.status.value;
  if (!unfinished) {
    const words = { completed: "Done", failed: "Failed", cancelled: "Stopped", expired: "Too late" };
    return html`<span class="state" data-state=${status}>${words[status]}</span>`;
  }
  const stage = job.stage;
  const words = stage ? STAGES[stage] : status === "queued" ? "Queued" : "Waiting";
  return html`
    <span class="state" data-state=${stage ?? "queued"}>
      <span class="pulse" aria-hidden="true"></span>${words}${" "}
      <span class="time">${seconds(Math.max(0, now.value - job.createdAt))}</span>
    </span>
  `;
}

function Turn({ turn, act }) {
  const { message, job, kept } = turn;
  return html`
    <article class="turn">
      ${message && html`<div class="message user" data-role="user"><p>${message.content}</p></div>`}
      ${job && html`<${Answer} job=${job} act=${act} isKept=${turn.isKept} canKeep=${turn.canKeep} />`}
      ${kept &&
      html`
        <details class="kept">
          <summary>Continues from the answer of ${kept.by}</summary>
          <${Markdown} text=${kept.job.text} />
        </details>
      `}
    </article>
  `;
}

export function Answer({ job, act, isKept, canKeep, name = "" }) {
  const status = job.status.value;
  const unfinished = job.unfinished;
  const hasText = job.hasText.value;
  return html`
    <div class="message assistant" data-role="assistant" data-status=${status} data-job=${job.id} aria-busy=${unfinished}>
      ${unfinished ? html`<${Growing} job=${job} />` : html`<${Markdown} text=${job.text} />`}
      ${unfinished && !hasText && html`<${Loading} />`}
      <${Ending} job=${job} />
      <div class="actions">
        ${unfinished && html`<button type="button" onClick=${() => act("stop", job)}>Stop${name}</button>`}
        ${["failed", "cancelled", "expired"].includes(status) &&
        html`<button type="button" onClick=${() => act("retry", job)}>Retry${name}</button>`}
        ${status === "completed" && html`<${CopyAnswer} job=${job} />`}
        ${canKeep && !isKept && html`<button type="button" onClick=${() => act("choose", job)}>Keep this answer</button>`}
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

/** An answer that has ended. */
function Markdown({ text }) {
  const element = useRef(null);
  useLayoutEffect(() => renderMarkdown(element.current, text), [text]);
  return html`<div class="markdown" ref=${element}></div>`;
}

/** An answer that grows: what has arrived is drawn once per frame, and less often if that is slow. */
function Growing({ job }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    const markdown = new GrowingMarkdown(element.current);
    let pending = job.text;
    let frame = 0;
    let notBefore = 0;
    const draw = (at) => {
      frame = 0;
      if (at < notBefore) return schedule();
      const began = performance.now();
      if (pending) markdown.append(pending);
      pending = "";
      notBefore = at + 3 * (performance.now() - began);
    };
    const schedule = () => {
      frame ||= requestAnimationFrame(draw);
    };
    const take = (text) => {
      if (text === null) {
        markdown.reset("");
        pending = job.text;
      } else pending += text;
      schedule();
    };
    job.listeners.add(take);
    schedule();
    return () => {
      job.listeners.delete(take);
      cancelAnimationFrame(frame);
    };
  }, [job]);
  return html`<div class="markdown" ref=${element}></div>`;
}
