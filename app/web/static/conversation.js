// The open conversation: its messages, its jobs, and the one stream that keeps them up to date.

import { get, post, UNREACHABLE } from "./api.js";
import { Stream } from "./stream.js";
import { batch, signal } from "./ui.js";

export const MANAGER = "manager";
const PAGE = 50;
const UNFINISHED = new Set(["queued", "in_progress"]);

/** A job: what the API says of it, and what its stream has added since. */
export class Job {
  constructor(body) {
    this.id = body.id;
    this.mind = body.mind;
    this.messageId = body.message_id;
    this.broadcastId = body.broadcast_id;
    this.createdAt = Date.parse(body.created_at);
    this.body = signal(body);
    this.status = signal(body.status);
    this.stages = signal(Object.fromEntries(body.stages.map((stage) => [stage.name, stage])));
    this.text = body.output ?? "";
    this.problem = signal(""); // why it could not be stopped, retried or kept
    this.hasText = signal(this.text !== "");
    // Called with each new piece of text, and with null if the text begins again.
    this.listeners = new Set();
  }

  get unfinished() {
    return UNFINISHED.has(this.status.value);
  }

  /** The stage that runs, or null. */
  get stage() {
    const running = Object.values(this.stages.value).find((stage) => stage.status === "running");
    return running?.name ?? null;
  }

  /** The code of the failure after which it waits to be tried again, or null. */
  get waitsFor() {
    const waiting = Object.values(this.stages.value).find((stage) => stage.status === "pending" && stage.reason);
    return waiting?.reason ?? null;
  }

  /** Take an event of its stream. */
  take(event) {
    batch(() => {
      const kind = event.type.slice("job.".length);
      if (kind === "stage") this.takeStage(event.stage);
      else if (kind === "delta") this.addText(event.text);
      else if (kind === "snapshot") this.setText(event.text);
      else if (kind === "restarted") this.setText("");
      else if (event.job) this.update(event.job);
    });
  }

  /** Take what the API says now. */
  update(body) {
    batch(() => {
      this.body.value = body;
      this.status.value = body.status;
      this.stages.value = Object.fromEntries(body.stages.map((stage) => [stage.name, stage]));
      if (body.output !== null && body.output !== this.text) this.setText(body.output);
    });
  }

  takeStage(stage) {
    this.stages.value = { ...this.stages.value, [stage.name]: stage };
    if (this.status.value === "queued") this.status.value = "in_progress";
  }

  addText(text) {
    this.text += text;
    this.hasText.value = true;
    for (const listener of this.listeners) listener(text);
  }

  setText(text) {
    this.text = text;
    this.hasText.value = text !== "";
    for (const listener of this.listeners) listener(null);
  }
}

/** An open conversation. */
export class Conversation {
  constructor(id) {
    this.id = id;
    this.state = signal("loading"); // or "ready", "missing", "failed"
    this.error = signal(null);
    this.title = signal("");
    this.messages = signal(new Map()); // the user's messages, by id, oldest first
    this.jobs = signal(new Map()); // by id, oldest first
    this.broadcasts = signal(new Map());
    this.hasEarlier = signal(false);
    this.trouble = signal(""); // why the stream is not open although it should be
    this.announcement = signal("");
    this.stream = null;
    this.closed = false;
  }

  close() {
    this.closed = true;
    this.stream?.close();
  }

  async load() {
    try {
      const [about, page] = await Promise.all([get(`/v1/conversations/${this.id}`), this.fetchPage()]);
      batch(() => {
        this.title.value = about.title ?? "";
        this.takePage(page);
        this.noteEarlier(page);
        this.state.value = "ready";
      });
      this.follow();
    } catch (error) {
      this.error.value = error;
      this.state.value = error.status === 404 ? "missing" : "failed";
    }
  }

  /** Read what has changed, for instance in another tab. */
  async refresh() {
    if (this.closed || this.state.value !== "ready") return;
    const page = await this.fetchPage();
    batch(() => this.takePage(page));
    this.follow();
  }

  async loadEarlier() {
    const before = this.earliest;
    const page = await this.fetchPage(before);
    if (this.earliest !== before) return; // clicked twice, or in two panes
    batch(() => {
      this.takePage(page);
      this.noteEarlier(page);
    });
  }

  async fetchPage(before = {}) {
    const of = (what, query, after) =>
      get(`/v1/${what}?limit=${PAGE}${query}${after ? `&after=${after}` : ""}`);
    const here = `&conversation_id=${this.id}`;
    const none = { data: [], has_more: false, last_id: null };
    const [messages, jobs, broadcasts] = await Promise.all([
      before.messages === null ? none : of(`conversations/${this.id}/messages`, "&order=desc", before.messages),
      before.jobs === null ? none : of("jobs", here, before.jobs),
      before.broadcasts === null ? none : of("broadcasts", here, before.broadcasts),
    ]);
    return { messages, jobs, broadcasts };
  }

  takePage({ messages, jobs, broadcasts }) {
    const said = new Map(this.messages.value);
    for (const message of messages.data) if (message.role === "user") said.set(message.id, message);
    this.messages.value = sorted(said);
    for (const each of broadcasts.data) this.takeBroadcast(each);
    for (const body of jobs.data) this.takeJob(body);
  }

