// Asks for a key; it is kept in this tab until the tab is closed.

import { keepKey } from "./api.js";
import { byId, h } from "./dom.js";

// `onLeft`: what else can be done; without it there is nothing to go back to. `why` says what is wrong
// with the key that was given, where that is known.
export function askForKey(isWrong, onGiven, onLeft, why = "") {
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
  const leave = () => {
    dialog.close();
    onLeft();
  };
  if (onLeft) form.append(h("button", { type: "button", class: "button", onclick: leave }, "Cancel"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey(input.value.trim());
    dialog.close();
    onGiven();
  });
  dialog.oncancel = (event) => {
    event.preventDefault();
    if (onLeft) leave();
  };
  dialog.replaceChildren(h("header", {}, h("h2", { id: "key-title" }, "Key")), form);
  dialog.showModal();
}
