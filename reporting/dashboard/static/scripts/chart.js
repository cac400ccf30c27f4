// Views and users over time: drawn, read out point by point with the arrow keys, and as a table.
//
// A point's place is its number, not its time: hours that a clock change doubles or leaves out take
// as much room as others, and labels follow the zone that was asked for.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { announce, byId, h } from "./dom.js";
import { compact, full, pointNames } from "./format.js";

const LABEL_PX = { minute: 70, hour: 64, day: 68, week: 68, month: 84 };
const STEPS = {
  minute: [5, 10, 15, 30],
  hour: [1, 2, 3, 4, 6, 12, 24, 48],
  day: [1, 2, 3, 7, 14, 28],
  week: [1, 2, 4, 8, 13, 26],
  month: [1, 2, 3, 6, 12],
};
const WHOLE = [1, 2, 5]
  .flatMap((digit) => Array.from({ length: 10 }, (_, zeros) => digit * 10 ** zeros))
  .sort((a, b) => a - b);

export class Chart {
  constructor() {
    this.root = byId("chart");
    this.button = byId("chart-table-button");
    this.table = byId("chart-table");
    this.plot = null;
    this.button.addEventListener("click", () => this.toggleTable());
    new ResizeObserver(() => this.fit()).observe(this.root);
  }

  // `points` as the API gives them; those after `now` (ms) are yet to come.
  show(points, { interval, tz, viewsName, now }) {
    const known = points.filter((point) => Date.parse(point.start) <= now);
    Object.assign(this, { points, known, interval, viewsName, names: pointNames(interval, tz) });
    this.isOpen = known.length > 1 && this.endsAfter(now);
    document.querySelector(".key.views").textContent = viewsName;
    this.draw();
    this.fillTable();
  }

  // Whether the last known point is still counting.
  endsAfter(now) {
    const next = this.points[this.known.length];
    if (next) return true;
    const [a, b] = this.points.slice(-2).map((point) => Date.parse(point.start));
    return now < b + (b - a);
  }

  showNothing(text) {
    this.plot?.destroy();
    this.plot = null;
    this.root.replaceChildren(h("p", { class: "none" }, text));
  }

  // Whoever is reading along stays where they are.
  draw() {
    const hadFocus = this.root.contains(document.activeElement);
    const at = this.plot && this.plot.cursor.left >= 0 ? this.plot.cursor.idx : null;
    this.plot?.destroy();
    const area = h("div", {
      class: "plot-area",
      tabindex: "0",
      role: "group",
      "aria-roledescription": "chart",
      "aria-label": this.description(),
    });
    this.tip = h("div", { class: "tip", hidden: true });
    const probes = ["views", "users", "soft", "line", "card"].map((name) =>
      h("span", { class: `probe ${name}` }),
    );
    this.root.replaceChildren(area, this.tip, ...probes);
    this.plot = new uPlot(this.options(area), this.data(), area);
    area.addEventListener("keydown", (event) => this.onKey(event));
    area.addEventListener("blur", () => this.leave());
    area.addEventListener("mouseleave", () => this.leave());
    if (hadFocus) area.focus({ preventScroll: true });
    if (at != null && at < this.points.length) {
      this.plot.setCursor({ left: this.plot.valToPos(at, "x"), top: 1 });
    }
  }

  description() {
    const best = this.known.reduce(
      (most, point) => (point.views > most.views ? point : most),
      this.known[0],
    );
    const peak =
      best && best.views
        ? `; most on ${this.names.long(Date.parse(best.start))}: ${full(best.views)}`
        : "";
    return `${this.viewsName} and users, ${this.known.length} points${peak}. Arrow keys move along.`;
  }

  // The last point, while it counts, is drawn apart and dashed: a fall that is none.
  data() {
    const numbers = this.points.map((_, number) => number);
    const solid = this.isOpen ? this.known.length - 1 : this.known.length;
    const line = (name) =>
      numbers.map((number) => (number < solid ? this.points[number][name] : null));
    const rest = (name) =>
      numbers.map((number) =>
        this.isOpen && (number === solid || number === solid - 1)
          ? this.points[number][name]
          : null,
      );
    return [numbers, line("views"), line("unique_users"), rest("views"), rest("unique_users")];
  }

  color(name, alpha = 1) {
    const [r, g, b] = getComputedStyle(this.root.querySelector(`.probe.${name}`)).color.match(
      /[\d.]+/g,
    );
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  }

