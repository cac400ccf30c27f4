// A question before what cannot be undone; `answer` does it, and its error is shown in the dialog.

import { byId, h } from "../dom.js";
import { actions, onSubmit, submit } from "./form.js";

export function askFirst({ title, parts, button, answer }) {
  const dialog = byId("question");
  const cancel = h(
    "button",
    { type: "button", class: "button", onclick: () => dialog.close() },
    "Cancel",
  );
  const form = h("form", { class: "body stacked" }, ...parts, actions(submit(button, "danger"), cancel));
  onSubmit(form, async () => {
    await answer(form);
    dialog.close();
  });
  dialog.replaceChildren(h("header", {}, h("h2", { id: "question-title" }, title)), form);
  dialog.showModal();
}
