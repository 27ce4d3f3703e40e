// The panes of a conversation, one per mind, and what is there instead of them.

import { inPlainWords, inWords } from "./format.js";
import { Mark, Pane, State } from "./pane.js";
import { html } from "./ui.js";

const EXAMPLES = [
  "Explain how a vaccine works to a ten-year-old.",
  "Write a Python function that merges two sorted lists.",
  "Plan a weekend in Lisbon for two people who love books.",
];
const LISTED = new Intl.ListFormat("en");

/** @param shown a signal: which pane is seen on a narrow screen, where they are tabs. */
export function Panes({ opened, minds, shown, nameOf, act, onNew, onReload, onExample }) {
  const state = opened?.state.value ?? "empty";
  if (state === "loading" || !minds.length) return html`<div class="middle" role="status">Loading…</div>`;
  if (state === "missing") {
    return html`<div class="middle"><p>There is no such conversation, or it was deleted.</p>
      <button type="button" onClick=${onNew}>Start a new one</button></div>`;
  }
  if (state === "failed") {
    return html`<div class="middle"><p class="error" role="alert">${inPlainWords(opened.error.value)}</p>
      <button type="button" onClick=${onReload}>Try again</button></div>`;
  }
  if (state === "empty") return html`<${Empty} minds=${minds} onExample=${onExample} />`;
  const panes = minds.map((mind) => ({ mind, turns: turnsOf(opened, mind, nameOf) }));
  return html`
    <${Tabs} panes=${panes} shown=${shown} />
    <div class="panes">
      ${panes.map(
        ({ mind, turns }, index) => html`
          <${Pane} key=${mind.id} mind=${mind} index=${index} turns=${turns} act=${act} hidden=${shown.value !== index}
            hasEarlier=${opened.hasEarlier.value} onEarlier=${(problem) => act("loadEarlier", { problem })} />
        `,
      )}
    </div>
  `;
}

function Tabs({ panes, shown }) {
  const onKeyDown = ({ key, currentTarget }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step) return;
    shown.value = (shown.value + step + panes.length) % panes.length;
    currentTarget.children[shown.value].focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="Minds" onKeyDown=${onKeyDown}>
      ${panes.map(
        ({ mind, turns }, index) => html`
          <button type="button" role="tab" aria-selected=${shown.value === index} aria-controls=${`pane-${mind.id}`}
            tabindex=${shown.value === index ? 0 : -1} onClick=${() => (shown.value = index)}>
            <${Mark} mind=${mind} index=${index} />${mind.title.replace(/^The /, "")}
            ${turns.length > 0 && html`<${State} job=${turns.at(-1).job} brief />`}
          </button>
        `,
      )}
    </div>
  `;
}

/**
 * What a pane shows: each message that went to its mind, the newest job for it, what was kept. An answer
 * whose message is on an earlier page comes with it.
 */
function turnsOf(opened, mind, nameOf) {
  const jobs = [...opened.jobs.value.values()];
  const titles = (job) => (job.mind === mind.id ? null : nameOf(job.mind));
  const newest = new Map();
  const isShown = (job) => job.mind === mind.id && (opened.messages.value.has(job.messageId) || !opened.hasEarlier.value);
  for (const job of jobs) if (isShown(job)) newest.set(job.messageId, job);
  return [...newest.values()].map((job) => {
    const broadcast = opened.broadcasts.value.get(job.broadcastId);
    const keptJob = broadcast?.kept_job_id ? opened.jobs.value.get(broadcast.kept_job_id) : null;
    const siblings = broadcast ? jobs.filter((each) => each.broadcastId === broadcast.id) : [];
    return {
      key: job.messageId ?? job.id,
      message: opened.messages.value.get(job.messageId),
      job,
      isKept: keptJob === job,
      canKeep: siblings.filter((each) => each.status.value === "completed").length > 1,
      kept: keptJob && titles(keptJob) ? { by: titles(keptJob), job: keptJob } : null,
    };
  });
}

function Empty({ minds, onExample }) {
  const names = minds.map((mind, index) => (index ? mind.title.replace(/^The /, "the ") : mind.title));
  return html`
    <div class="middle empty">
      <div class="marks" aria-hidden="true">${minds.map((mind, index) => html`<${Mark} mind=${mind} index=${index} />`)}</div>
      <h2>One question, ${inWords(minds.length)} minds</h2>
      <p>${LISTED.format(names)} answer side by side. Compare their answers, keep the best one, or merge them.</p>
      <ul>
        ${EXAMPLES.map((example) => html`<li><button type="button" onClick=${() => onExample(example)}>${example}</button></li>`)}
      </ul>
    </div>
  `;
}