  options(area) {
    const [views, users, soft, line] = ["views", "users", "soft", "line"].map((name) =>
      this.color(name),
    );
    const font = `12px ${getComputedStyle(area).fontFamily}`;
    const few = this.points.length <= 45;
    const drawn = (stroke, more) => ({
      stroke,
      width: 2,
      points: { show: few && this.known.length <= 2, size: 6, fill: stroke },
      spanGaps: false,
      ...more,
    });
    return {
      width: this.root.clientWidth,
      height: this.root.clientHeight,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: {
          size: 8,
          width: 2,
          stroke: () => this.color("card"),
          fill: (plot, index) => plot.series[index].stroke(),
        },
      },
      scales: {
        x: { time: false, range: () => [0, Math.max(this.points.length - 1, 1)] },
        y: { range: (_, __, most) => [0, Math.max(4, (most ?? 0) * 1.08)] },
      },
      axes: [
        {
          stroke: soft,
          font,
          gap: 8,
          size: 34,
          grid: { show: false },
          ticks: { show: false },
          splits: (plot) => this.labelled(plot.bbox.width / devicePixelRatio),
          values: (_, splits) =>
            splits.map((number) => this.names.axis(Date.parse(this.points[number].start))),
        },
        {
          stroke: soft,
          font,
          gap: 8,
          size: (_, values) =>
            18 + 7 * Math.max(2, ...(values ?? []).map((value) => String(value).length)),
          grid: { stroke: line, width: 1 },
          ticks: { show: false },
          incrs: WHOLE,
          space: 48,
          values: (_, splits) => splits.map(compact),
        },
      ],
      series: [
        {},
        drawn(views, { fill: (plot) => this.shade(plot) }),
        drawn(users),
        drawn(views, { dash: [3, 5], fill: this.color("views", 0.06) }),
        drawn(users, { dash: [3, 5] }),
      ],
      hooks: { setCursor: [(plot) => this.onCursor(plot)] },
    };
  }

  shade(plot) {
    const gradient = plot.ctx.createLinearGradient(
      0,
      plot.bbox.top,
      0,
      plot.bbox.top + plot.bbox.height,
    );
    gradient.addColorStop(0, this.color("views", 0.2));
    gradient.addColorStop(1, this.color("views", 0.02));
    return gradient;
  }

  // The points that have a label: every so many that labels have room, minutes by the clock.
  labelled(width) {
    const room = Math.max(1, Math.floor(width / LABEL_PX[this.interval]));
    const steps = STEPS[this.interval];
    const step =
      steps.find((one) => this.points.length / one <= room) ?? Math.ceil(this.points.length / room);
    const place = (point, number) =>
      this.interval === "minute" ? new Date(point.start).getUTCMinutes() : number;
    return this.points.flatMap((point, number) =>
      place(point, number) % step === 0 ? [number] : [],
    );
  }

  onCursor(plot) {
    const number = plot.cursor.idx;
    const point = number == null || plot.cursor.left < 0 ? null : this.known[number];
    this.tip.hidden = !point;
    if (!point) return;
    const row = (name, value) =>
      h("div", {}, h("span", {}, name), h("span", { class: "value" }, full(value)));
    this.tip.replaceChildren(
      h("b", {}, this.names.long(Date.parse(point.start))),
      row(this.viewsName, point.views),
      row("Users", point.unique_users),
    );
    const x = plot.valToPos(number, "x") + plot.bbox.left / devicePixelRatio;
    const left =
      x + 14 + this.tip.offsetWidth > this.root.clientWidth
        ? x - 14 - this.tip.offsetWidth
        : x + 14;
    this.tip.style.transform = `translate(${Math.max(0, left)}px, 8px)`;
  }

  onKey(event) {
    const last = this.known.length - 1;
    const at = this.plot.cursor.left < 0 ? null : this.plot.cursor.idx;
    const moves = {
      ArrowLeft: (at ?? last + 1) - 1,
      ArrowRight: (at ?? -1) + 1,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") this.leave();
    if (!(event.key in moves)) return;
    event.preventDefault();
    const number = Math.min(last, Math.max(0, moves[event.key]));
    const point = this.known[number];
    this.plot.setCursor({ left: this.plot.valToPos(number, "x"), top: 1 });
    announce(
      `${this.names.long(Date.parse(point.start))}: ${full(point.views)} ${this.viewsName.toLowerCase()}, ${full(point.unique_users)} users`,
    );
  }

  leave() {
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  fit() {
    if (this.plot && this.root.clientWidth)
      this.plot.setSize({ width: this.root.clientWidth, height: this.root.clientHeight });
  }

  toggleTable() {
    this.table.hidden = !this.table.hidden;
    this.button.setAttribute("aria-expanded", String(!this.table.hidden));
  }

  fillTable() {
    const head = h(
      "tr",
      {},
      h("th", { scope: "col" }, "Start"),
      h("th", { scope: "col" }, this.viewsName),
      h("th", { scope: "col" }, "Users"),
    );
    const rows = this.known.map((point) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, this.names.long(Date.parse(point.start))),
        h("td", {}, full(point.views)),
        h("td", {}, full(point.unique_users)),
      ),
    );
    const table = h(
      "table",
      { class: "plain" },
      h("caption", { class: "sr" }, "The chart as a table"),
      h("thead", {}, head),
      h("tbody", {}, ...rows),
    );
    this.table.replaceChildren(
      h("div", { tabindex: "0", role: "region", "aria-label": "The chart as a table" }, table),
    );
  }
}
