// The page: the sidebar, three panes and the console, for the conversation that the address names.

import { get } from "./api.js";
import { Console, latestOf } from "./console.js";
import { Conversation, MANAGER, send } from "./conversation.js";
import { advice, inWords } from "./format.js";
import { Pane } from "./pane.js";
import { restoreSession, session, SignIn, signOut } from "./session.js";
import { Help, useShortcuts } from "./shortcuts.js";
import { loadConversations, Sidebar } from "./sidebar.js";
import { html, render, signal, useEffect } from "./ui.js";

const PATH = /^\/c\/(conv_[0-9A-Z]{26})$/;
const EXAMPLES = [
  "Explain how a vaccine works to a ten-year-old.",
  "Write a Python function that merges two sorted lists.",
  "Plan a weekend in Lisbon for two people who love books.",
];

const minds = signal([]);
const models = signal([]);
const conversation = signal(null);
const draft = signal("");
const target = signal("");
const model = signal("");
const sending = signal(false);
const problem = signal("");
const helpOpen = signal(false);
const sidebarOpen = signal(false);
const shownPane = signal(0); // on a narrow screen, where panes are tabs

// Other tabs of this browser are told of what was sent or deleted.
const tabs = new BroadcastChannel("trimind");
tabs.onmessage = ({ data }) => {
  loadConversations();
  if (data === conversation.value?.id) conversation.value.refresh();
};

// --- the address

function openPath() {
  const id = PATH.exec(location.pathname)?.[1] ?? null;
  if (id === (conversation.value?.id ?? null)) return;
  show(id ? new Conversation(id) : null);
}

function show(opened) {
  conversation.value?.close();
  conversation.value = opened;
  if (opened) opened.nameOf = nameOf;
  problem.value = "";
  draft.value = sessionStorage.getItem(draftKey()) ?? "";
  if (opened?.state.value === "loading") opened.load();
}

function go(id) {
  history.pushState(null, "", id ? `/c/${id}` : "/");
  sidebarOpen.value = false;
  openPath();
  focusInput();
}

const draftKey = () => `draft ${conversation.value?.id ?? "new"}`;
const nameOf = (mind) => minds.value.find((each) => each.id === mind)?.title ?? (mind === MANAGER ? "The Manager" : mind);
const focusInput = () => document.getElementById("message")?.focus();

// --- what a person does

async function onSend() {
  const message = draft.value;
  if (!message.trim() || sending.value) return;
  const to = conversation.value;
  sending.value = true;
  problem.value = "";
  try {
    const accepted = await send(message, target.value, { conversationId: to?.id, model: model.value });
    sessionStorage.removeItem(draftKey());
    if (conversation.value === to) draft.value = "";
    takeAccepted(to, message, accepted);
    tabs.postMessage(accepted.conversationId);
    loadConversations();
  } catch (error) {
    problem.value = `${error.message} ${advice(error.code, "Your message is still here.")}`;
  } finally {
    sending.value = false;
    focusInput();
  }
}

function takeAccepted(to, message, accepted) {
  let opened = to;
  if (!to) {
    opened = new Conversation(accepted.conversationId);
    opened.state.value = "ready";
    opened.title.value = message.trim().split("\n")[0].slice(0, 60);
    history.pushState(null, "", `/c/${opened.id}`);
    show(opened);
    draft.value = "";
  }
  const created_at = (accepted.job ?? accepted.broadcast).created_at;
  opened.takeMessage({ id: accepted.messageId, role: "user", content: message, created_at });
  if (accepted.job) opened.takeJob(accepted.job);
  else opened.takeBroadcast(accepted.broadcast);
  opened.follow();
}

async function act(what, given) {
  const opened = conversation.value;
  const place = given?.problem ?? problem; // an error is told where it happened
  place.value = "";
  try {
    await opened[what](given);
    if (what !== "stop") tabs.postMessage(opened.id);
  } catch (error) {
    place.value = `${error.message} ${advice(error.code)}`;
  }
}

// --- what is seen

