// The page: the sidebar, three panes and the console, for the conversation that the address names.

import { get } from "./api.js";
import { Console, latestOf } from "./console.js";
import { Conversation, MANAGER, send } from "./conversation.js";
import { inPlainWords } from "./format.js";
import { Icon } from "./icons.js";
import { Panes } from "./panes.js";
import { restoreSession, session, SignIn, signOut } from "./session.js";
import { Help, useShortcuts } from "./shortcuts.js";
import { loadConversations, Sidebar } from "./sidebar.js";
import { html, render, signal, useEffect } from "./ui.js";

const PATH = /^\/c\/(conv_[0-9A-Z]{26})$/;
const NARROW = matchMedia("(max-width: 60rem)"); // where the sidebar is a drawer, as in page.css

const minds = signal([]);
const models = signal([]);
const conversation = signal(null);
const draft = signal(sessionStorage.getItem("draft new") ?? "");
const target = signal("");
const model = signal("");
const sending = signal(false);
const problem = signal("");
const helpOpen = signal(false);
const sidebarOpen = signal(false); // on a narrow screen
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
  draft.value = sessionStorage.getItem(draftKey(opened)) ?? "";
  if (opened?.state.value === "loading") opened.load();
}

function go(id) {
  history.pushState(null, "", id ? `/c/${id}` : "/");
  closeSidebar();
  openPath();
  focusInput();
}

const draftKey = (opened) => `draft ${opened?.id ?? "new"}`;
const nameOf = (mind) => minds.value.find((each) => each.id === mind)?.title ?? (mind === MANAGER ? "The Manager" : mind);
const closeSidebar = () => (sidebarOpen.value = false);
const focusInput = () => document.getElementById("message")?.focus();

// --- what a person does

function write(text) {
  draft.value = text;
  keep(conversation.value, text);
}

/** Keep a draft across a reload. */
function keep(opened, text) {
  if (text) sessionStorage.setItem(draftKey(opened), text);
  else sessionStorage.removeItem(draftKey(opened));
}

async function onSend() {
  const message = draft.value;
  if (!message.trim() || sending.value) return;
  const to = conversation.value;
  sending.value = true;
  problem.value = "";
  try {
    const accepted = await send(message, target.value, { conversationId: to?.id, model: model.value });
    if (conversation.value !== to) keep(to, ""); // another one was opened meanwhile
    else if (draft.value === message) write("");
    takeAccepted(to, message, accepted);
    tabs.postMessage(accepted.conversationId);
    loadConversations();
  } catch (error) {
    problem.value = inPlainWords(error, "Your message is still here.");
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
    opened.title.value = message.trim().split("\n")[0];
    history.pushState(null, "", `/c/${opened.id}`);
    const typedMeanwhile = draft.value;
    write("");
    show(opened);
    write(typedMeanwhile);
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
    place.value = inPlainWords(error);
  }
}

// --- what is seen

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
      (error) => (problem.value = inPlainWords(error)),
    );
    openPath();
    conversation.value?.refresh(); // it was open before the session ended
    window.addEventListener("popstate", openPath);
    return () => window.removeEventListener("popstate", openPath);
  }, []);
  const opened = conversation.value;
  const unfinished = countUnfinished(opened);
  useShortcuts(SHORTCUTS);
  return html`
    <div class=${`layout ${sidebarOpen.value ? "sidebar-open" : ""}`}>
      <${Sidebar} current=${opened?.id} onOpen=${go} onNew=${() => go(null)} user=${session.value.user}
        isAdmin=${session.value.admin} onSignOut=${signOut}
        onDeleted=${(id) => (tabs.postMessage(id), id === conversation.value?.id && go(null))}
        onRenamed=${(changed) => changed.id === conversation.value?.id && (conversation.value.title.value = changed.title ?? "")} />
      <button type="button" class="scrim" aria-label="Close the list of conversations" onClick=${closeSidebar}></button>
      <main>
        <${Head} opened=${opened} />
        <${Panes} opened=${opened} minds=${minds.value} shown=${shownPane} nameOf=${nameOf} act=${act}
          onNew=${() => go(null)} onReload=${() => show(new Conversation(opened.id))}
          onExample=${(example) => (write(example), focusInput())} />
        <${Console} minds=${minds.value} models=${models.value} draft=${draft} onDraft=${write} target=${target} model=${model}
          busy=${sending.value} error=${problem.value} unfinished=${unfinished} act=${act} nameOf=${nameOf} onSend=${onSend}
          latest=${opened ? latestOf(opened) : null} />
      </main>
      <${Help} open=${helpOpen.value} onClose=${() => (helpOpen.value = false)} />
      <div class="hidden" role="status">${opened?.announcement.value}</div>
    </div>
  `;
}

const countUnfinished = (opened) => (opened ? [...opened.jobs.value.values()].filter((job) => job.unfinished).length : 0);

const SHORTCUTS = {
  write: focusInput,
  toStop: () => {
    if (NARROW.matches && sidebarOpen.value) return closeSidebar;
    return countUnfinished(conversation.value) ? () => act("stopAll") : null;
  },
  pane: goToPane,
  target: (index) => (target.value = index === null ? "" : (minds.value[index]?.id ?? target.value)),
  search: () => ((sidebarOpen.value = true), setTimeout(() => document.getElementById("search")?.focus())),
  fresh: () => go(null),
  help: () => (helpOpen.value = true),
};

function goToPane(index) {
  if (!minds.value[index]) return;
  shownPane.value = index;
  setTimeout(() => document.querySelector(`[data-pane="${minds.value[index].id}"]`)?.focus());
}

function Head({ opened }) {
  const isMissing = opened?.state.value === "missing";
  const title = isMissing ? "Not found" : opened ? opened.title.value || "Untitled" : "New conversation";
  useEffect(() => void (document.title = opened ? `${title} · Trimind` : "Trimind"), [title, opened]);
  return html`
    <header class="head">
      <button type="button" class="icon menu" aria-label="Conversations" aria-controls="sidebar"
        aria-expanded=${sidebarOpen.value} onClick=${() => (sidebarOpen.value = !sidebarOpen.value)}><${Icon} name="menu" /></button>
      <h1 dir="auto">${title}</h1>
      ${opened?.trouble.value && html`<p class="lost" role="status">${opened.trouble.value}</p>`}
      <button type="button" class="icon help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" onClick=${() => (helpOpen.value = true)}>?</button>
    </header>
  `;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) conversation.value?.refresh();
});
render(html`<${App} />`, document.getElementById("app"));
restoreSession();
