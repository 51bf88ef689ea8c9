// Webhook deliveries: what was sent to whom, and sending it again.

import { post } from "../api.js";
import { h } from "../dom.js";
import { badge, button, heading, idLink, when } from "../parts/bits.js";
import { filters } from "../parts/form.js";
import { empty, every } from "../parts/states.js";
import { listing, table } from "../parts/table.js";
import { done, refused } from "../parts/toast.js";
import { setQuery } from "../router.js";

const FRESH_MS = 5000;

/** The page. */
export function webhooksPage({ query, signal }) {
  const list = listing({
    path: "/webhooks", query, signal, what: "The list of deliveries", render: (items) => deliveries(items, () => list.restart()),
    none: () => empty("No deliveries", "Tasks that name a webhook, and accounts that have one, are told about here."),
  });
  every(FRESH_MS, list.again, signal, list);
  return [
    heading("Webhooks", "What was told to clients about their tasks. Each delivery is tried for 24 hours."),
    filters([{ name: "state", label: "State", type: "select", options: [["", "any state"], "pending", "delivered", "failed"], value: query.state ?? "" }], setQuery),
    list,
  ];
}

function deliveries(items, changed) {
  const again = async (delivery) => {
    try {
      await post(`/webhooks/${delivery.id}/redeliver`);
      done("It is sent again.");
      changed();
    } catch (error) {
      if (error.status === undefined) throw error;
      refused(error);
    }
  };
  return table({
    caption: "Deliveries", items,
    columns: [
      { label: "Created", cell: (delivery) => when(delivery.created_at) },
      { label: "Event", cell: (delivery) => delivery.event },
      { label: "Task", cell: (delivery) => idLink(`/tasks/${delivery.task_id}`, delivery.task_id) },
      { label: "To", cell: (delivery) => h("span", { class: "id" }, delivery.url) },
      { label: "State", cell: (delivery) => h("span", {}, badge(delivery.state), delivery.last_status && h("span", { class: "small muted" }, ` HTTP ${delivery.last_status}`)) },
      { label: "Tries", num: true, cell: (delivery) => h("span", { class: "num" }, delivery.attempts) },
      { label: "", cell: (delivery) => button("Send again", () => again(delivery)) },
    ],
  });
}
