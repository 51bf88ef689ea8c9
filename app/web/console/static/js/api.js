// The admin API. Every answer that is not a success is thrown as an ApiError.

import { adminKey, signOut } from "./session.js";

/** A refusal: `status` 0 when the gateway could not be reached. `body` is the whole answer where it was JSON. */
export class ApiError extends Error {
  constructor(status, message, { code = null, param = null, body = null } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, param, body });
  }

  /** Whether this version of the gateway does not have the route. */
  get unavailable() {
    return this.status === 405 || this.status === 501 || (this.status === 404 && this.code === "not_found");
  }
}

/** The JSON of `GET /admin{path}`. Query values that are empty are left out. */
export const get = (path, query = {}, options = {}) => ask("GET", path, { query, ...options }).then(json);

/** The JSON of `POST /admin{path}`. */
export const post = (path, body, options = {}) => ask("POST", path, { body, ...options }).then(json);

/** The JSON of `PATCH /admin{path}`. */
export const patch = (path, body, options = {}) => ask("PATCH", path, { body, ...options }).then(json);

/** The raw answer of any admin route. `text` and `type` send a body that is not JSON. */
export async function ask(method, path, { query = {}, body, text, type, headers = {}, signal, key } = {}) {
  const sent = { authorization: `Bearer ${key ?? adminKey()}`, ...headers };
  if (body !== undefined) [text, type] = [JSON.stringify(body), "application/json"];
  if (text !== undefined) sent["content-type"] = type;
  const response = await reach(`/admin${path}${queryOf(query)}`, { method, headers: sent, body: text, signal });
  if (response.ok) return response;
  const error = await errorOf(response);
  if (!key && (response.status === 401 || error.code === "admin_only")) signOut();
  throw error;
}

/** All items of a list, at most `most`. */
export async function all(path, query = {}, { most = 500, ...options } = {}) {
  const items = [];
  let after = null;
  do {
    const page = await get(path, { ...query, limit: Math.min(100, most - items.length), after }, options);
    items.push(...page.items);
    after = page.has_more ? page.next_cursor : null;
  } while (after !== null && items.length < most);
  return items;
}

/** `?a=1&b=2`, or nothing. */
export function queryOf(query) {
  const said = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return said.length ? `?${new URLSearchParams(said)}` : "";
}

/** A fetch whose failure to reach the gateway is an ApiError too; an aborted one stays an AbortError. */
export async function reach(url, options) {
  try {
    return await fetch(url, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The gateway cannot be reached.");
  }
}

/** What a refusal says. */
export async function errorOf(response) {
  const body = await response.json().catch(() => null);
  const said = body?.error ?? {};
  return new ApiError(response.status, said.message ?? `The gateway answered ${response.status}.`, { ...said, body });
}

const json = (response) => response.json();
