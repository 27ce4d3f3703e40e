// Everybody's jobs: search, open one with its history, cancel, retry, dispatch again.

import { get, post } from "../api.js";
import { dollars, inPlainWords, seconds, STAGES } from "../format.js";
import { batch, html, signal, useEffect, useRef } from "../ui.js";

const STATUSES = ["queued", "in_progress", "completed", "failed", "cancelled", "expired"];
const PAGE = 25;

const jobs = signal([]);
const more = signal(false);
const status = signal("");
const query = signal("");
const opened = signal(null);
const problem = signal("");
const notice = signal(""); // of what was done to the opened job
let latest = 0;

async function load(after = "") {
  const mine = ++latest;
  const filters = new URLSearchParams({ limit: PAGE });
  if (status.value) filters.set("status", status.value);
  if (query.value.trim()) filters.set("q", query.value.trim());
  if (after) filters.set("after", after);
  try {
    const page = await get(`/v1/board/jobs?${filters}`);
    if (mine !== latest) return;
    batch(() => {
      problem.value = "";
      jobs.value = after ? [...jobs.value, ...page.data] : page.data;
      more.value = page.has_more;
    });
  } catch (error) {
    problem.value = inPlainWords(error);
  }
}

async function act(job, what) {
  notice.value = "";
  try {
    const changed = await post(`/v1/board/jobs/${job.id}/${what}`);
    batch(() => {
      problem.value = "";
      opened.value = changed;
      jobs.value = jobs.value.map((other) => (other.id === changed.id ? changed : other));
    });
    if (what === "dispatch") notice.value = "It will be dispatched again within seconds.";
    if (what === "retry") load();
  } catch (error) {
    problem.value = inPlainWords(error);
  }
}

export function Jobs({ flowerUrl }) {
  useEffect(() => void load(), []);
  const submit = (event) => {
    event.preventDefault();
    load();
  };
  const choose = ({ target }) => {
    status.value = target.value;
    load();
  };
  return html`
    <section class="card jobs" aria-labelledby="jobs-title">
      <h2 id="jobs-title">Jobs</h2>
      <form class="filters" onSubmit=${submit}>
        <input type="search" aria-label="Job, conversation, broadcast or user" placeholder="Job, conversation, broadcast or user"
          value=${query.value} onInput=${({ target }) => (query.value = target.value)} />
        <select aria-label="Status" value=${status.value} onChange=${choose}>
          <option value="">Any status</option>
          ${STATUSES.map((each) => html`<option value=${each}>${each.replace("_", " ")}</option>`)}
        </select>
        <button type="submit">Search</button>
      </form>
      ${problem.value && html`<p class="error" role="alert">${problem.value}</p>`}
      <div class="table" tabindex="0" role="region" aria-label="Jobs">
        <table>
          <thead><tr><th>Job</th><th>Status</th><th>User</th><th>Mind</th><th>Accepted</th><th>Took</th><th>Model</th></tr></thead>
          <tbody>
            ${jobs.value.map(
              (job) => html`
                <tr key=${job.id} data-job=${job.id}>
                  <td><button type="button" class="link" onClick=${() => open(job)}><code>${job.id}</code></button></td>
                  <td>${job.status.replace("_", " ")}${job.error && html`${" "}<span class="quiet">${job.error.code}</span>`}</td>
                  <td>${job.user}</td>
                  <td>${job.mind}</td>
                  <td>${new Date(job.created_at).toLocaleTimeString("en-GB")}</td>
                  <td>${job.completed_at ? seconds(Date.parse(job.completed_at) - Date.parse(job.created_at)) : "–"}</td>
                  <td>${job.route?.model ?? ""}</td>
                </tr>
              `,
            )}
          </tbody>
        </table>
        ${!jobs.value.length && html`<p class="quiet">No job matches.</p>`}
      </div>
      ${more.value && html`<button type="button" class="link" onClick=${() => load(jobs.value.at(-1).id)}>Show more</button>`}
      ${opened.value && html`<${Job} job=${opened.value} flowerUrl=${flowerUrl} />`}
    </section>
  `;
}

function open(job) {
  notice.value = "";
  opened.value = job;
}

function close(job) {
  opened.value = null;
  document.querySelector(`[data-job="${job.id}"] button`)?.focus();
}

function Job({ job, flowerUrl }) {
  const article = useRef(null);
  useEffect(() => article.current.focus(), [job.id]); // which also scrolls to it
  const unfinished = ["queued", "in_progress"].includes(job.status);
  const movable = ["queued", "waiting"].includes(job.slot);
  return html`
    <article class="job" aria-labelledby="job-title" tabindex="-1" ref=${article}>
      <header>
        <h3 id="job-title"><code>${job.id}</code></h3>
        ${unfinished && html`<button type="button" class="danger" onClick=${() => act(job, "cancel")}>Cancel</button>`}
        ${movable && html`<button type="button" onClick=${() => act(job, "dispatch")}>Dispatch again</button>`}
        ${["failed", "cancelled", "expired"].includes(job.status) &&
        html`<button type="button" onClick=${() => act(job, "retry")}>Retry</button>`}
        <button type="button" onClick=${() => close(job)}>Close</button>
      </header>
      <p class="quiet" role="status">${notice.value}</p>
      <dl>
        ${facts(job).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
        <div>
          <dt>Tasks</dt>
          <dd>
            ${tasksOf(job).map(([stage, id]) =>
              flowerUrl
                ? html`<a href=${`${flowerUrl}/task/${encodeURIComponent(id)}`} target="_blank" rel="noopener">${stage}</a>${" "}`
                : html`<code>${id}</code>${" "}`,
            )}
          </dd>
        </div>
      </dl>
      <h4>History</h4>
      <ol class="history">
        ${job.history.map((event) => html`<li><code>${event.number}</code> ${describe(event)}</li>`)}
      </ol>
    </article>
  `;
}

/** Its tasks, in the order of the stages. */
const tasksOf = (job) => Object.keys(STAGES).filter((stage) => stage in job.task_ids).map((stage) => [stage, job.task_ids[stage]]);

function facts(job) {
  const all = [
    ["Status", job.slot ? `${job.status.replace("_", " ")}, ${job.slot} at ${job.stage}` : job.status.replace("_", " ")],
    ["Error", job.error && `${job.error.code}: ${job.error.message}`],
    ["User", job.user],
    ["Conversation", job.conversation_id],
    ["Request", job.request_id],
    ["Accepted", job.created_at],
    ["Started", job.started_at],
    ["Ended", job.completed_at],
    ["Deadline", job.expires_at],
    ["Lease until", job.slot === "running" ? job.lease_until : null],
    ["Next attempt", job.slot === "waiting" ? job.next_attempt_at : null],
    ["Dispatches", `epoch ${job.epoch}, ${job.starts} starts, ${job.attempts} failed attempts, ${job.crash_count} crashes`],
    ["Model", job.route?.model],
    ["Cost", dollars(job.usage.cost_usd)],
  ];
  return all.filter(([, value]) => value);
}

function describe({ type, stage, ...rest }) {
  if (stage) {
    const { name, status: state, ms, ...decided } = stage;
    const said = Object.entries(decided).filter(([, value]) => value?.length !== 0);
    const more = said.map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`);
    return `${name} ${state}${ms === null ? "" : ` in ${seconds(ms)}`}${more.length ? ` (${more.join(", ")})` : ""}`;
  }
  const { number, ...shown } = rest;
  const extra = Object.entries(shown).map(([key, value]) => `${key} ${value}`);
  return `${type.replace("job.", "")}${extra.length ? ` (${extra.join(", ")})` : ""}`;
}
