// What every component uses: templates, hooks, signals.

import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { render };
export { useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-hooks.js";
export { batch, computed, effect, signal, useSignal } from "./vendor/signals.js";
