// Who is signed in, and the form that signs in.

import { del, get, post, useToken, whenSignedOut } from "./api.js";
import { inPlainWords } from "./format.js";
import { batch, html, signal, useEffect, useRef } from "./ui.js";

// undefined: not known yet; null: nobody.
export const session = signal(undefined);
const problem = signal("");

whenSignedOut(() => {
  if (session.value) problem.value = "Your session has ended. Sign in again; nothing is lost.";
  session.value = null;
});

/** Sign in by the link that opened the page, or find who is signed in. */
export async function restoreSession() {
  const link = /^#sign-in=(tml_[\w-]+)$/.exec(location.hash)?.[1];
  if (link) history.replaceState(null, "", location.pathname);
  try {
    take(link ? await post("/v1/session", { link }) : await get("/v1/session"));
  } catch (error) {
    if (error.status !== 401) problem.value = inPlainWords(error);
    else if (link) return restoreWithout(error);
    session.value = null;
  }
}

async function restoreWithout(refusal) {
  await restoreSession();
  if (!session.value) problem.value = refusal.message;
}

export async function signOut() {
  await del("/v1/session").catch(() => {});
  problem.value = "";
  session.value = null;
}

function take(body) {
  useToken(body.csrf_token);
  batch(() => {
    problem.value = "";
    session.value = body;
  });
}

export function SignIn() {
  const input = useRef(null);
  const busy = signal(false);
  useEffect(() => input.current?.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    busy.value = true;
    try {
      take(await post("/v1/session", { key: input.current.value.trim() }));
    } catch (error) {
      problem.value = error.status === 401 ? error.message : inPlainWords(error);
      input.current.focus();
    } finally {
      busy.value = false;
    }
  };
  return html`
    <main class="sign-in">
      <form onSubmit=${submit}>
        <h1>Trimind</h1>
        <p>Ask once, get three answers side by side.</p>
        <label for="key">API key</label>
        <input ref=${input} id="key" type="password" autocomplete="current-password" required
          aria-describedby="key-help" aria-invalid=${problem.value ? "true" : undefined} />
        ${problem.value && html`<p class="error" role="alert">${problem.value}</p>`}
        <button type="submit" class="primary">Sign in</button>
        <p class="quiet" id="key-help">
          <code>make run</code> prints a link that signs in without a key. An operator creates a key with${" "}
          <code>trimind key create --user NAME</code>.
        </p>
      </form>
    </main>
  `;
}
