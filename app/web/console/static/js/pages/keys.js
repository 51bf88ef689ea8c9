// Every key of every account.

import { h } from "../dom.js";
import { button, heading } from "../parts/bits.js";
import { createKey, keyTable } from "../parts/keys.js";
import { namesOf } from "../parts/names.js";
import { empty } from "../parts/states.js";
import { listing } from "../parts/table.js";

/** The page. */
export async function keysPage({ signal }) {
  const nameOf = await namesOf("/accounts", signal);
  const create = () => createKey({ created: () => list.restart() });
  const list = listing({
    path: "/keys", signal, what: "The list of keys",
    render: (items) => keyTable(items, { nameOf, changed: () => list.restart() }),
    none: () => empty("No keys yet", "Make an account first, then a key for each client.", button("New key", create, "primary")),
  });
  return [heading("Keys", "Credentials of clients. A secret is shown once, when its key is made.", button("New key", create, "primary")), h("div", {}, list)];
}
