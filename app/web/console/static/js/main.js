// The console: a frame with navigation, and the page that the address asks for.

import { get } from "./api.js";
import { fill, h, hidden } from "./dom.js";
import { useCurrency } from "./format.js";
import { accountPage, accountsPage } from "./pages/accounts.js";
import { auditPage } from "./pages/audit.js";
import { billPage, billsPage } from "./pages/bills.js";
import { catalogPage } from "./pages/catalog.js";
import { keysPage } from "./pages/keys.js";
import { ledgerPage } from "./pages/ledger.js";
import { modelPage, modelsPage } from "./pages/models.js";
import { overviewPage } from "./pages/overview.js";
import { playgroundPage } from "./pages/playground.js";
import { signInPage } from "./pages/signin.js";
import { systemPage } from "./pages/system.js";
import { taskPage } from "./pages/task.js";
import { tasksPage } from "./pages/tasks.js";
import { usagePage } from "./pages/usage.js";
import { vendorsPage } from "./pages/vendors.js";
import { webhooksPage } from "./pages/webhooks.js";
import { empty } from "./parts/states.js";
import { icon } from "./parts/icons.js";
import { link, route, start } from "./router.js";
import { adminKey, onSession, signOut } from "./session.js";
import { applyTheme, nextTheme, theme } from "./theme.js";

const GROUPS = [
  ["Watch", [["/", "Overview", "overview"], ["/tasks", "Tasks", "tasks"], ["/vendors", "Vendors", "vendors"], ["/webhooks", "Webhooks", "webhooks"]]],
  ["Serve", [["/models", "Models", "models"], ["/catalog", "Catalog", "catalog"], ["/playground", "Playground", "playground"]]],
  ["Bill", [["/accounts", "Accounts", "accounts"], ["/keys", "Keys", "keys"], ["/usage", "Usage", "usage"], ["/ledger", "Ledger", "ledger"], ["/bills", "Bills", "bills"]]],
  ["Keep", [["/audit", "Audit", "audit"], ["/system", "System", "vault"]]],
];
const THEMES = { system: ["system", "As the system"], light: ["sun", "Light"], dark: ["moon", "Dark"] };

route("/", overviewPage);
route("/tasks", tasksPage);
route("/tasks/:id", taskPage);
route("/vendors", vendorsPage);
route("/webhooks", webhooksPage);
route("/models", modelsPage);
route("/models/:id", modelPage);
route("/catalog", catalogPage);
route("/playground", playgroundPage);
route("/accounts", accountsPage);
route("/accounts/:id", accountPage);
route("/keys", keysPage);
route("/usage", usagePage);
route("/ledger", ledgerPage);
route("/bills", billsPage);
route("/bills/:id", billPage);
route("/audit", auditPage);
route("/system", systemPage);

const app = document.getElementById("app");
const main = h("main", { class: "main", id: "main", tabindex: "-1" });
const side = h("div", { class: "side" });
const menu = h("button", { type: "button", class: "menu-button", "aria-expanded": "false", onclick: () => toggleMenu() }, icon("menu"), "Menu");
const toggleMenu = (to) => menu.setAttribute("aria-expanded", String(side.classList.toggle("open", to)));

/** The frame around every page. */
function frame() {
  const skip = h("button", { type: "button", class: "skip", onclick: () => main.focus() }, "Skip to the page");
  const groups = GROUPS.map(([title, pages]) => h("div", {}, h("div", { class: "nav-title" }, title), h("ul", {}, pages.map(navItem))));
  const nav = h("nav", { class: "nav", "aria-label": "Pages" }, groups);
  const brandIcon = document.querySelector("link[rel=icon]").href;
  const brand = h("a", { class: "brand", href: link("/") }, h("img", { src: brandIcon, alt: "" }), "Oneshape");
  const leave = h("button", { type: "button", onclick: signOut }, icon("out"), "Sign out");
  fill(side, brand, menu, nav, h("div", { class: "side-foot" }, themeButton(), leave));
  return [skip, h("div", { class: "frame" }, side, main)];
}

const navItem = ([path, text, drawing]) => h("li", {}, h("a", { href: link(path), data: { path } }, icon(drawing), text));

function themeButton() {
  const button = h("button", { type: "button", onclick: () => (nextTheme(), draw()) });
  const draw = () => {
    const [drawing, words] = THEMES[theme()];
    button.title = `Colours: ${words}`;
    fill(button, icon(drawing), hidden(`Colours: ${words}. Change`));
  };
  draw();
  return button;
}

/** Puts a page into the frame, and the focus on its title when somebody went there. */
function render(node, { path, moved }) {
  toggleMenu(false);
  fill(main, node ?? empty("There is no such page", "The address may be from another version."));
  const part = `/${path.split("/")[1]}`;
  for (const item of side.querySelectorAll("a[data-path]")) {
    item.toggleAttribute("aria-current", item.dataset.path === part);
    if (item.dataset.path === part) item.setAttribute("aria-current", "page");
  }
  const title = main.querySelector("h1");
  document.title = `${title?.textContent ?? "Not found"} · Oneshape`;
  if (!moved) return;
  scrollTo(0, 0);
  title?.focus({ preventScroll: true });
}

const show = start((node, how) => adminKey() && render(node, how));

async function enter() {
  if (!adminKey()) {
    document.title = "Sign in · Oneshape";
    return void fill(app, signInPage());
  }
  const models = await get("/models").catch(() => null);
  if (!adminKey()) return;
  if (models?.currency) useCurrency(models.currency);
  fill(app, frame());
  await show();
}

applyTheme();
onSession(enter);
enter();
