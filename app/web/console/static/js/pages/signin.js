// Signing in: the admin key is tried on the admin API, and kept for this tab.

import { ask } from "../api.js";
import { fill, h } from "../dom.js";
import { field, values } from "../parts/form.js";
import { signIn } from "../session.js";

/** The page before all others. */
export function signInPage() {
  const error = h("p", { class: "form-error", role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" }, "Sign in");
  const send = async (event) => {
    event.preventDefault();
    const { key } = values(event.target);
    if (!key) return void fill(error, "Enter the admin key.");
    submit.disabled = true;
    try {
      await ask("GET", "/accounts", { query: { limit: 1 }, key });
      signIn(key);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      fill(error, problem.status === 401 || problem.status === 403 ? "This is not the admin key." : problem.message);
    } finally {
      submit.disabled = false;
    }
  };
  const brand = h("div", { class: "brand" }, h("img", { src: document.querySelector("link[rel=icon]").href, alt: "" }), "Oneshape");
  const hint = "Set as ONESHAPE_ADMIN_KEY, or printed once at the first start. It stays in this tab only.";
  return h("div", { class: "signin" }, h("form", { onsubmit: send },
    brand, h("h1", { class: "visually-hidden" }, "Sign in"),
    field({ name: "key", label: "Admin key", type: "password", hint, autofocus: true, spellcheck: "false" }), submit, error));
}
