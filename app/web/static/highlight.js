// The colours of code. A long block is coloured in slices, so that no frame waits for all of it.

import { clean } from "./markdown.js";

// The languages in vendor/highlight, and the other names that models give them.
const LANGUAGES = new Set(
  ("bash c cpp csharp css diff dockerfile go ini java javascript json kotlin markdown php python ruby rust sql " +
    "swift typescript xml yaml").split(" "),
);
const ALIASES = {
  "c#": "csharp", "c++": "cpp", cs: "csharp", golang: "go", html: "xml", js: "javascript", jsx: "javascript",
  kt: "kotlin", md: "markdown", py: "python", rb: "ruby", rs: "rust", sh: "bash", shell: "bash", svg: "xml",
  toml: "ini", ts: "typescript", tsx: "typescript", yml: "yaml", zsh: "bash",
};

const begun = new WeakSet(); // the blocks that are coloured, or are being coloured
const LINES_A_SLICE = 40;
const WORK_A_FRAME_MS = 8;
const TAG_OR_LINE_END = /<(\/?)span|\n/g;

/** Colour the code blocks of an element that are not coloured yet. */
export async function highlightAll(element) {
  for (const code of element.querySelectorAll("pre > code")) {
    const given = /language-([^\s]+)/.exec(code.className)?.[1].toLowerCase() ?? "";
    const name = ALIASES[given] ?? given;
    if (LANGUAGES.has(name) && !begun.has(code)) await highlight(code, name);
  }
}

async function highlight(code, language) {
  const [{ default: hljs }, { default: grammar }] = await Promise.all([
    import("./vendor/highlight/core.js"),
    import(`./vendor/highlight/${language}.js`),
  ]);
  if (!hljs.getLanguage(language)) hljs.registerLanguage(language, grammar);
  if (begun.has(code)) return; // by a call that waited for the same files
  begun.add(code);
  const text = code.textContent;
  const coloured = document.createDocumentFragment();
  let began = performance.now();
  for (const slice of slicesOf(hljs.highlight(text, { language }).value)) {
    if (performance.now() - began > WORK_A_FRAME_MS) {
      await new Promise(requestAnimationFrame);
      began = performance.now();
    }
    const lines = document.createElement("span");
    lines.innerHTML = clean(slice);
    coloured.append(...lines.childNodes);
  }
  if (code.textContent === text) code.replaceChildren(coloured);
}

/** Some lines each, of which none ends within a coloured span. */
function* slicesOf(html) {
  let begin = 0;
  let depth = 0;
  let lines = 0;
  for (const { 0: found, 1: slash, index } of html.matchAll(TAG_OR_LINE_END)) {
    if (found !== "\n") depth += slash ? -1 : 1;
    else if (++lines >= LINES_A_SLICE && !depth) {
      yield html.slice(begin, index + 1);
      begin = index + 1;
      lines = 0;
    }
  }
  yield html.slice(begin);
}
