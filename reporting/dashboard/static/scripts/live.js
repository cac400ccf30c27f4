// The last five minutes of the site, drawn anew with each look.

import { ask } from "./api.js";
import { byId, h } from "./dom.js";
import { count, decimal } from "./format.js";

const MINUTES = 5;

export async function loadLive(site) {
  const live = await ask("realtime", { site_id: site });
  const root = byId("live");
  for (const dot of document.querySelectorAll(".pulse")) {
    dot.classList.toggle("on", live.active_users > 0);
    dot.classList.remove("off");
  }
  root
    .querySelector(".body")
    .replaceChildren(figures(live), minutes(live.per_minute), scale(), pages(live.top_pages));
  const now = byId("now");
  now.hidden = false;
  now.querySelector("span").textContent = `${live.active_users} here now`;
}

export function showNoLive() {
  byId("now").hidden = true;
  for (const dot of document.querySelectorAll(".pulse")) dot.className = "pulse off";
  byId("live")
    .querySelector(".body")
    .replaceChildren(h("p", { class: "quiet-text" }, "Not available just now."));
}

function figures(live) {
  const figure = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "figures" },
    figure("users", count(live.active_users)),
    figure("sessions", count(live.active_sessions)),
    figure("views/min", decimal(live.views / MINUTES)),
  );
}

// The first and the last minute are in the window with a part of theirs only.
function minutes(perMinute) {
  const most = Math.max(1, ...perMinute.map((minute) => minute.views));
  const bars = perMinute.map((minute, number) => {
    const isPart = number === 0 || number === perMinute.length - 1;
    const bar = h("i", {
      class: isPart ? "partial" : null,
      title: `${minute.minute.slice(11, 16)} UTC: ${minute.views} views`,
    });
    bar.style.height = `${(100 * minute.views) / most}%`;
    return bar;
  });
  const text = perMinute.map((minute) => minute.views).join(", ");
  return h(
    "div",
    { class: "minutes", role: "img", "aria-label": `Views by minute: ${text}` },
    ...bars,
  );
}

const scale = () =>
  h(
    "p",
    { class: "minutes-scale", "aria-hidden": "true" },
    h("span", {}, "5 min ago"),
    h("span", {}, "now"),
  );

function pages(topPages) {
  if (topPages.length === 0) return h("p", { class: "quiet-text" }, "Nobody just now.");
  const rows = topPages.map((page) =>
    h("li", {}, h("span", { title: page.path }, page.path), h("b", {}, count(page.views))),
  );
  return h("ol", { class: "pages", "aria-label": "Top pages" }, ...rows);
}
