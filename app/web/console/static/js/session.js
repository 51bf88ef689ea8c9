// The admin key of this tab. It is in session storage and nowhere else; closing the tab forgets it.

const PLACE = "oneshape.admin-key";
const listeners = new Set();

/** The key, or null. */
export const adminKey = () => sessionStorage.getItem(PLACE);

/** Keeps the key for this tab. */
export function signIn(key) {
  sessionStorage.setItem(PLACE, key);
  listeners.forEach((listener) => listener());
}

/** Forgets it. */
export function signOut() {
  sessionStorage.removeItem(PLACE);
  listeners.forEach((listener) => listener());
}

/** Calls `listener` whenever somebody signs in or out. */
export const onSession = (listener) => listeners.add(listener);
