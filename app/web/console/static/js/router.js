// Which page the address asks for. Addresses are `#/tasks/task_1?status=failed`, so that the server needs to know none.

const routes = [];
let current = null;

/** Adds a page: `show(context)` answers a node. `pattern` is like `/tasks/:id`. */
export function route(pattern, show) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
  routes.push({ expression: new RegExp(`^${source}$`), names, show });
}

/** The address of a page. */
export function link(path, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#${path}${said.length ? `?${new URLSearchParams(said)}` : ""}`;
}

/** Goes to a page. */
export function go(path, query) {
  location.hash = link(path, query);
}

/** Changes the query of the page that is shown, without a new entry in the history, and shows it again. */
export function setQuery(query) {
  history.replaceState(null, "", link(place().path, query));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** What the address says now. */
export function place() {
  const [path, query = ""] = location.hash.slice(1).split("?", 2);
  return { path: path || "/", query: Object.fromEntries(new URLSearchParams(query)) };
}

/**
 * Shows the page of the address with `render(node, {path, moved})`, and again whenever the address changes. The page's
 * `signal` is aborted when it is left.
 */
export function start(render) {
  let last = null;
  const show = async () => {
    current?.abort();
    const controller = (current = new AbortController());
    const { path, query } = place();
    const found = match(path);
    const context = { path, query, params: found?.params ?? {}, signal: controller.signal };
    const node = found ? await found.show(context) : null;
    if (!controller.signal.aborted) render(node, { path, moved: last !== null && last !== path });
    last = path;
  };
  addEventListener("hashchange", show);
  return show;
}

function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody typed a lone % into the address
  }
}

function match(path) {
  for (const { expression, names, show } of routes) {
    const found = expression.exec(path);
    if (found) return { show, params: Object.fromEntries(names.map((name, i) => [name, plain(found[i + 1])])) };
  }
  return null;
}
