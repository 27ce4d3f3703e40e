// Keyboard shortcuts, and the sheet that lists them.

import { html, useEffect, useRef } from "./ui.js";

const LIST = [
  ["Enter", "Send the message"],
  ["Shift + Enter", "Begin a new line"],
  ["/", "Write a message"],
  ["Esc", "Stop all answers"],
  ["Alt + 1, 2, 3", "Go to a mind's pane"],
  ["Alt + 0", "Send to all minds"],
  ["Alt + Shift + 1, 2, 3", "Send to one mind"],
  ["Ctrl + K", "Search conversations"],
  ["Alt + N", "New conversation"],
  ["?", "Show this sheet"],
];

/** Do what a key is for. `actions` has a function for each. */
export function useShortcuts(actions) {
  useEffect(() => {
    const onKeyDown = (event) => {
      const act = actionOf(event, actions);
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  });
}

function actionOf(event, actions) {
  const digit = /^Digit([0-9])$/.exec(event.code)?.[1];
  if (event.altKey && digit) {
    if (digit === "0") return () => actions.target(null);
    return () => (event.shiftKey ? actions.target : actions.pane)(Number(digit) - 1);
  }
  if (event.altKey && event.code === "KeyN") return actions.fresh;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return actions.search;
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) return actions.stop;
  const typing = event.target.closest("input, textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "/") return actions.write;
  return event.key === "?" ? actions.help : null;
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
