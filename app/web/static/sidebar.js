// The conversations: new, open, search, rename, delete.

import { del, get, patch } from "./api.js";
import { day, inPlainWords } from "./format.js";
import { Icon } from "./icons.js";
import { batch, html, signal, useEffect, useRef } from "./ui.js";

const PAGE = 40;
const TYPING_MS = 250;

export const conversations = signal([]);
export const more = signal(false);
const query = signal("");
const error = signal("");
const editing = signal(null);
const deleting = signal(null);
let latestLoad = 0;

/** Read the list again; what was typed last wins. */
export async function loadConversations() {
  const load = ++latestLoad;
  const q = query.value.trim();
  try {
    const page = await get(`/v1/conversations?limit=${PAGE}${q ? `&q=${encodeURIComponent(q)}` : ""}`);
    if (load === latestLoad) takePage(page, []);
  } catch (failure) {
    if (load === latestLoad) error.value = inPlainWords(failure);
  }
}

async function loadMore() {
  const q = query.value.trim();
  const after = conversations.value.at(-1).id;
  try {
    const page = await get(`/v1/conversations?limit=${PAGE}&after=${after}${q ? `&q=${encodeURIComponent(q)}` : ""}`);
    takePage(page, conversations.value);
  } catch (failure) {
    error.value = inPlainWords(failure);
  }
}

function takePage(page, before) {
  batch(() => {
    error.value = "";
    conversations.value = [...before, ...page.data];
    more.value = page.has_more;
  });
}

let typing = null;
function search(text) {
  query.value = text;
  clearTimeout(typing);
  typing = setTimeout(loadConversations, TYPING_MS);
}

export function Sidebar({ current, onOpen, onNew, onDeleted, onRenamed, user, onSignOut, isAdmin }) {
  useEffect(() => void loadConversations(), []);
  return html`
    <nav class="sidebar" id="sidebar" aria-label="Conversations">
      <div class="sidebar-top">
        <button type="button" class="wide" onClick=${onNew}>New conversation</button>
        <input type="search" id="search" aria-label="Search conversations" placeholder="Search" value=${query.value}
          onInput=${({ target }) => search(target.value)} />
      </div>
      ${error.value && html`<p class="error" role="alert">${error.value}</p>`}
      <${List} current=${current} onOpen=${onOpen} onDeleted=${onDeleted} onRenamed=${onRenamed} />
      <div class="sidebar-end">
        ${isAdmin && html`<a href="/board">Board</a>`}
        <span class="user" title=${user}>${user}</span>
        <button type="button" class="link" onClick=${onSignOut}>Sign out</button>
      </div>
    </nav>
  `;
}

function List({ current, onOpen, onDeleted, onRenamed }) {
  const found = conversations.value;
  if (!found.length) {
    return html`<p class="quiet sidebar-empty">${query.value ? "Nothing found." : "No conversations yet."}</p>`;
  }
  let heading = "";
  return html`
    <ul class="conversations">
      ${found.map((each) => {
        const title = day(each.updated_at);
        const first = title !== heading;
        heading = title;
        return html`
          ${first && html`<li class="day" key=${title}>${title}</li>`}
          <${Item} key=${each.id} each=${each} current=${current} onOpen=${onOpen} onDeleted=${onDeleted} onRenamed=${onRenamed} />
        `;
      })}
      ${more.value && html`<li><button type="button" class="link" onClick=${loadMore}>Show more</button></li>`}
    </ul>
  `;
}

function Item({ each, current, onOpen, onDeleted, onRenamed }) {
  const title = each.title || "Untitled";
  if (editing.value === each.id) return html`<${Rename} each=${each} onRenamed=${onRenamed} />`;
  if (deleting.value === each.id) return html`<${Delete} each=${each} onDeleted=${onDeleted} />`;
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onOpen(each.id);
  };
  return html`
    <li class="conversation">
      <a href=${`/c/${each.id}`} dir="auto" aria-current=${current === each.id ? "page" : undefined} onClick=${open}>${title}</a>
      <button type="button" class="icon" aria-label=${`Rename ${title}`} onClick=${() => (editing.value = each.id)}><${Icon} name="pencil" /></button>
      <button type="button" class="icon" aria-label=${`Delete ${title}`} onClick=${() => (deleting.value = each.id)}><${Icon} name="bin" /></button>
    </li>
  `;
}

function Rename({ each, onRenamed }) {
  const input = useRef(null);
  useEffect(() => input.current.select(), []);
  const save = async (event) => {
    event.preventDefault();
    const title = input.current.value.trim();
    try {
      const changed = await patch(`/v1/conversations/${each.id}`, { title: title || null });
      conversations.value = conversations.value.map((other) => (other.id === each.id ? changed : other));
      editing.value = null;
      onRenamed(changed);
    } catch (failure) {
      error.value = inPlainWords(failure);
    }
  };
  const cancel = ({ key }) => key === "Escape" && (editing.value = null);
  return html`
    <li class="conversation">
      <form onSubmit=${save}>
        <input ref=${input} aria-label="Title" dir="auto" maxlength="200" defaultValue=${each.title ?? ""} onKeyDown=${cancel} />
        <button type="submit">Save</button>
      </form>
    </li>
  `;
}

function Delete({ each, onDeleted }) {
  const button = useRef(null);
  useEffect(() => button.current?.focus(), []);
  const remove = async () => {
    try {
      await del(`/v1/conversations/${each.id}`);
      conversations.value = conversations.value.filter((other) => other.id !== each.id);
      deleting.value = null;
      onDeleted(each.id);
    } catch (failure) {
      error.value = inPlainWords(failure);
    }
  };
  return html`
    <li class="conversation confirm">
      <span>Delete “${each.title || "Untitled"}” for good?</span>
      <button type="button" class="danger" ref=${button} onClick=${remove}>Delete</button>
      <button type="button" onClick=${() => (deleting.value = null)}>Keep</button>
    </li>
  `;
}
