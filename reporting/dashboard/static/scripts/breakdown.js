// The lists: most viewed pages, sources and so on, each value a filter.

import { ask } from "./api.js";
import { showAllRows } from "./all_rows.js";
import { fileName, setCsv } from "./download.js";
import { byId, h } from "./dom.js";
import { count, nameOf, share } from "./format.js";
import { DIMENSIONS, LISTS } from "./state.js";

const ROWS = 7;
const TABS = LISTS.tabs;

// One panel. `filter(dimension, value)` is called with what was pressed.
class Panel {
  constructor({ title, dimensions }, filter) {
    this.title = title;
    this.dimension = dimensions[0];
    this.filter = filter;
    const id = `panel-${dimensions[0]}`;
    this.all = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.showAll(), hidden: true },
      "Show all",
    );
    this.csv = h("a", { class: "quiet", "aria-label": `${title} as CSV` }, "CSV");
    this.body = h("div", { class: "body" }, ...skeletons());
    this.tabs = dimensions.length > 1 ? this.makeTabs(dimensions) : null;
    const header = h("header", {}, h("h2", { id }, title), this.tabs, this.all, this.csv);
    this.root = h(
      "section",
      { class: "card panel", "aria-labelledby": id, "data-dimension": dimensions[0] },
      header,
      this.body,
    );
  }

  makeTabs(dimensions) {
    const buttons = dimensions.map((name) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(name === this.dimension),
          onclick: () => this.turnTo(name),
        },
        TABS[name],
      ),
    );
    return h(
      "div",
      { class: "segmented", role: "group", "aria-label": `${this.title} by` },
      ...buttons,
    );
  }

  turnTo(dimension) {
    this.dimension = dimension;
    for (const button of this.tabs.children) {
      button.setAttribute("aria-pressed", String(button.textContent === TABS[dimension]));
    }
    this.load(this.asked, this.totals).catch(() => {});
  }

  // `totals` is a promise of /stats: shares are of all that was viewed, not of what is listed.
  async load(asked, totals) {
    Object.assign(this, { asked, totals });
    const { dimension } = this;
    setCsv(
      this.csv,
      "stats/breakdown",
      { ...asked.query, dimension, limit: 1000 },
      fileName(asked.query.site_id, dimension, asked.query.from, asked.query.to),
    );
    const query = { ...asked.query, dimension, limit: ROWS + 1 };
    const isNew = JSON.stringify(query) !== this.shown;
    if (isNew) this.root.setAttribute("aria-busy", "true");
    try {
      const [answer, stats] = await Promise.all([ask("stats/breakdown", query, asked), totals]);
      if (dimension === this.dimension) this.show(answer.rows, this.wholeOf(stats));
      this.shown = JSON.stringify(query);
    } catch (error) {
      if (isNew && error.name !== "AbortError") this.showNothing("Not available just now.");
      throw error;
    } finally {
      if (!asked.signal.aborted) this.root.removeAttribute("aria-busy");
    }
  }

  wholeOf(stats) {
    return this.dimension === "event_type" ? stats.total_events : stats.total_views;
  }

  show(rows, whole) {
    this.all.hidden = rows.length <= ROWS;
    if (rows.length === 0) return this.showNothing("Nothing in this period.");
    const table = h(
      "table",
      { class: "rows" },
      h("caption", { class: "sr" }, `${this.title}: most viewed`),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, DIMENSIONS[this.dimension]),
          h("th", { scope: "col", class: "count" }, this.countName()),
          h("th", { scope: "col", class: "share" }, "Share"),
        ),
      ),
      h("tbody", {}, ...rows.slice(0, ROWS).map((row) => this.row(row, whole, rows[0].views))),
    );
    this.keepFocus(() => this.body.replaceChildren(table));
  }

  countName() {
    return this.dimension === "event_type" || this.asked.query.event_type ? "Events" : "Views";
  }

  row(row, whole, most) {
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * row.views) / most}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, bar, this.valueButton(row.value)),
      h("td", { class: "count" }, count(row.views)),
      h("td", { class: "share" }, share(row.views, whole)),
    );
  }

  valueButton(value) {
    const { dimension } = this;
    const name = nameOf(dimension, value);
    return h(
      "button",
      {
        type: "button",
        class: "value-button",
        title: `Show only ${name}`,
        "data-value": value,
        onclick: () => this.filter(dimension, value),
      },
      name,
    );
  }

  // Who tabs through the list stays where they are when it is drawn anew.
  keepFocus(redraw) {
    const value = this.body.contains(document.activeElement)
      ? document.activeElement.dataset.value
      : null;
    redraw();
    if (value == null) return;
    [...this.body.querySelectorAll("button")]
      .find((button) => button.dataset.value === value)
      ?.focus();
  }

  showNothing(text) {
    this.shown = null;
    this.all.hidden = true;
    this.body.replaceChildren(h("p", { class: "quiet-text" }, text));
  }

  showAll() {
    const { dimension, asked, title } = this;
    showAllRows({
      title,
      dimension,
      asked,
      totals: this.totals,
      countName: this.countName(),
      wholeOf: (stats) => this.wholeOf(stats),
      filter: this.filter,
    });
  }
}

const skeletons = () => Array.from({ length: ROWS }, () => h("span", { class: "skeleton" }));

export function makePanels(filter) {
  const panels = LISTS.panels.map((one) => new Panel(one, filter));
  byId("panels").replaceChildren(...panels.map((panel) => panel.root));
  return panels;
}
