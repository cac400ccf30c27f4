// Presses the buttons, and asks twice a second how far the run is.

const ASK_EVERY_MS = 500;
const element = (id) => document.getElementById(id);
const buttons = document.querySelectorAll("button[data-rate]");
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function describe(state) {
  if (state.error) return state.error;
  if (!state.site) return "Nothing runs.";
  if (!state.is_running) return `${state.site} is done.`;
  const rate = whole.format(state.rate);
  return state.is_over
    ? `${state.site}: all is sent; waiting until the workers are done.`
    : `${state.site}: sending ${rate} events a second.`;
}

function showFigures(state) {
  for (const shown of document.querySelectorAll("[data-figure]")) {
    const name = shown.dataset.figure;
    const value = name === "backlog" ? state.backlog : state.figures?.[name];
    const format = name.endsWith("_ms") ? tenths : whole;
    shown.textContent = value == null ? "–" : format.format(value);
  }
}

// Where a visitor came from: the campaign in the address, or the site with the link.
function origin(event) {
  const campaign = new URLSearchParams(event.path.split("?")[1]).get("utm_source");
  return campaign ?? (event.referrer ? new URL(event.referrer).hostname : "");
}

function row(event) {
  const cells = [
    new Date(event.timestamp).toLocaleTimeString(),
    event.event_type,
    event.path.split("?")[0],
    event.user_id,
    origin(event),
  ];
  const tr = document.createElement("tr");
  for (const text of cells) {
    tr.append(Object.assign(document.createElement("td"), { textContent: text }));
  }
  return tr;
}

function show(state) {
  for (const button of buttons) button.disabled = state.is_running;
  element("stop").disabled = !state.is_running;
  // Set only when it changes: it is read out.
  const text = describe(state);
  if (element("state").textContent !== text) element("state").textContent = text;
  showFigures(state);
  element("events").replaceChildren(...state.events.map(row));
  element("verdict").hidden = state.verdict.length === 0;
  element("verdict").textContent = state.verdict.join("\n");
  element("verdict").classList.toggle("bad", state.is_proven === false);
  element("dashboard").hidden = false;
  const query = state.site ? `?site=${encodeURIComponent(state.site)}` : "";
  element("dashboard").href = `${state.dashboard}/${query}`;
}

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  try {
    const answer = await fetch(path, options);
    if (answer.ok) show(await answer.json());
  } catch {
    element("state").textContent = "The page's server does not answer.";
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => ask("start", { rate: Number(button.dataset.rate) }));
}
element("stop").addEventListener("click", () => ask("stop", {}));

async function keepAsking() {
  if (!document.hidden) await ask("state");
  setTimeout(keepAsking, ASK_EVERY_MS);
}
keepAsking();
