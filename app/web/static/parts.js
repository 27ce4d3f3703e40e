// A block that has become long is drawn in parts, so that a new word costs no more than in a short
// one: what can't change any more is drawn for good, and only the rest is drawn again. Until the
// answer has ended, a part looks as if it belonged to the one before; then they are joined.

const ITEMS_AT_MOST = 4;
const ROWS_AT_MOST = 8;
const CHARACTERS_AT_MOST = 2000;
// What is not cut from the end of a paragraph yet: emphasis or a link may begin in it.
const CHARACTERS_OPEN = 500;
const BEGIN_OF_WORD = /(?<=\s)\p{L}/gu;

/**
 * What of a block can be drawn for good, or null.
 *
 * `raw` is its Markdown; `kind` is what the next part continues; `head` is the Markdown that the next
 * part begins with although its text does not; `breaks` says whether a line ends between it and the
 * next part; `fit(element, before)` makes a part fit the one before.
 */
export function partOf(block, last) {
  if (block.type === "list") return partOfList(block, last);
  if (block.type === "table") return partOfTable(block, last);
  return block.type === "paragraph" ? partOfParagraph(block) : null;
}

function partOfList({ items, ordered, start }, last) {
  if (items.length <= ITEMS_AT_MOST) return null;
  const done = items.slice(0, -1);
  const next = (last?.next ?? start) + done.length;
  const fit = (element) => ordered && element.firstElementChild?.setAttribute("start", next);
  return { raw: done.map((item) => item.raw).join(""), kind: "list", head: "", next, fit };
}

function partOfTable({ raw, rows }, last) {
  if (rows.length <= ROWS_AT_MOST) return null;
  const lines = raw.trimEnd().split(/(?<=\n)/);
  const columns = last?.columns ?? {};
  return {
    raw: lines.slice(0, -1).join(""),
    kind: "table",
    head: lines.slice(0, 2).join(""),
    columns,
    fit: (element, before) => fitTable(element.querySelector("table"), before.querySelector("table"), columns),
  };
}

/** Give the rows of a part the columns of the first part, and no head. */
function fitTable(table, first, columns) {
  columns.table ??= first.offsetWidth;
  columns.cells ??= [...first.rows[0].cells].map((cell) => cell.offsetWidth);
  table.tHead.remove();
  const [row] = table.rows;
  if (!row) return table.parentElement.remove();
  setWidth(table, columns.table);
  columns.cells.forEach((width, index) => setWidth(row.cells[index], width));
}

const setWidth = (element, width) => element.style.setProperty("width", `${width}px`);

function partOfParagraph({ raw, tokens }) {
  const end = raw.length - CHARACTERS_OPEN;
  if (raw.length <= CHARACTERS_AT_MOST) return null;
  let cut = 0;
  let at = 0;
  for (const token of tokens) {
    if (token.type === "br") cut = at;
    if (token.type === "text") cut = lastWord(token.raw.slice(0, end - at), at) ?? cut;
    at += token.raw.length;
    if (at >= end) break;
  }
  const breaks = /^ *\n/.test(raw.slice(cut));
  return cut ? { raw: raw.slice(0, cut), kind: "paragraph", head: "", breaks, fit: () => {} } : null;
}

/** Where the last word of a text begins that is `at` in another. */
function lastWord(text, at) {
  const found = [...text.matchAll(BEGIN_OF_WORD)].at(-1);
  return found && at + found.index;
}

// How the HTML of a part begins, and how that of the one before ends.
const SEAMS = {
  list: (html) => seam(/^<(ol|ul)\b[^>]*>\n/.exec(html), (tag) => `</${tag}>\n`),
  table: (html) => seam(/^<div class="table"[^>]*><table><thead>.*?<tbody>/s.exec(html), () => "</tbody></table></div>"),
  paragraph: (html) => seam(/^<p>/.exec(html), () => "</p>\n"),
};
const seam = (found, tailOf) => found && { head: found[0], tail: tailOf(found[1]) };

/** The HTML of drawn blocks whose parts are joined. */
export function htmlOfJoined(drawn) {
  const pieces = [];
  for (const { html, part, before } of withSeams(drawn)) {
    if (before) {
      pieces.push(pieces.pop().slice(0, -before.tail.length));
      if (part.breaks) pieces.push("<br>");
    }
    pieces.push(html.slice(before?.head.length ?? 0));
  }
  return pieces.join("");
}

/** Join the parts in the document. */
export function joinParts(drawn) {
  const joined = new Set();
  let last = null;
  for (const { element, part, before } of withSeams(drawn)) {
    if (!before) last = element;
    else {
      joined.add(last.lastElementChild);
      last.lastElementChild.removeAttribute("dir"); // found anew for each child that is added
      join(last, element, part);
    }
  }
  for (const block of joined) block.dir = "auto";
}

/** Drawn blocks, with the seam `before` those that continue the one before them. */
function withSeams(drawn) {
  return drawn.map((block, index) => {
    const found = block.part && SEAMS[block.part.kind](block.html);
    return { ...block, before: found && drawn[index - 1].html.endsWith(found.tail) ? found : null };
  });
}

function join(last, element, { kind, breaks }) {
  const [first, ...rest] = element.childNodes;
  const to = last.lastElementChild;
  if (kind === "list") to.append(...[...first.childNodes].slice(1));
  if (kind === "table") joinRows(to.querySelector("tbody"), first?.querySelectorAll("tbody > tr") ?? []);
  if (kind === "paragraph") {
    if (breaks) to.append(document.createElement("br"));
    to.append(...first.childNodes);
    to.normalize();
  }
  while (to.nextSibling) to.nextSibling.remove();
  last.append(...rest);
  removeBlock(element);
}

function joinRows(body, rows) {
  // Chromium writes the attribute when it is asked for, and removes only what is written.
  for (const cell of rows[0]?.cells ?? []) if (cell.hasAttribute("style")) cell.removeAttribute("style");
  body.append(...rows);
}

function removeBlock(element) {
  const chapter = element.parentElement;
  if (chapter.firstElementChild === element) delete chapter.dataset.part;
  element.remove();
  if (!chapter.childElementCount) chapter.remove();
}
