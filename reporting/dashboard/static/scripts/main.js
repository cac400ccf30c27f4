// The page: reads what is looked at from the address, asks for it, and shows the answers.

import { ask, forgetKey, isVisitor, key } from "./api.js";
import { makePanels } from "./breakdown.js";
import { Chart } from "./chart.js";
import { ownZone, setUpControls } from "./controls.js";
import { fileName, setCsv } from "./download.js";
import { byId, h } from "./dom.js";
import { showFilters } from "./filters.js";
import { showHeadline, showNoHeadline, viewsName } from "./headline.js";
import { askForKey } from "./key_dialog.js";
import { loadLive, showNoLive } from "./live.js";
import { isInTrouble, reportTrouble, reportWell } from "./notice.js";
import {
  INTERVALS,
  daysOf,
  includesToday,
  intervalOf,
  intervalsFor,
  isZone,
  previousName,
} from "./periods.js";
import { fetchTrouble, loadPipeline, showNoPipeline } from "./pipeline.js";
import { poll } from "./polling.js";
import { namesZone, searchFrom, stateFrom } from "./state.js";
import { setUpTestEvent } from "./test_event.js";
import { setUpTheme } from "./theme.js";
import { hideWelcome, showTrouble, showWelcome } from "./welcome.js";

const LIVE_SECONDS = 5;
const REFRESH_SECONDS = 30;
const LAST_MINUTES = 60;

let state = stateFrom(location.search, ownZone());
// Whether days begin as they usually do for the site, rather than as somebody has chosen.
let followsSite = !namesZone(location.search);
let sites = null;
// Whether one can go on without a key.
let isShownToAll = false;
let looking = new AbortController();
let shownAt = 0;
let shownSearch = null;

const chart = new Chart();
const panels = makePanels((dimension, value) =>
  change({ filters: { ...state.filters, [dimension]: value } }),
);
const controls = setUpControls(change);
controls.show(state, new Date());
const live = poll(loadNow, LIVE_SECONDS);
setUpTheme(() => chart.plot && chart.draw());
setUpTestEvent(() => state.site, lookSoon);
addEventListener("popstate", () => {
  state = stateFrom(location.search, ownZone());
  followsSite = !namesZone(location.search);
  load();
});
byId("enter-key").addEventListener("click", () => {
  isShownToAll = true;
  askForKey(false, lookAnew, leaveKey);
});

function change(changes) {
  if (sites) followsSite = !("tz" in changes) && state.tz === usualZone();
  state = { ...state, ...changes };
  followZone();
  history.pushState(null, "", searchFrom(state));
  load();
}

const siteNow = () => sites?.find((one) => one.site_id === state.site);

// The site's, where it has one that the browser knows; else the browser's.
function usualZone() {
  const zone = siteNow()?.time_zone;
  return isZone(zone) ? zone : ownZone();
}

function followZone() {
  if (followsSite) state = { ...state, tz: usualZone() };
}

// Every few seconds: what happens now, and now and then the rest, while today is part of it.
async function loadNow() {
  if (byId("key").open) return;
  if (isWaiting()) await load();
  if (isWaiting()) return sites && tellOfTrouble();
  const isDue = Date.now() - shownAt > REFRESH_SECONDS * 1000 && includesToday(state, new Date());
  const looks = [
    attempt("live", loadLive(state.site), showNoLive),
    attempt("pipeline", loadPipeline(), showNoPipeline),
  ];
  if (isDue || isInTrouble("numbers")) looks.push(load("no-cache"));
  await Promise.all(looks);
}

// Why the first event may not come, in words.
function tellOfTrouble() {
  return attempt("pipeline", fetchTrouble().then(showTrouble), () => {});
}

// Whether there is nothing yet of which one could ask what happens now.
function isWaiting() {
  return sites === null || byId("board").hidden;
}

// What was sent is counted within a second, or a few where the machine is busy.
function lookSoon() {
  for (const ms of [1000, 3000, 8000]) setTimeout(refresh, ms);
}

function refresh() {
  load("no-cache");
  live.run();
}

// With another key, or none, there are other sites.
function lookAnew() {
  sites = null;
  refresh();
}

function leaveKey() {
  forgetKey();
  lookAnew();
}

// Everything of the range. A newer look ends an older one.
async function load(cache = "default") {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  await attempt("numbers", loadAll({ signal, cache }), showNothing);
  if (!signal.aborted) byId("board").setAttribute("aria-busy", "false");
}

