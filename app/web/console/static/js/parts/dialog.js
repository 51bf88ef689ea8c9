// Dialogs: the browser's own, so that focus stays inside, Escape closes, and what is behind is inert.

import { fill, h } from "../dom.js";
import { button, copyButton } from "./bits.js";
import { complain, field, values } from "./form.js";

/** Opens a dialog and answers it; `content(close)` makes what is in it. */
export function open(title, content, { wide = false, onclose = () => {} } = {}) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", class: wide && "wide" });
  dialog.append(h("div", { class: "dialog" }, heading, content(() => dialog.close())));
  dialog.addEventListener("close", () => (dialog.remove(), onclose()));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do something that cannot be undone, and does it: `act()` may throw an ApiError. */
export function confirm({ title, text, label, danger = true, fields = [], act }) {
  return form({ title, text, fields, label, act, kind: danger ? "danger" : "primary" });
}

/** A form in a dialog: `act(values)` may throw an ApiError, which is shown; otherwise the dialog closes. */
export function form({ title, text, fields, label, act, kind = "primary" }) {
  return open(title, (close) => {
    const error = h("p", { class: "form-error", role: "alert" });
    const submit = h("button", { type: "submit", class: kind }, label);
    const send = async (event) => {
      event.preventDefault();
      submit.disabled = true;
      fill(error);
      try {
        await act(values(event.target));
        close();
      } catch (problem) {
        if (problem.status === undefined) throw problem;
        complain(event.target, error, problem.unavailable ? new Error("This is not available in this version.") : problem);
      } finally {
        submit.disabled = false;
      }
    };
    const cancel = h("button", { type: "button", onclick: close }, "Cancel");
    return h("form", { onsubmit: send }, text && h("p", {}, text), h("div", { class: fields.length > 4 && "pairs" }, fields.map(field)), error,
      h("div", { class: "dialog-actions" }, cancel, submit));
  });
}

/** Shows a secret that cannot be seen again. */
export function secret({ title, text, value, onclose }) {
  return open(title, (close) => h("div", {},
    h("p", {}, text),
    h("div", { class: "secret" }, h("code", { tabindex: "0" }, value), copyButton(() => value, "Copy the secret")),
    h("div", { class: "dialog-actions" }, button("I have stored it", close, "primary"))), { onclose });
}
