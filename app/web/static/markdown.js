// Markdown that a model wrote, as safe HTML: its raw HTML is shown as text, its images as links, and
// what is left passes a sanitizer.

import DOMPurify from "./vendor/dompurify.js";
import { Marked } from "./vendor/marked.js";

const SAFE_LINK = /^(https?:|mailto:)/i;
const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "button", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr", "input",
    "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["align", "checked", "class", "disabled", "href", "rel", "start", "tabindex", "target", "type"],
  ALLOW_DATA_ATTR: false,
  RETURN_TRUSTED_TYPE: true,
};

export const escape = (text) => text.replace(/[&<>"']/g, (character) => ESCAPED[character]);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escape(text),
    code: ({ text, lang }) => codeBlock(text, (lang ?? "").split(/\s/)[0]),
    heading({ tokens, depth }) {
      // The page's own headings are h1 and h2.
      const level = Math.min(depth + 2, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    image: ({ href, text }) => link(href, escape(text || href)),
    link({ href, tokens }) {
      return link(href, this.parser.parseInline(tokens));
    },
    table(token) {
      const row = (cells) => `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>`;
      const body = token.rows.map(row).join("");
      return `<div class="table" tabindex="0"><table><thead>${row(token.header)}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

function link(href, inner) {
  if (!SAFE_LINK.test(href)) return inner;
  return `<a href="${escape(href)}" rel="noopener noreferrer nofollow" target="_blank">${inner}</a>`;
}

function codeBlock(text, lang) {
  const name = lang ? `<span>${escape(lang)}</span>` : "<span></span>";
  return (
    `<div class="code"><div class="code-head">${name}<button type="button" class="copy">Copy</button></div>` +
    `<pre tabindex="0"><code class="language-${escape(lang.replace(/[^\w#+-]/g, ""))}">${escape(text)}\n</code></pre></div>`
  );
}

/** What is safe of some HTML. */
export const clean = (unsafe) => DOMPurify.sanitize(unsafe, ALLOWED);

/** The blocks of a text, each with its `type` and its `raw` Markdown. */
export const blocksOf = (source) => marked.lexer(source);

/** The HTML of blocks, which is not safe before `fill` has cleaned it. */
export const htmlOf = (blocks) => marked.parser(blocks);

/** Fill an element with the HTML of blocks, each of which reads from its own side, but code from the left. */
export function fill(element, html) {
  element.innerHTML = clean(html);
  // The browser finds an "auto" direction anew for each node that is added: of a long block, for seconds.
  for (const block of element.children) block.dir = block.className === "code" ? "ltr" : "auto";
}

/** Fill an element with a block of code that has no text yet; returns the element that its text goes to. */
export function fillWithCode(element, lang) {
  fill(element, codeBlock("", lang));
  const code = element.querySelector("code");
  code.textContent = "";
  return code;
}

/** Copy a block of code when its button is clicked; for an element that holds many. */
export async function copyCode(event) {
  const button = event.target.closest?.("button.copy");
  if (!button) return;
  const code = button.closest(".code").querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