async function loadAll(how) {
  await loadSites();
  if (isEmpty()) return welcome();
  hideWelcome();
  byId("board").hidden = false;
  await loadRange(how);
  shownAt = Date.now();
  shownSearch = searchFrom(state);
}

async function loadSites() {
  if (sites !== null && !isEmpty()) return followZone();
  const listed = await ask("sites");
  sites = listed.sites;
  // Of what is not public a visitor has to be asked for a key.
  if ((listed.next_cursor || isVisitor()) && state.site && isEmpty()) {
    sites.push(...(await ask("sites", { site_id: state.site })).sites);
  }
  if (!state.site && sites.length) {
    const most = sites.reduce((one, other) =>
      other.total_events > one.total_events ? other : one,
    );
    state = { ...state, site: most.site_id };
  }
  followZone();
  controls.showSites(sites, state.site, Boolean(listed.next_cursor));
  byId("enter-key").hidden = !isVisitor();
  byId("test-event").hidden = isVisitor();
  // A link copied from here shows the same elsewhere, so it names its site and its zone.
  if (state.site) history.replaceState(null, "", searchFrom(state));
}

function isEmpty() {
  return !sites.some((one) => one.site_id === state.site);
}

function welcome() {
  byId("board").hidden = true;
  showWelcome(state.site, lookSoon);
}

async function loadRange(how) {
  const now = new Date();
  const query = { site_id: state.site, ...daysOf(state, now), tz: state.tz, ...state.filters };
  showControls(now, query);
  if (searchFrom(state) !== shownSearch) byId("numbers").setAttribute("aria-busy", "true");
  const stats = ask("stats", { ...query, compare: "previous", limit: 1 }, how);
  const looks = [
    stats.then((answer) =>
      showHeadline(answer, state.filters, previousName(state, now), state.period === "today"),
    ),
    loadSeries(query, now, how),
    ...panels.map((panel) => panel.load({ query, ...how }, stats)),
  ];
  const results = await Promise.allSettled(looks);
  how.signal.throwIfAborted();
  byId("numbers").removeAttribute("aria-busy");
  const problem = results.find((result) => result.status === "rejected");
  if (problem) throw problem.reason;
}

function showControls(now, query) {
  document.title = `${state.site} · Footfall`;
  controls.show(state, now);
  showFilters(state.filters, change);
  const chosen = intervalOf(state, now);
  const suiting = intervalsFor(state, now);
  byId("intervals").hidden = suiting.length < 2;
  byId("intervals").replaceChildren(
    ...suiting.map((name) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(name === chosen),
          onclick: () => change({ interval: name }),
        },
        INTERVALS[name],
      ),
    ),
  );
  setCsv(
    byId("chart-csv"),
    "stats/timeseries",
    { ...query, ...byInterval(chosen) },
    fileName(state.site, query.from, query.to),
  );
}

// Weeks are asked for as the site has them, so that an answer from before it was changed is not kept.
const byInterval = (interval) =>
  interval === "week" ? { interval, week_start: siteNow()?.week_start } : { interval };

async function loadSeries(query, now, how) {
  const interval = intervalOf(state, now);
  const { points } = await ask("stats/timeseries", { ...query, ...byInterval(interval) }, how);
  const shown = interval === "minute" ? lastHour(points, now) : points;
  chart.show(shown, {
    interval,
    tz: state.tz,
    viewsName: viewsName(state.filters),
    now: now.getTime(),
  });
}

function lastHour(points, now) {
  const past = points.filter((point) => Date.parse(point.start) <= now.getTime());
  return past.slice(-LAST_MINUTES);
}

function showNothing(error) {
  if (byId("live").querySelector(".skeleton")) showNoLive();
  if (byId("pipeline").querySelector(".skeleton")) showNoPipeline(error);
  byId("numbers").removeAttribute("aria-busy");
  // What was asked for is already there, from before the trouble.
  if (searchFrom(state) === shownSearch) return;
  shownSearch = null;
  showNoHeadline();
  for (const panel of panels) panel.showNothing("Not available just now.");
  chart.showNothing("Not available just now.");
}

// No key, or one that does not read.
const isNoKey = ({ status, code }) => status === 401 || code === "wrong_key";

// Waits for a part of the page; what goes wrong with it is shown in its place and above.
async function attempt(part, work, showFailure) {
  try {
    await work;
    reportWell(part);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (isNoKey(error)) {
      return askForKey(key() !== null, lookAnew, isShownToAll ? leaveKey : undefined);
    }
    if (error.status === undefined) throw error; // a bug of ours
    showFailure(error);
    reportTrouble(part, error, refresh);
  }
}