/** What a pane shows: each message that went to its mind, the newest job for it, what was kept. */
function turnsOf(opened, mind) {
  const jobs = [...opened.jobs.value.values()];
  const titles = (job) => (job.mind === mind.id ? null : nameOf(job.mind));
  const newest = new Map();
  for (const job of jobs) if (job.mind === mind.id) newest.set(job.messageId, job);
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

function App() {
  if (session.value === undefined) return html`<p class="boot" role="status">Loading…</p>`;
  return session.value ? html`<${Signed} />` : html`<${SignIn} />`;
}

function Signed() {
  useEffect(() => {
    get("/v1/minds").then(
      (page) => {
        minds.value = page.data;
        models.value = page.models;
      },
      (error) => (problem.value = error.message),
    );
    openPath();
    conversation.value?.refresh(); // it was open before the session ended
    window.addEventListener("popstate", openPath);
    return () => window.removeEventListener("popstate", openPath);
  }, []);
  useEffect(() => {
    const key = draftKey();
    if (draft.value) sessionStorage.setItem(key, draft.value);
    else sessionStorage.removeItem(key);
  }, [draft.value]);
  const opened = conversation.value;
  const unfinished = opened ? [...opened.jobs.value.values()].filter((job) => job.unfinished).length : 0;
  useShortcuts({
    write: focusInput,
    stop: unfinished ? () => act("stopAll") : null,
    pane: goToPane,
    target: (index) => (target.value = index === null ? "" : (minds.value[index]?.id ?? target.value)),
    search: () => ((sidebarOpen.value = true), setTimeout(() => document.getElementById("search").focus())),
    fresh: () => go(null),
    help: () => (helpOpen.value = true),
  });
  return html`
    <div class=${`layout ${sidebarOpen.value ? "sidebar-open" : ""}`}>
      <${Sidebar} current=${opened?.id} onOpen=${go} onNew=${() => go(null)} user=${session.value.user}
        isAdmin=${session.value.admin} onSignOut=${signOut}
        onDeleted=${(id) => (tabs.postMessage(id), id === conversation.value?.id && go(null))}
        onRenamed=${(changed) => changed.id === conversation.value?.id && (conversation.value.title.value = changed.title ?? "")} />
      <main>
        <${Head} opened=${opened} />
        <${Panes} opened=${opened} />
        <${Console} minds=${minds.value} models=${models.value} draft=${draft} target=${target} model=${model}
          busy=${sending.value} error=${problem.value} unfinished=${unfinished} act=${act} onSend=${onSend}
          latest=${opened ? latestOf(opened) : null} />
      </main>
      <${Help} open=${helpOpen.value} onClose=${() => (helpOpen.value = false)} />
      <div class="hidden" role="status">${opened?.announcement.value}</div>
    </div>
  `;
}

function goToPane(index) {
  if (!minds.value[index]) return;
  shownPane.value = index;
  setTimeout(() => document.querySelector(`[data-pane="${minds.value[index].id}"]`).focus());
}

function Head({ opened }) {
  const title = opened ? opened.title.value || "Untitled" : "New conversation";
  useEffect(() => void (document.title = opened ? `${title} · Trimind` : "Trimind"), [title, opened]);
  return html`
    <header class="head">
      <button type="button" class="icon menu" aria-label="Conversations" aria-controls="sidebar"
        aria-expanded=${sidebarOpen.value} onClick=${() => (sidebarOpen.value = !sidebarOpen.value)}>☰</button>
      <h1>${title}</h1>
      ${opened?.connectionLost.value && html`<p class="lost" role="status">Connection lost. Reconnecting…</p>`}
      <button type="button" class="icon" aria-label="Keyboard shortcuts" onClick=${() => (helpOpen.value = true)}>?</button>
    </header>
  `;
}

function Panes({ opened }) {
  const state = opened?.state.value ?? "empty";
  if (state === "loading" || !minds.value.length) return html`<div class="middle" role="status">Loading…</div>`;
  if (state === "missing") {
    return html`<div class="middle"><p>There is no such conversation, or it was deleted.</p>
      <button type="button" onClick=${() => go(null)}>Start a new one</button></div>`;
  }
  if (state === "failed") {
    return html`<div class="middle"><p class="error" role="alert">${opened.error.value.message}</p>
      <button type="button" onClick=${() => show(new Conversation(opened.id))}>Try again</button></div>`;
  }
  if (state === "empty") return html`<${Empty} />`;
  return html`
    <div class="tabs" role="tablist" aria-label="Minds">
      ${minds.value.map(
        (mind, index) => html`
          <button type="button" role="tab" aria-selected=${shownPane.value === index} aria-controls=${`pane-${mind.id}`}
            onClick=${() => (shownPane.value = index)}>${mind.title.replace(/^The /, "")}</button>
        `,
      )}
    </div>
    <div class="panes">
      ${minds.value.map(
        (mind, index) => html`
          <${Pane} key=${mind.id} mind=${mind} index=${index} turns=${turnsOf(opened, mind)} act=${act}
            hidden=${shownPane.value !== index} hasEarlier=${opened.hasEarlier.value} onEarlier=${() => opened.loadEarlier()} />
        `,
      )}
    </div>
  `;
}

function Empty() {
  return html`
    <div class="middle empty">
      <h2>One question, ${inWords(minds.value.length)} minds</h2>
      <p>
        ${minds.value.map((mind) => mind.title).join(", ")} answer side by side. Compare their answers, keep the best one, or
        merge them.
      </p>
      <ul>
        ${EXAMPLES.map(
          (example) => html`
            <li><button type="button" onClick=${() => ((draft.value = example), focusInput())}>${example}</button></li>
          `,
        )}
      </ul>
    </div>
  `;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) conversation.value?.refresh();
});
render(html`<${App} />`, document.getElementById("app"));
restoreSession();
