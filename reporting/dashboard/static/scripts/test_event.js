// The form that posts one event to ingestion, as a website would.

import { authorization, errorOf, reached } from "./api.js";
import { byId } from "./dom.js";

// Where browsers reach ingestion, the script for websites there, and the route to post to.
export const {
  ingestion: INGESTION,
  tracker: TRACKER,
  event: EVENT,
} = document.documentElement.dataset;

// Raises ApiError. Without a key it is a simple request: no preflight, as from any website.
export async function post(event) {
  const asksKey = "ingestAuth" in document.documentElement.dataset;
  const headers = asksKey ? authorization() : {};
  const answer = await reached(
    fetch(EVENT, { method: "POST", body: JSON.stringify(event), headers }),
  );
  if (!answer.ok) throw await errorOf(answer);
}

export function setUpTestEvent(siteOf, onSent) {
  const form = byId("test-event").querySelector("form");
  const outcome = form.querySelector(".outcome");
  const say = (kind, text) => {
    outcome.className = `outcome ${kind}`;
    outcome.textContent = text;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    say("", "Sending …");
    try {
      await post({ site_id: siteOf(), ...given });
      say("good", "Accepted. It is counted in a moment.");
      onSent();
    } catch (error) {
      say(
        "bad",
        error.status
          ? error.message
          : `Ingestion did not answer at ${INGESTION}. Does it run, and is PUBLIC_INGESTION_URL right?`,
      );
    }
  });
}
