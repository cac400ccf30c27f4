// The doctor: what is set wrong, and the last requests, looked at again every few seconds.

import { ask } from "../api.js";
import { h } from "../dom.js";
import { clockTime } from "../format.js";
import { card, hint, tableOf } from "./parts.js";

const AGAIN_MS = 4000;
const KINDS = { error: "bad", warning: "warn", hint: "" };

// Looks until `signal` says that something else is shown.
export async function showDoctor(root, signal) {
  while (!signal.aborted) {
    const answer = await ask("doctor", {}, { signal, cache: "no-store" });
    root.replaceChildren(findingsOf(answer), requestsOf(answer));
    root.setAttribute("aria-busy", "false");
    await pause(signal);
  }
}

function findingsOf({ findings, ingestion_processes }) {
  const one = ingestion_processes === 1;
  const told = `${ingestion_processes} ingestion ${one ? "process has" : "processes have"} told how things stand there.`;
  return card(
    "What is found",
    h(
      "div",
      {},
      ...(findings.length ? findings.map(verdict) : [h("p", { class: "verdict" }, "Nothing is wrong.")]),
      hint(told),
    ),
  );
}

function verdict({ severity, setting, seen, advice }) {
  const words = [h("strong", {}, `${severity}: `), `${seen} `, advice];
  if (setting && !`${seen}${advice}`.includes(setting)) words.push(` (${setting})`);
  return h("p", { class: `verdict ${KINDS[severity] ?? ""}` }, h("span", {}, ...words));
}

function requestsOf({ requests }) {
  const heads = ["At", "Request", "Answer", "Site", "Address", "From", "Country", "Host", "Page of"];
  const content = requests.length
    ? tableOf(
        heads,
        requests.map((one) => [
          clockTime(new Date(one.at), undefined, "medium"),
          `${one.method} ${one.path}`,
          one.code ? `${one.status} ${one.code}` : String(one.status),
          one.site_id,
          one.address ? `${one.address} (${one.address_class})` : "none",
          one.address_from,
          one.country,
          one.host,
          one.origin_host,
        ]),
        { isAllText: true },
      )
    : hint("None yet. Ingestion notes what it is sent while this page is open, and for a minute.");
  return card("The last requests", content);
}

const pause = (signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, AGAIN_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
