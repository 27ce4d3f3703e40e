// The receipt behind an answer: what was decided, what it cost, how long it took.

import { get } from "./api.js";
import { count, dollars, inPlainWords, seconds } from "./format.js";
import { html, useState } from "./ui.js";

const WORK = { intent: "Finding the intent", compress: "Compressing", generate: "Generating", persist: "Saving" };

export function Receipt({ job }) {
  const body = job.body.value;
  const stages = Object.fromEntries(body.stages.map((stage) => [stage.name, stage]));
  const { intent, compress, generate } = stages;
  const total = Date.parse(body.completed_at) - Date.parse(body.created_at);
  const model = body.route?.model;
  return html`
    <details class="receipt">
      <summary>
        <span class="receipt-model">${model ?? "no model"}</span>
        <span>${seconds(total)}</span>
        <span>${dollars(body.usage.cost_usd)}</span>
      </summary>
      <dl>
        <${Row} name="Intent" shown=${intent.intent}>
          ${intent.intent}${intent.confidence !== undefined && ` (${Math.round(intent.confidence * 100)} % sure)`}
        </${Row}>
        <${Row} name="Model" shown=${model}>
          ${model}${" "}<span class="quiet">${why(body.route?.reason)}</span>
        </${Row}>
        <${Row} name="Tried before" shown=${generate.tried?.length}>
          ${generate.tried?.map((each) => `${each.model} (${each.code.replaceAll("_", " ")})`).join(", ")}
        </${Row}>
        <${Row} name="Fallbacks" shown=${body.route?.fallbacks.length}>${body.route?.fallbacks.join(", ")}</${Row}>
        <${Row} name="Tokens" shown=${true}>
          ${count(body.usage.input_tokens)} in, ${count(body.usage.output_tokens)} out
        </${Row}>
        <${Row} name="Compressed" shown=${compress.tokens_before}>
          ${count(compress.tokens_before ?? 0)} to ${count(compress.tokens_after ?? 0)} tokens
          ${" "}<span class="quiet">${compress.compressor}</span>
        </${Row}>
        <${Cut} job=${job} shown=${compress.tokens_before} />
        ${body.stages.map(
          (stage) => html`
            <${Row} name=${WORK[stage.name]} shown=${true}>
              ${stage.status === "completed" ? seconds(stage.ms) : stage.status}
              ${stage.code && html`${" "}<span class="quiet">${stage.code.replaceAll("_", " ")}</span>`}
            </${Row}>
          `,
        )}
        <${Row} name="Cost" shown=${true}>${dollars(body.usage.cost_usd)}</${Row}>
        <${Row} name="Job" shown=${true}><code>${body.id}</code></${Row}>
      </dl>
    </details>
  `;
}

function Row({ name, shown, children }) {
  return shown ? html`<div><dt>${name}</dt><dd>${children}</dd></div>` : null;
}

function why(reason) {
  if (reason === "pinned") return "chosen by you";
  return reason ? `because of the ${reason.replace(":", " ")}` : "";
}

/** The prompt with what compression cut from it, on demand. */
function Cut({ job, shown }) {
  const [words, setWords] = useState(null);
  const [error, setError] = useState("");
  const show = async () => {
    try {
      const { original, compressed } = await get(`/v1/jobs/${job.id}/prompt`);
      setWords(cutWords(original, compressed));
    } catch (failure) {
      setError(inPlainWords(failure));
    }
  };
  if (!shown) return null;
  if (words) {
    const written = words.map(({ text, cut }) => (cut ? html`<del>${text}</del>` : text));
    return html`<div class="wide"><dt>What was cut</dt><dd class="cut">${written}</dd></div>`;
  }
  return html`
    <${Row} name="Cut" shown=${true}>
      ${error
        ? html`<p class="error" role="alert">${error}</p>`
        : html`<button type="button" class="link" onClick=${show}>Show what was cut</button>`}
    </${Row}>
  `;
}

/** The original in runs of words that were kept or cut, in order. */
export function cutWords(original, compressed) {
  const kept = compressed.split(/\s+/).filter(Boolean);
  const runs = [];
  let at = 0;
  for (const part of original.split(/(\s+)/)) {
    const space = /^\s*$/.test(part);
    const cut = space ? (runs.at(-1)?.cut ?? false) : part !== kept[at];
    if (!space && !cut) at++;
    if (runs.length && runs.at(-1).cut && !cut) runs.push(spaceAtTheEndOf(runs.at(-1)));
    if (runs.length && runs.at(-1).cut === cut) runs.at(-1).text += part;
    else runs.push({ text: part, cut });
  }
  return runs;
}

/** Take the white space from the end of a run, so that it is not struck through. */
function spaceAtTheEndOf(run) {
  const words = run.text.trimEnd();
  const text = run.text.slice(words.length);
  run.text = words;
  return { text, cut: false };
}
