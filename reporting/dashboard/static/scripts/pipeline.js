// The ledger, and in words whether an operator has something to do.

import { ask, isVisitor } from "./api.js";
import { byId, h } from "./dom.js";
import { count, duration, plural } from "./format.js";

const SLOW_SECONDS = 30;
// As `/ready` has it.
const LONG_UNMERGED_SECONDS = 120;

export async function loadPipeline() {
  const status = await fetchStatus();
  byId("pipeline").hidden = status === null;
  if (status !== null) show(status);
}

// None to whoever has a key of some sites only, or none: it is of all.
async function fetchStatus() {
  if (isVisitor()) return null;
  try {
    return await ask("pipeline/status");
  } catch (error) {
    if (error.code === "other_site") return null;
    throw error;
  }
}

// What is wrong now: elements, none if all is well.
export async function fetchTrouble() {
  const status = await fetchStatus();
  return (status === null ? [] : verdictsOn(status))
    .filter(({ kind }) => kind !== "good")
    .map(verdict);
}

export function showNoPipeline(error) {
  body().replaceChildren(
    verdict({ kind: "bad", text: `Not available: ${error.code || error.message}` }),
  );
}

const body = () => byId("pipeline").querySelector(".body");

function show(status) {
  const dropped = Object.values(status.dropped).reduce((sum, number) => sum + number, 0);
  const waiting = status.queued + status.processing;
  body().replaceChildren(
    ...verdictsOn(status).map(verdict),
    h(
      "dl",
      { class: "facts" },
      fact("Accepted", count(status.accepted)),
      fact("Stored", count(status.stored)),
      fact("Duplicates", count(status.duplicates)),
      fact("Dropped", count(dropped)),
      ...Object.entries(status.dropped).map(([reason, number]) =>
        fact(reason, count(number), "sub"),
      ),
      ...(status.erased ? [fact("Erased with their sites", count(status.erased))] : []),
      ...Object.entries(status.corrected || {}).map(([reason, number]) =>
        fact(`Corrected: ${reason}`, count(number)),
      ),
      fact("Dead letters", count(status.dead), status.dead ? "trouble" : ""),
      fact("Queued", count(waiting)),
      ...(status.spooled ? [fact("In the spool", count(status.spooled), "trouble")] : []),
      fact(
        "Lag",
        status.oldest_queued_seconds == null ? "none" : duration(status.oldest_queued_seconds),
      ),
      fact(
        "Not merged yet",
        count(status.unmerged_events),
        isLongUnmerged(status) ? "trouble" : "",
      ),
      fact("Workers", count(status.workers), status.workers ? "" : "trouble"),
    ),
  );
}

// Everything that is wrong, worst first; one line that says so if nothing is.
function verdictsOn(status) {
  const waiting = status.queued + status.processing;
  const found = [];
  const add = (isSo, kind, text) => isSo && found.push({ kind, text });
  add(!status.balanced, "bad", "The ledger does not add up: footfall ledger says what that can be.");
  add(
    (status.verified?.differences ?? 0) > 0,
    "bad",
    "Last night counts and events differed: run footfall verify.",
  );
  add(
    status.workers === 0,
    "bad",
    waiting
      ? `No worker runs; waiting: ${plural(waiting, "event")}.`
      : "No worker runs: events will wait.",
  );
  add(
    status.failed_batches > 0,
    "bad",
    `Not stored, to be tried again: ${status.failed_batches === 1 ? "1 batch" : `${status.failed_batches} batches`}. See the worker's log.`,
  );
  add(
    status.dead > 0,
    "warn",
    `${plural(status.dead, "dead letter")}: see footfall dead-letters list.`,
  );
  add(
    status.workers > 0 && (status.oldest_queued_seconds ?? 0) > SLOW_SECONDS,
    "warn",
    `Behind by ${duration(status.oldest_queued_seconds ?? 0)}; waiting: ${plural(waiting, "event")}.`,
  );
  add(
    status.spooled > 0,
    "warn",
    `Kept on ingestion's disk, for ${duration(status.oldest_spooled_seconds ?? 0)}, until Redis takes them: ${plural(status.spooled, "event")}.`,
  );
  add(
    isLongUnmerged(status),
    "warn",
    `Not merged into the rollups for ${duration(status.oldest_unmerged_seconds ?? 0)}: ${plural(status.unmerged_events, "event")}. Numbers are right, and come more slowly; does the periodic process run?`,
  );
  add(
    status.silent_spooled > 0,
    "bad",
    `On the disk of an ingestion that has said nothing for a day: ${plural(status.silent_spooled, "event")}. Is its machine gone?`,
  );
  add(
    (status.replica_lag_seconds ?? 0) > SLOW_SECONDS,
    "warn",
    `The database's replica is behind by ${duration(status.replica_lag_seconds ?? 0)}: numbers lack what came since.`,
  );
  return found.length
    ? found
    : [
        {
          kind: "good",
          text: waiting
            ? `On the way: ${plural(waiting, "event")}.`
            : "Every accepted event is accounted for.",
        },
      ];
}

const isLongUnmerged = (status) =>
  (status.oldest_unmerged_seconds ?? 0) > LONG_UNMERGED_SECONDS;

const verdict = ({ kind, text }) => h("p", { class: `verdict ${kind}` }, text);

function fact(name, value, kind = "") {
  return h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
}
