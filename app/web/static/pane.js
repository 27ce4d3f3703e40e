// A pane: one mind's side of the conversation.

import { Answer, Written } from "./answer.js";
import { seconds, STAGES } from "./format.js";
import { Icon } from "./icons.js";
import { copyCode } from "./markdown.js";
import { html, signal, useEffect, useLayoutEffect, useRef, useSignal, useState } from "./ui.js";

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

// How far from the end of what is written a reader may be and still follow it.
const NEAR_PX = 48;

/** Keep the end of a growing pane in sight, unless the reader has moved up or opens something. */
function useEnd(latest) {
  const scroller = useRef(null);
  const following = useRef(true);
  const top = useRef(0);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    following.current = true;
    scroller.current.scrollTop = scroller.current.scrollHeight;
    setAway(false);
  };
  const look = () => {
    const { scrollHeight, scrollTop, clientHeight } = scroller.current;
    const left = scrollHeight - scrollTop - clientHeight;
    setAway(left > clientHeight / 2);
    return left;
  };
  useLayoutEffect(() => {
    // The pane itself changes too, for instance when a phone shows its keyboard.
    const resized = new ResizeObserver(() => (following.current ? toEnd() : look()));
    resized.observe(scroller.current);
    resized.observe(scroller.current.firstElementChild);
    return () => resized.disconnect();
  }, []);
  useLayoutEffect(toEnd, [latest]); // what was just asked for is what the reader wants to see
  const onScroll = ({ currentTarget: at }) => {
    const left = look();
    // However small a move up is, it is meant: text that arrives must not take it back.
    if (at.scrollTop < top.current) following.current = left < 1;
    else if (left < NEAR_PX) following.current = true;
    top.current = at.scrollTop;
  };
  const onOpen = () => (following.current = false);
  return { scroller, onScroll, onOpen, away, toEnd };
}

/** Keep what is read in its place when something is put above it. */
function usePlace(scroller, first) {
  const kept = useRef({});
  const { turn } = kept.current;
  // The page is as it was while this runs, and changed when the effect does.
  const was = turn?.isConnected && kept.current.first !== first ? turn.getBoundingClientRect().top : null;
  useLayoutEffect(() => {
    if (was !== null && turn.isConnected) scroller.current.scrollTop += turn.getBoundingClientRect().top - was;
    kept.current = { first, turn: scroller.current.querySelector(".turn") };
  }, [first]);
}

export function Pane({ mind, index, turns, hidden, act, hasEarlier, onEarlier }) {
  const latest = turns.at(-1);
  const problem = useSignal(""); // why earlier messages can't be shown
  const { scroller, onScroll, onOpen, away, toEnd } = useEnd(latest?.key);
  usePlace(scroller, turns[0]?.key);
  const onClick = (event) => {
    if (event.target.closest("summary")) onOpen();
    else copyCode(event);
  };
  const showEarlier = () => {
    scroller.current.focus({ preventScroll: true }); // the button goes, or moves out of sight
    onEarlier(problem);
  };
  return html`
    <section class=${`pane ${hidden ? "pane-hidden" : ""}`} id=${`pane-${mind.id}`} aria-labelledby=${`mind-${mind.id}`}>
      <header class="pane-head">
        <${Mark} mind=${mind} index=${index} />
        <h2 id=${`mind-${mind.id}`}>${mind.title}</h2>
        ${latest && html`<${State} job=${latest.job} />`}
      </header>
      <div class="pane-body" ref=${scroller} onScroll=${onScroll} onClick=${onClick} tabindex="0" role="log"
        aria-live="off" aria-label=${`Messages of ${mind.title}`} data-pane=${mind.id}>
        <div class="turns">
          ${hasEarlier && html`<button type="button" class="link" onClick=${showEarlier}>Show earlier messages</button>`}
          ${problem.value && html`<p class="error" role="alert">${problem.value}</p>`}
          ${turns.map((turn) => html`<${Turn} key=${turn.key} turn=${turn} act=${act} />`)}
          ${!turns.length && html`<p class="quiet pane-empty">${mind.title} has not been asked yet.</p>`}
        </div>
      </div>
      ${away && html`<button type="button" class="to-end" aria-label="Go to the end" onClick=${toEnd}><${Icon} name="down" /></button>`}
    </section>
  `;
}

export function Mark({ mind, index }) {
  return html`<span class="mind-mark" data-mind=${index % 3} aria-hidden="true">${mind.title.replace(/^The /, "")[0]}</span>`;
}

/** The live state of a job: where it is, and for how many seconds; `brief`ly, whether it is at work. */
export function State({ job, brief }) {
  const unfinished = job.unfinished;
  useTicks(unfinished && !brief);
  const status = job.status.value;
  if (brief) return html`<span class=${unfinished ? "pulse" : "dot"} data-state=${status} aria-hidden="true"></span>`;
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
      ${message && html`<div class="message user" data-role="user"><p dir="auto">${message.content}</p></div>`}
      ${job && html`<${Answer} job=${job} act=${act} isKept=${turn.isKept} canKeep=${turn.canKeep} />`}
      ${kept &&
      html`
        <details class="kept">
          <summary>Continues from the answer of ${kept.by}</summary>
          <${Written} job=${kept.job} />
        </details>
      `}
    </article>
  `;
}
