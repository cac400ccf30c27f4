// Asks for a key; it is kept in this tab until the tab is closed.

import { keepKey } from "./api.js";
import { byId, h } from "./dom.js";

// `why` says what is wrong with the one that was given, where that is known.
export function askForKey(isWrong, onGiven, why = "") {
  const dialog = byId("key");
  if (dialog.open) return;
  const input = h("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "current-password",
  });
  const problem = h(
    "p",
    { class: "problem", role: "alert" },
    isWrong ? why || "That key was not accepted." : "",
  );
  const form = h(
    "form",
    { class: "body stacked" },
    h(
      "p",
      { class: "quiet-text" },
      "This installation asks for a key: the value of API_AUTH, or one that was made for you. It is kept in this tab until you close it.",
    ),
    h("label", {}, "Key", input),
    problem,
    h("button", { class: "button primary" }, "Go on"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey(input.value.trim());
    dialog.close();
    onGiven();
  });
  // Without a key there is nothing to go back to.
  dialog.oncancel = (event) => event.preventDefault();
  dialog.replaceChildren(h("header", {}, h("h2", { id: "key-title" }, "Key")), form);
  dialog.showModal();
}
