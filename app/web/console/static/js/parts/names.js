// Names of accounts and keys by their ids, so that tables say names. Read once per page.

import { all } from "../api.js";

/** A function from ids to names; ids that are not known stay ids. */
export async function namesOf(path, signal) {
  const items = await all(path, {}, { most: 300, signal }).catch(() => []);
  const names = new Map(items.map((item) => [item.id, item.name]));
  return (id) => names.get(id) ?? id;
}
