// The operators' board: what the installation does now, and everybody's jobs.

import { get } from "../api.js";
import { count, dollars, inPlainWords, seconds } from "../format.js";
import { restoreSession, session, SignIn } from "../session.js";
import { html, render, signal, useEffect } from "../ui.js";
import { Chart } from "./chart.js";
import { Jobs } from "./jobs.js";

const EVERY_MS = 5000;

const board = signal(null);
const problem = signal("");

async function load() {
  try {
    board.value = await get("/v1/board");
    problem.value = "";
  } catch (error) {
    problem.value = error.status === 403 ? "This board is for operators: sign in with a key that has the scope admin." : inPlainWords(error);
  }
}

function App() {
  if (session.value === undefined) return html`<p class="boot" role="status">Loading…</p>`;
  return session.value ? html`<${Board} />` : html`<${SignIn} />`;
}

function Board() {
  useEffect(() => {
    load();
    const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const now = board.value;
  return html`
    <div class="board">
      <header class="head">
        <h1>Board</h1>
        <a href="/">Conversations</a>
        ${now?.flower_url && html`<a href=${now.flower_url} target="_blank" rel="noopener">Flower</a>`}
      </header>
      <main>
        ${problem.value && html`<p class="error" role="alert">${problem.value}</p>`}
        ${now
          ? html`
              <div class="cards">
                <${Numbers} now=${now} />
                <section class="card wide" aria-label="Throughput">
                  <${Chart} title="Last hour" points=${now.hour} spans=${60} minutes=${1} now=${now.at} />
                  <${Chart} title="Last day" points=${now.day} spans=${96} minutes=${15} now=${now.at} />
                </section>
                <${Queues} queues=${now.queues} />
                <${Lanes} lanes=${now.lanes} />
                <${Stages} stages=${now.stages} />
                <${Failures} failures=${now.failures} />
                <${Breakers} now=${now} />
                <${Workers} now=${now} />
              </div>
              <${Jobs} flowerUrl=${now.flower_url} />
            `
          : !problem.value && html`<p class="boot" role="status">Loading…</p>`}
      </main>
    </div>
  `;
}

function Numbers({ now }) {
  const last = now.hour.filter((point) => Date.parse(now.at) - Date.parse(point.at) < 6 * 60_000);
  const rate = last.reduce((sum, point) => sum + point.completed, 0) / 5;
  const unfinished = now.queues.reduce((sum, queue) => sum + queue.jobs, 0);
  const numbers = [
    ["Jobs a minute", rate < 10 ? rate.toFixed(1) : count(Math.round(rate)), "over the last 5 minutes"],
    ["Unfinished", count(unfinished), "in all slots"],
    ["Workers", count(now.workers.length), now.redis ? "seen within 15 s" : "Redis is unavailable"],
    ["Spent today", dollars(now.today.cost_usd), `${count(now.today.jobs)} jobs, UTC`],
    ["Tokens saved today", count(now.today.tokens_saved), "by compression"],
  ];
  return html`
    <dl class="numbers">
      ${numbers.map(([name, value, note]) => html`<div class="card"><dt>${name}</dt><dd><strong>${value}</strong><span class="quiet">${note}</span></dd></div>`)}
    </dl>
  `;
}

function Card({ title, head, rows, none }) {
  return html`
    <section class="card">
      <h2>${title}</h2>
      ${rows.length
        ? html`<table>
            <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
            <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
          </table>`
        : html`<p class="quiet">${none}</p>`}
    </section>
  `;
}

function Queues({ queues }) {
  const rows = queues.map((each) => [each.queue, `${each.slot} at ${each.stage}`, count(each.jobs), seconds(1000 * each.oldest_s)]);
  return html`<${Card} title="Queues" head=${["Queue", "Where", "Jobs", "Oldest"]} rows=${rows} none="Nothing is unfinished." />`;
}

function Lanes({ lanes }) {
  const rows = lanes.map((each) => [each.queue, each.lane, count(each.jobs), seconds(1000 * each.oldest_s)]);
  return html`<${Card} title="Lanes" head=${["Queue", "Lane", "Jobs", "Oldest"]} rows=${rows} none="Nothing is queued." />`;
}

function Stages({ stages }) {
  const rows = stages.map((each) => [each.stage, each.jobs ? seconds(each.p50_ms) : "–", each.jobs ? seconds(each.p95_ms) : "–"]);
  return html`<${Card} title="Latency" head=${["Stage", "Median", "95th percentile"]} rows=${rows} none="" />`;
}

function Failures({ failures }) {
  const rows = Object.entries(failures).map(([code, number]) => [html`<code>${code}</code>`, count(number)]);
  return html`<${Card} title="Failures, last day" head=${["Code", "Jobs"]} rows=${rows} none="No job has failed." />`;
}

function Breakers({ now }) {
  const rows = now.breakers.map((each) => [each.name, each.state, count(each.failures), each.blocked_users || ""]);
  const none = now.redis ? "No breaker has recorded a failed call." : "Redis is unavailable.";
  return html`<${Card} title="Breakers" head=${["Breaker", "State", "Failures", "Users blocked"]} rows=${rows} none=${none} />`;
}

function Workers({ now }) {
  const rows = now.workers.map((each) => [each.name, `${Math.round(each.seen_s)} s ago`]);
  const none = now.redis ? "No worker was seen: jobs are accepted and wait." : "Redis is unavailable.";
  return html`<${Card} title="Workers" head=${["Worker", "Seen"]} rows=${rows} none=${none} />`;
}

render(html`<${App} />`, document.getElementById("app"));
restoreSession();
