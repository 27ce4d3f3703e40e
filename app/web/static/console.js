// The manager console: the one input, whom it goes to, and what can be done with the latest answers.

import { Answer } from "./answer.js";
import { MANAGER } from "./conversation.js";
import { inWords } from "./format.js";
import { isOfInputMethod } from "./shortcuts.js";
import { html, useEffect, useLayoutEffect, useRef } from "./ui.js";

const ALL = "";
const LISTED = new Intl.ListFormat("en");

export function Console({ minds, models, draft, onDraft, target, model, busy, error, latest, unfinished, act, nameOf, onSend }) {
  const input = useRef(null);
  useLayoutEffect(() => grow(input.current), [draft.value]);
  useEffect(() => input.current?.focus(), []);
  const submit = (event) => {
    event.preventDefault();
    onSend();
  };
  const onKeyDown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || isOfInputMethod(event)) return;
    event.preventDefault();
    onSend();
  };
  return html`
    <section class="console" aria-label="Manager console">
      ${latest && html`<${Manager} latest=${latest} act=${act} nameOf=${nameOf} />`}
      <form onSubmit=${submit}>
        <textarea ref=${input} id="message" rows="1" dir="auto" aria-label="Message" placeholder=${placeholder(minds, target.value)}
          value=${draft.value} onInput=${({ target: at }) => onDraft(at.value)} onKeyDown=${onKeyDown}
          aria-describedby=${error ? "send-error" : undefined} enterkeyhint="send"></textarea>
        <div class="console-row">
          <fieldset class="targets">
            <legend class="hidden">Send to</legend>
            ${[{ id: ALL, title: minds.length ? `All ${minds.length}` : "All" }, ...minds].map(
              (mind) => html`
                <label>
                  <input type="radio" name="target" value=${mind.id} checked=${target.value === mind.id}
                    onChange=${() => (target.value = mind.id)} />
                  <span>${mind.title.replace(/^The /, "")}</span>
                </label>
              `,
            )}
          </fieldset>
          <label class="model">
            <span class="hidden">Model</span>
            <select value=${model.value} onChange=${({ target: at }) => (model.value = at.value)}>
              <option value="">Each mind's own models</option>
              ${models.map((name) => html`<option value=${name}>${name}</option>`)}
            </select>
          </label>
          <span class="spring"></span>
          ${unfinished > 0 &&
          html`<button type="button" class="quiet-button" onClick=${() => act("stopAll")}>
            Stop${unfinished > 1 ? " all" : ""}
          </button>`}
          <button type="submit" class="primary" disabled=${busy || !draft.value.trim()}>
            ${busy ? "Sending…" : "Send"}
          </button>
        </div>
        ${error && html`<p class="error" id="send-error" role="alert">${error}</p>`}
      </form>
    </section>
  `;
}

/** The latest broadcast, once it can be merged, and its merge. */
function Manager({ latest, act, nameOf }) {
  const { broadcast, merge, canMerge, merged } = latest;
  if (merge) {
    return html`
      <details class="merge" open>
        <summary>${merge.unfinished ? "Merging the answers…" : "The merged answer"}</summary>
        <div class="merge-body" tabindex="0" role="region" aria-label="The merged answer">
          <${Answer} job=${merge} act=${act} isKept=${broadcast.kept_job_id === merge.id} canKeep=${broadcast.kept_job_id !== merge.id} />
        </div>
      </details>
    `;
  }
  if (!canMerge) return null;
  return html`
    <p class="offer">
      <span>Keep the best, or</span>
      <button type="button" onClick=${() => act("merge", broadcast)}>
        ${merged ? `merge the answers of ${LISTED.format(merged.map(nameOf))}` : "merge them into one"}
      </button>
    </p>
  `;
}

/** What the console offers for a conversation: its latest broadcast, its merge, and whether to merge. */
export function latestOf(conversation) {
  const broadcast = [...conversation.broadcasts.value.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).at(-1);
  if (!broadcast) return null;
  const jobs = [...conversation.jobs.value.values()];
  // A retry of one of its answers is no later message.
  const isLater = (job) => job.mind !== MANAGER && job.messageId !== broadcast.message_id && job.id > broadcast.id.replace("bcast", "job");
  if (jobs.some(isLater)) return null;
  const tries = jobs.filter((job) => job.broadcastId === broadcast.id && job.mind !== MANAGER);
  const siblings = [...new Map(tries.map((job) => [job.mind, job])).values()]; // each mind's newest
  const merge = jobs.filter((job) => job.broadcastId === broadcast.id && job.mind === MANAGER).at(-1);
  const completed = siblings.filter((job) => job.status.value === "completed");
  const canMerge = completed.length > 1 && siblings.every((job) => !job.unfinished);
  return { broadcast, merge, canMerge, merged: completed.length < siblings.length ? completed.map((job) => job.mind) : null };
}

function placeholder(minds, target) {
  const mind = minds.find((each) => each.id === target);
  return mind ? `Ask ${mind.title}` : minds.length ? `Ask all ${inWords(minds.length)} minds` : "Ask all minds";
}

function grow(element) {
  element.rows = 1;
  const line = parseFloat(getComputedStyle(element).lineHeight) || 24;
  element.rows = Math.min(10, Math.max(1, Math.round((element.scrollHeight - 20) / line)));
}
