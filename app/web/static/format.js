// Numbers, times and codes as people read them.

export const STAGES = { intent: "Reading the intent", compress: "Compressing", generate: "Generating", persist: "Saving" };

export function seconds(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function dollars(text) {
  const value = Number(text);
  if (value === 0) return "$0";
  return value < 0.01 ? `$${value.toFixed(6).replace(/0+$/, "")}` : `$${value.toFixed(2)}`;
}

export const count = (number) => number.toLocaleString("en");

const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** A small number as a word. */
export const inWords = (number) => WORDS[number] ?? count(number);

/** "today", "yesterday" or the date. */
export function day(text, now = new Date()) {
  const date = new Date(text);
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return date.toLocaleDateString("en", { day: "numeric", month: "long", year: days > 300 ? "numeric" : undefined });
}

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());

/** Seconds to wait, as people say them. */
export function inTime(waitS) {
  if (waitS < 100) return `${Math.ceil(waitS)} s`;
  return waitS < 6000 ? `${Math.ceil(waitS / 60)} min` : `${Math.ceil(waitS / 3600)} h`;
}

// What a person can do about a failed job or a refused call, by its code.
const ADVICE = {
  unreachable: "Check your connection. Nothing that was accepted is lost.",
  unauthorized: "Sign in again.",
  csrf_failed: "Reload the page and try again.",
  budget_exceeded: "Wait for answers that are on their way, shorten the message, or ask your administrator for a higher budget.",
  conversation_busy: "Wait for the answer, or stop it.",
  too_many_jobs: "Wait until some have ended, or stop some.",
  provider_rejected: "Rephrase the message, or pick another model.",
  provider_misconfigured: "Tell your administrator: a provider's key or address is wrong.",
  no_model: "Tell your administrator: no model has a key.",
  deadline_exceeded: "Retry it, or shorten the message.",
  not_found: "Reload the page.",
  body_too_large: "Shorten the message.",
  database_unavailable: "Try again in a moment.",
  context_too_long: "Shorten the message, or start a new conversation.",
  poison: "Retry it; if it fails again, tell your administrator.",
  provider_unavailable: "Retry it later, or pick another model.",
  rate_limited: "Retry it later, or pick another model.",
};
const TOO_MANY = 429;

export const advice = (code, otherwise = "Try again.") => ADVICE[code] ?? otherwise;

/** What a refused or failed call says, and what to do about it. */
export function inPlainWords({ message, status, code, retryAfterS }, otherwise) {
  const what = sentence(message);
  if (status === TOO_MANY && retryAfterS && !ADVICE[code]) return `${what} Try again in ${inTime(retryAfterS)}.`;
  return `${what} ${advice(code, otherwise)}`;
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

// Why a job waits to be tried again, by the code of the failure.
const WAITS = {
  circuit_open: "The provider has failed several times in a row, and is given a rest.",
  database_unavailable: "The database can't be reached.",
  provider_unavailable: "The provider can't be reached, or fails.",
  rate_limited: "The provider has no room for more requests at the moment.",
};

export const whyItWaits = (code) => WAITS[code] ?? `The last attempt failed (${code.replaceAll("_", " ")}).`;
