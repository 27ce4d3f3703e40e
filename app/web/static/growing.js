// Markdown that grows. What can't change any more is drawn once, and laid out no more than it must be;
// only the rest is drawn again, so that a long answer gets no slower.

import { highlightAll } from "./highlight.js";
import { blocksOf, fill, fillWithCode, htmlOf } from "./markdown.js";
import { htmlOfJoined, joinParts, partOf } from "./parts.js";

const BLOCKS_A_CHAPTER = 20;
const LINES_A_PAGE = 40;
const FENCE = /^(?:[ \t]*\n)* {0,3}(`{3,}|~{3,})([^\n`]*)\n/;
// A link may be defined below its use.
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;
// What may be the beginning of an item's number.
const NUMBER = /^ {0,3}\d{1,9}$/;

export class GrowingMarkdown {
  constructor(element) {
    this.element = element;
    this.reset();
  }

  /** Begin again without text. */
  reset() {
    this.source = this.open = this.held = "";
    this.code = null;
    this.part = null; // what the open text continues: the last part of a block
    this.hasEnded = this.isWhole = false;
    this.drawn = []; // of each block, its element and its HTML, and the part that it continues
    this.element.replaceChildren();
    this.chapter = null;
    this.beginBlock();
  }

  append(text) {
    this.source += text;
    if (this.isWhole) return this.drawWhole();
    const arrived = this.held + text;
    this.held = arrived.endsWith("\r") ? "\r" : ""; // the rest of a line's end may follow
    this.open += arrived.slice(0, arrived.length - this.held.length).replaceAll("\r\n", "\n");
    this.draw();
  }

  /** Draw the rest, and what only the whole text tells. It may go on to grow nevertheless. */
  finish(text) {
    const hasGrown = this.drawn.length > 1;
    this.hasEnded = true;
    if (text) this.append(text);
    if (!this.isWhole && (hasGrown || DEFINITION.test(this.source))) this.makeWhole();
    highlightAll(this.element);
  }

  /** Make sure that it is what the whole text gives: by joining its parts, or by drawing it anew, which takes long. */
  makeWhole() {
    if (this.code) this.drawn.at(-1).html = htmlOf(blocksOf(this.open));
    if (htmlOfJoined(this.drawn) !== htmlOf(blocksOf(this.source))) return this.drawWhole();
    joinParts(this.drawn);
    this.isWhole = true;
  }

  drawWhole() {
    const whole = this.source;
    this.reset();
    this.hasEnded = this.isWhole = true;
    this.source = whole;
    fill(this.last, htmlOf(blocksOf(whole)));
  }

  draw() {
    for (;;) {
      if (this.drawOpenCode()) return;
      const blocks = blocksOf((this.part?.head ?? "") + this.open);
      const done = this.doneOf(blocks);
      if (!done) return this.fillLast(blocks);
      this.fillLast(done.blocks);
      highlightAll(this.last);
      this.open = this.open.slice(Math.max(0, done.raw.length - (this.part?.head.length ?? 0)));
      this.part = done.part;
      this.beginBlock();
    }
  }

  /** The blocks at the beginning of these that can't change any more, or a part of the only one. */
  doneOf(blocks) {
    const written = blocks.filter((block) => block.type !== "space");
    const last = written.at(-1);
    if (!last) return null;
    const isClosed = written.length === 1 && isFenced(last) && rawOf(blocks).endsWith("\n");
    if (last.type === "paragraph" && NUMBER.test(last.raw) && written.at(-2)?.type === "list") return null;
    const done = isClosed ? blocks : blocks.slice(0, blocks.indexOf(last));
    if (isClosed || written.length > 1) return { blocks: done, raw: rawOf(done), part: null };
    const part = this.hasEnded ? null : partOf(last, this.part);
    return part && { blocks: blocksOf(part.raw), raw: rawOf(done) + part.raw, part };
  }

  fillLast(blocks) {
    const html = htmlOf(blocks);
    this.drawn.at(-1).html = html;
    fill(this.last, html);
    if (this.part && blocks.length) this.part.fit(this.last, this.before);
  }

  /** Draw the open text if it is a block of code that is not closed yet: its new text is appended. */
  drawOpenCode() {
    this.code ??= OpenCode.of(this.open);
    if (!this.code?.isOpenIn(this.open)) {
      this.code = null;
      return false;
    }
    this.code.drawIn(this.last, this.open);
    return true;
  }

  beginBlock() {
    if (!this.chapter || this.chapter.childElementCount === BLOCKS_A_CHAPTER) {
      this.element.append((this.chapter = newElement("chapter", this.part)));
    }
    this.before = this.last;
    this.chapter.append((this.last = newElement("block", this.part)));
    this.drawn.push({ element: this.last, html: "", part: this.part });
  }
}

/** A block of code that is not closed yet, at the beginning of a text that grows. */
class OpenCode {
  static of(text) {
    const opening = FENCE.exec(text);
    return opening && new OpenCode(...opening);
  }

  constructor(opening, fence, info) {
    this.language = info.trim().split(/\s/)[0];
    this.closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`, "gm");
    this.shown = this.lastLine = opening.length;
    this.element = null;
    this.lines = LINES_A_PAGE;
  }

  isOpenIn(text) {
    this.closing.lastIndex = this.lastLine;
    return !this.closing.test(text);
  }

  /** Draw what has been added, in pages, so that the browser need not lay out all lines for a new one. */
  drawIn(element, text) {
    this.element ??= fillWithCode(element, this.language);
    for (const line of text.slice(this.shown).split(/(?<=\n)/)) {
      if (this.lines >= LINES_A_PAGE) this.beginPage();
      if (this.page.lastChild) this.page.lastChild.appendData(line);
      else this.page.append(line);
      if (line.endsWith("\n")) this.lines++;
    }
    this.shown = text.length;
    this.lastLine = Math.max(this.lastLine, text.lastIndexOf("\n") + 1);
  }

  beginPage() {
    this.element.append((this.page = newElement("page", null, "span")));
    this.lines = 0;
  }
}

const isFenced = (block) => block.type === "code" && block.codeBlockStyle !== "indented";
const rawOf = (blocks) => blocks.map((block) => block.raw).join("");

function newElement(name, part, tag = "div") {
  const element = document.createElement(tag);
  element.className = name;
  if (part) element.dataset.part = part.kind;
  return element;
}
