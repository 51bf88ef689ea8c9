// Files that leave the console: the admin key goes in a header, so a plain link will not do.

import { h } from "../dom.js";

const KEPT_MS = 1000;

/** Gives a file to the reader. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
