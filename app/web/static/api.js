// Calls of the public API, by the browser's session.

const RETRIES = 3;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_S = 2;
const WORTH_A_RETRY = new Set([429, 502, 503, 504]);

let csrfToken = "";
let onSignedOut = () => {};

/** Use this CSRF token from now on. */
export function useToken(token) {
  csrfToken = token;
}

/** Call this when the server says that nobody is signed in. */
export function whenSignedOut(listener) {
  onSignedOut = listener;
}

/** A refused or failed call. `status` is 0 if the server was not reached. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || "The call failed.");
    this.status = status;
    this.code = problem.code ?? "";
    this.requestId = problem.request_id ?? "";
    this.retryAfterS = problem.retryAfterS ?? null;
  }
}

export const UNREACHABLE = { code: "unreachable", detail: "The server can't be reached." };

export const get = (path, options) => call("GET", path, undefined, options);
export const patch = (path, body) => call("PATCH", path, body);
export const del = (path) => call("DELETE", path);

/** POST, at most once for the server: a retry carries the same Idempotency-Key. */
export async function post(path, body = {}) {
  const headers = { "Idempotency-Key": randomKey() };
  for (let retries = 0; ; retries++) {
    try {
      return await call("POST", path, body, { headers });
    } catch (error) {
      const again = error.status === 0 || WORTH_A_RETRY.has(error.status);
      const notBeforeS = error.retryAfterS ?? 0;
      if (!again || retries === RETRIES || notBeforeS > LONGEST_PAUSE_S) throw error;
      await pause(Math.max(FIRST_PAUSE_MS * 2 ** retries * (0.5 + Math.random()), 1000 * notBeforeS));
    }
  }
}

/** A response whose body is read as it comes. */
export async function open(path, { signal }) {
  const response = await reach(path, { headers: { Accept: "text/event-stream" }, signal });
  if (!response.ok) throw await errorOf(response);
  return response;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function call(method, path, body, { headers = {}, signal } = {}) {
  const sent = { method, signal, headers: { Accept: "application/json", ...headers } };
  if (method !== "GET") sent.headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) {
    sent.headers["Content-Type"] = "application/json";
    sent.body = JSON.stringify(body);
  }
  const response = await reach(path, sent);
  if (!response.ok) throw await errorOf(response);
  return response.status === 204 ? null : response.json();
}

async function reach(path, sent) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", ...sent });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, UNREACHABLE);
  }
}

async function errorOf(response) {
  const problem = await response.json().catch(() => ({}));
  problem.retryAfterS = Number(response.headers.get("Retry-After")) || null;
  if (response.status === 401) onSignedOut();
  return new ApiError(response.status, problem);
}

// `crypto.randomUUID` is missing on a page that came over plain HTTP from another host.
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
