// A block that has become long is drawn in parts, so that a new word costs no more than in a short
// one: what can't change any more is drawn for good, and only the rest is drawn again. Until the
// answer has ended, a part looks as if it belonged to the one before.

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
 * part begins with although its text does not; `fit(element, before)` makes a part fit the one before.
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
  return cut ? { raw: raw.slice(0, cut), kind: "paragraph", head: "", fit: () => {} } : null;
}

/** Where the last word of a text begins that is `at` in another. */
function lastWord(text, at) {
  const found = [...text.matchAll(BEGIN_OF_WORD)].at(-1);
  return found && at + found.index;
}