  /** Remember where the page before this one begins. */
  noteEarlier({ messages, jobs, broadcasts }) {
    const next = (page) => (page.has_more ? page.last_id : null);
    this.earliest = { messages: next(messages), jobs: next(jobs), broadcasts: next(broadcasts) };
    this.hasEarlier.value = Object.values(this.earliest).some((after) => after !== null);
  }

  takeJob(body) {
    const known = this.jobs.value.get(body.id);
    if (known) {
      if (!(UNFINISHED.has(body.status) && !known.unfinished)) known.update(body);
      return known;
    }
    const job = new Job(body);
    this.jobs.value = sorted(new Map(this.jobs.value).set(job.id, job));
    return job;
  }

  takeBroadcast(body) {
    this.broadcasts.value = new Map(this.broadcasts.value).set(body.id, body);
    for (const job of body.jobs) this.takeJob(job);
    if (body.merge) this.takeJob(body.merge);
  }

  takeMessage(message) {
    this.messages.value = sorted(new Map(this.messages.value).set(message.id, message));
  }

  /** Open the stream if a job is unfinished that it does not carry yet. */
  follow() {
    const unfinished = [...this.jobs.value.values()].filter((job) => job.unfinished);
    const followed = this.followed ?? new Set();
    if (this.closed || unfinished.every((job) => followed.has(job.id))) return;
    const position = this.stream && !this.stream.closed ? this.stream.position : "";
    this.stream?.close();
    const fresh = unfinished.filter((job) => !position.includes(bare(job.id)));
    this.followed = new Set(unfinished.map((job) => job.id));
    for (const job of fresh) if (job.text) job.setText("");
    const start = [position, ...fresh.map((job) => `${bare(job.id)}.0`)].filter(Boolean).join("~");
    const path = (at) => `/v1/conversations/${this.id}/events?starting_after=${at}`;
    this.stream = new Stream(path, start, {
      onEvent: (event) => this.take(event),
      onIdle: () => this.settle(),
      onConnection: (error) => (this.trouble.value = error ? inTrouble(error) : ""),
      onRefused: (error) => this.restart(error),
    });
  }

  take(event) {
    const job = this.jobs.value.get(event.job_id);
    if (!job) return;
    job.take(event);
    if (event.job) this.announce(job);
    if (event.job && job.mind === MANAGER) this.readBroadcast(job.broadcastId);
  }

  announce(job) {
    const said = { completed: "has answered", failed: "has failed", cancelled: "was stopped", expired: "was too late" };
    this.announcement.value = `${this.nameOf?.(job.mind) ?? job.mind} ${said[job.status.value]}.`;
  }

  async readBroadcast(id) {
    const body = await get(`/v1/broadcasts/${id}`);
    batch(() => this.takeBroadcast(body));
  }

  /** The stream has ended, as all jobs have. */
  settle() {
    this.trouble.value = "";
    this.followed = null;
    if ([...this.jobs.value.values()].some((job) => job.unfinished)) this.refresh();
  }

  async restart(error) {
    this.followed = null;
    this.trouble.value = "";
    if (error.status === 401) return;
    if (error.status === 404) this.state.value = "missing";
    else await this.refresh();
  }

  // --- what a person does

  async stop(job) {
    await ignoring(409, async () => this.takeJob(await post(`/v1/jobs/${job.id}/cancel`)));
  }

  async stopAll() {
    const unfinished = [...this.jobs.value.values()].filter((job) => job.unfinished);
    await Promise.all(unfinished.map((job) => this.stop(job)));
  }

  async retry(job) {
    this.takeJob(await post(`/v1/jobs/${job.id}/retry`));
    this.follow();
  }

  async choose(job) {
    const body = await post(`/v1/broadcasts/${job.broadcastId}/choose`, { job_id: job.id });
    batch(() => this.takeBroadcast(body));
  }

  async merge(broadcast) {
    this.takeJob(await post(`/v1/broadcasts/${broadcast.id}/merge`));
    this.follow();
  }
}

/** Send a message to one mind, or to all. Returns the id of its conversation, and what was accepted. */
export async function send(message, mind, { conversationId, model }) {
  const shared = { message, conversation_id: conversationId ?? undefined, model: model || undefined };
  if (mind) {
    const job = await post("/v1/jobs", { ...shared, mind });
    return { conversationId: job.conversation_id, messageId: job.message_id, job };
  }
  const broadcast = await post("/v1/broadcasts", shared);
  return { conversationId: broadcast.conversation_id, messageId: broadcast.message_id, broadcast };
}

const inTrouble = ({ code, message }) =>
  code && code !== UNREACHABLE.code ? `${message} Trying again…` : "Connection lost. Reconnecting…";
const bare = (jobId) => jobId.slice("job_".length);
// Ids sort by time.
const sorted = (map) => new Map([...map].sort(([one], [other]) => (one < other ? -1 : 1)));

async function ignoring(status, act) {
  try {
    await act();
  } catch (error) {
    if (error.status !== status) throw error; // it has ended meanwhile
  }
}
