// The few drawings of the console, as paths of a 20 × 20 grid.

import { svg } from "../dom.js";

const PATHS = {
  overview: "M3 11h5V3H3zm0 6h5v-4H3zm7 0h7V9h-7zm0-14v4h7V3z",
  tasks: "M4 5h2v2H4zm4 0h9v2H8zM4 9h2v2H4zm4 0h9v2H8zm-4 4h2v2H4zm4 0h9v2H8z",
  models: "M10 2 3 6v8l7 4 7-4V6zm0 2.2L14.6 7 10 9.600 5.400 7zM5 8.700l4 2.300v4.400l-4-2.300zm6 6.700V11l4-2.300v4.400z",
  vendors: "M4 3h12v5H4zm0 9h12v5H4zm2-6.500h2v1H6zm0 9h2v1H6zM9 8.500h2v3H9z",
  accounts: "M10 3a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7m-7 14c0-3.500 3-5.500 7-5.500s7 2 7 5.500z",
  keys: "M13 3a4 4 0 1 1-3.500 6L8 10.500V12H6.500v1.500H5V15l-1 1H2v-2l6.300-6.300A4 4 0 0 1 13 3m1 2a1.200 1.200 0 1 0 0 2.400A1.200 1.200 0 0 0 14 5",
  ledger: "M4 2h11a1 1 0 0 1 1 1v15H5a1 1 0 0 1-1-1zm3 4v1.500h6V6zm0 3v1.500h6V9zm0 3v1.500h4V12z",
  bills: "M5 2h10v16l-2-1.500-1.500 1.500L10 16.500 8.500 18 7 16.500 5 18zm2 4v1.500h6V6zm0 3v1.500h6V9zm0 3v1.500h4V12z",
  usage: "M3 17V9h3v8zm5 0V3h3v14zm5 0v-5h3v5z",
  catalog: "M3 3h6l1 1.500L11 3h6v13h-6l-1 1-1-1H3zm2 2v9h4V5zm6 0v9h4V5z",
  playground: "M5 3.500v13l11-6.500z",
  audit: "M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16m-.8 3.500v5.200l4 2.300.8-1.300-3.200-1.900V5.500z",
  webhooks: "M3 9h9L9 6l1.400-1.400L16 10l-5.600 5.400L9 14l3-3H3z",
  menu: "M3 5h14v2H3zm0 4h14v2H3zm0 4h14v2H3z",
  sun: "M10 6a4 4 0 1 1 0 8 4 4 0 0 1 0-8M9.200 1.500h1.600v3H9.200zm0 14h1.600v3H9.200zM1.500 9.200h3v1.600h-3zm14 0h3v1.600h-3z",
  moon: "M12.500 2.500a7.500 7.500 0 1 0 5 11A7 7 0 0 1 12.500 2.500",
  system: "M2 4h16v10h-6v1.500h2V17H6v-1.500h2V14H2zm1.500 1.500v7h13v-7z",
  out: "M3 3h8v1.500H4.500v11H11V17H3zm10 3 4 4-4 4-1-1 2.200-2.200H8V9.200h6.200L12 7z",
  vault: "M3 3h14v12h-1v2h-2v-2H6v2H4v-2H3zm1.500 1.500v9h11v-9zM10 6a3 3 0 1 1 0 6 3 3 0 0 1 0-6m0 1.500a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3",
  copy: "M7 2h9v12h-2.500V4.500H7zM4 6h8v12H4zm1.500 1.500v9h5v-9z",
};

/** A drawing by its name. It is decoration: what it means is said in words beside it. */
export function icon(name) {
  const path = svg("path", { d: PATHS[name], "fill-rule": "evenodd" });
  return svg("svg", { viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true", focusable: "false" }, path);
}
