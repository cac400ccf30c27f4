// The Settings page: which part is shown stands behind the # of the address.

import { key } from "../api.js";
import { byId, h } from "../dom.js";
import { askForKey } from "../key_dialog.js";
import { setUpTheme } from "../theme.js";
import { showDoctor } from "./doctor.js";
import { showKeys } from "./keys.js";
import { card, hint } from "./parts.js";
import { showNewSite, showSite, showSites } from "./sites.js";

const root = byId("settings");
let looking = new AbortController();
setUpTheme(() => {});
addEventListener("hashchange", show);
show();

async function show() {
  const [part = "sites", rest] = location.hash.slice(1).split("/").filter(Boolean);
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${part === "register" ? "sites" : part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  root.setAttribute("aria-busy", "true");
  try {
    await drawn(part, decoded(rest), signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === undefined) throw error; // a bug of ours
    if (error.status === 401 || error.code === "wrong_key") {
      root.replaceChildren(card("Settings", hint("An admin key is needed.")));
      return askForKey(key() !== null, show, undefined, error.code === "wrong_key" ? error.message : "");
    }
    root.replaceChildren(card("Not available", hint(error.message), again()));
  } finally {
    if (!signal.aborted) root.setAttribute("aria-busy", "false");
  }
}

function drawn(part, name, signal) {
  if (part === "keys") return showKeys(root, signal);
  if (part === "doctor") return showDoctor(root, signal);
  if (part === "register") return showNewSite(root, name);
  return name ? showSite(root, name, signal) : showSites(root, signal);
}

// As it stands where it cannot be read.
function decoded(text = "") {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const again = () => h("button", { type: "button", class: "button", onclick: show }, "Try again");
