// Keyboard shortcuts, and the sheet that lists them.

import { html, useEffect, useLayoutEffect, useRef } from "./ui.js";

// On a Mac, Option writes characters such as { and ñ: there, Control is what Alt is elsewhere.
const IS_MAC = /^Mac/.test(navigator.platform);
const ALT = IS_MAC ? "Control" : "Alt";
const LIST = [
  ["Enter", "Send the message"],
  ["Shift + Enter", "Begin a new line"],
  ["/", "Write a message"],
  ["Esc", "Stop all answers"],
  [`${ALT} + 1, 2, 3`, "Go to a mind's pane"],
  [`${ALT} + 0`, "Send to all minds"],
  [`${ALT} + Shift + 1, 2, 3`, "Send to one mind"],
  [IS_MAC ? "⌘ K" : "Ctrl + K", "Search conversations"],
  [`${ALT} + N`, "New conversation"],
  ["?", "Show this sheet"],
];
// What engines report of a key that an input method handles, after `isComposing` has ended too.
const HANDLED_BY_INPUT_METHOD = 229;

/** Whether a key is an input method's, such as the Enter that takes what it suggests. */
export const isOfInputMethod = (event) => event.isComposing || event.keyCode === HANDLED_BY_INPUT_METHOD;

/** Do what a key is for. `actions` has a function for each, which looks at the page as it is then. */
export function useShortcuts(actions) {
  useLayoutEffect(() => {
    const onKeyDown = (event) => {
      const act = isOfInputMethod(event) ? null : actionOf(event, actions);
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [actions]);
}

function actionOf(event, actions) {
  if (isAlt(event)) return actionOfAlt(event, actions);
  const isCommand = IS_MAC ? event.metaKey : event.ctrlKey && !event.altKey;
  if (isCommand && event.key.toLowerCase() === "k") return actions.search;
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) return actions.toStop();
  const typing = event.target.closest("input, textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "/") return actions.write;
  return event.key === "?" ? actions.help : null;
}

// AltGr, which also writes characters, is Control and Alt on some systems.
function isAlt({ altKey, ctrlKey, metaKey }) {
  return !metaKey && (IS_MAC ? ctrlKey && !altKey : altKey && !ctrlKey);
}

function actionOfAlt({ code, shiftKey }, actions) {
  if (code === "KeyN") return actions.fresh;
  const digit = /^Digit([0-3])$/.exec(code)?.[1];
  if (!digit) return null;
  if (digit === "0") return () => actions.target(null);
  return () => (shiftKey ? actions.target : actions.pane)(Number(digit) - 1);
}

export function Help({ open, onClose }) {
  const dialog = useRef(null);
  useEffect(() => {
    if (open) dialog.current.showModal();
    else dialog.current.close();
  }, [open]);
  return html`
    <dialog ref=${dialog} onClose=${onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keyboard</h2>
      <table class="keys">
        <tbody>
          ${LIST.map(([keys, what]) => html`<tr><th scope="row"><kbd>${keys}</kbd></th><td>${what}</td></tr>`)}
        </tbody>
      </table>
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  `;
}
