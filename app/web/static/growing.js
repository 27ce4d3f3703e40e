// Markdown that grows. What can't change any more is drawn once, and laid out no more than it must be;
// only the last block is drawn again, so that a long answer gets no slower.

import { blocksOf, fill, fillWithCode, highlightAll } from "./markdown.js";

const BLOCKS_A_CHAPTER = 20;
const LINES_A_PAGE = 40;
// A list is one block. Of a longer one, all items but the last are drawn for good.
const ITEMS_AT_MOST = 20;
// A link may be defined below its use.
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

export class GrowingMarkdown {
  constructor(element) {
    this.element = element;
    this.reset();
  }

  /** Begin again without text. */
  reset() {
    this.source = this.open = "";
    this.code = null;
    this.isCut = false; // whether a list was drawn in parts
    this.element.replaceChildren();
    this.chapter = null;
    this.beginBlock();
  }

  append(text) {
    this.source += text;
    this.open += text;
    this.draw();
  }

  /** Draw what only the whole text tells. It may go on to grow nevertheless. */
  finish() {
    if (this.isCut || DEFINITION.test(this.source)) {
      const whole = this.source;
      this.reset();
      this.source = this.open = whole;
      fill(this.last, whole);
    }
    highlightAll(this.element);
  }

  draw() {
    if (this.drawOpenCode()) return;
    const settled = this.settled();
    if (settled) {
      fill(this.last, settled);
      highlightAll(this.last);
      this.open = this.open.slice(settled.length);
      this.beginBlock();
      if (this.drawOpenCode()) return;
    }
    fill(this.last, this.open);
  }

  /** The beginning of the open text that can't change any more. */
  settled() {
    const blocks = blocksOf(this.open);
    while (blocks.at(-1)?.type === "space") blocks.pop();
    const last = blocks.pop();
    const done = blocks.map((block) => block.raw);
    if (last?.type === "list" && last.items.length > ITEMS_AT_MOST) {
      this.isCut = true;
      done.push(...last.items.slice(0, -1).map((item) => item.raw));
    }
    return done.join("");
  }

  /** Draw the open text if it is a block of code that is not closed yet: its new text is appended. */
  drawOpenCode() {
    const fence = openFence(this.open);
    if (!fence) {
      this.code = null;
      return false;
    }
    this.code ??= new GrowingCode(fillWithCode(this.last, fence.lang));
    this.code.grow(fence.text);
    return true;
  }

  beginBlock() {
    if (!this.chapter || this.chapter.childElementCount === BLOCKS_A_CHAPTER) {
      this.element.append((this.chapter = newElement("chapter")));
    }
    this.chapter.append((this.last = newElement("block")));
  }
}

/** Lines of code that grow, in pages, so that the browser need not lay out all of them for a new one. */
class GrowingCode {
  constructor(element) {
    this.element = element;
    this.shown = 0;
    this.lines = LINES_A_PAGE;
  }

  grow(text) {
    for (const line of text.slice(this.shown).split(/(?<=\n)/)) {
      if (this.lines >= LINES_A_PAGE) this.beginPage();
      if (this.page.lastChild) this.page.lastChild.appendData(line);
      else this.page.append(line);
      if (line.endsWith("\n")) this.lines++;
    }
    this.shown = text.length;
  }

  beginPage() {
    this.element.append((this.page = newElement("page", "span")));
    this.lines = 0;
  }
}

function newElement(name, tag = "div") {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}

/** The language and text of a fence at the beginning that is not closed; null if there is none. */
function openFence(text) {
  const opening = /^ {0,3}(`{3,}|~{3,})([^\n`]*)\n/.exec(text);
  if (!opening) return null;
  const rest = text.slice(opening[0].length);
  const closing = new RegExp(`(^|\\n) {0,3}${opening[1][0]}{${opening[1].length},}[ \\t]*(\\n|$)`);
  return closing.test(rest) ? null : { lang: opening[2].trim().split(/\s/)[0], text: rest };
}
