// "Show all": up to a thousand values of one list, to search and to filter by.

import { ask } from "./api.js";
import { fileName, setCsv } from "./download.js";
import { CROSS, byId, h, icon } from "./dom.js";
import { full, nameOf, share } from "./format.js";
import { DIMENSIONS } from "./state.js";

const MOST = 1000;

export async function showAllRows({ title, dimension, asked, totals, countName, wholeOf, filter }) {
  const dialog = byId("all-rows");
  const close = h(
    "button",
    { type: "button", class: "button square", onclick: () => dialog.close() },
    icon(CROSS),
    h("span", { class: "sr" }, "Close"),
  );
  const csv = h("a", { class: "quiet" }, "CSV");
  const query = { ...asked.query, dimension, limit: MOST };
  setCsv(csv, "stats/breakdown", query, fileName(query.site_id, dimension, query.from, query.to));
  const search = h("input", {
    type: "search",
    placeholder: "Search",
    "aria-label": `Search ${title.toLowerCase()}`,
    autocomplete: "off",
  });
  const scroll = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    h("div", { class: "skeleton lines" }),
  );
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "all-rows-title" }, title), csv, close),
    h("div", { class: "search" }, search),
    scroll,
  );
  dialog.showModal();
  try {
    const [{ rows }, stats] = await Promise.all([ask("stats/breakdown", query), totals]);
    const show = () =>
      scroll.replaceChildren(tableOf(matching(rows, search.value), wholeOf(stats)));
    search.addEventListener("input", show);
    show();
  } catch (error) {
    scroll.replaceChildren(
      h("p", { class: "quiet-text" }, `Not available just now: ${error.message}`),
    );
  }

  function matching(rows, text) {
    const wanted = text.trim().toLowerCase();
    return rows.filter((row) => nameOf(dimension, row.value).toLowerCase().includes(wanted));
  }

  function tableOf(rows, whole) {
    if (rows.length === 0) return h("p", { class: "quiet-text" }, "No match.");
    const heads = [DIMENSIONS[dimension], countName, "Users", "Share"];
    return h(
      "table",
      { class: "plain" },
      h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => rowOf(row, whole))),
    );
  }

  function rowOf(row, whole) {
    const choose = () => {
      dialog.close();
      filter(dimension, row.value);
    };
    const button = h(
      "button",
      { type: "button", class: "value-button", onclick: choose },
      nameOf(dimension, row.value),
    );
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, button),
      ...[full(row.views), full(row.unique_users), share(row.views, whole)].map((text) =>
        h("td", {}, text),
      ),
    );
  }
}
