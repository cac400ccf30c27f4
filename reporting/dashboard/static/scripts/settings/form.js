// Forms: fields with their hints, and what the service says against one of them, beside it.

import { h } from "../dom.js";

// One field: a label, what it takes, a hint; returns the element and its input.
export function fieldOf(field, text = "", checked = false) {
  const id = `field-${field.name}`;
  const more = {
    id,
    name: field.name,
    "aria-describedby": `${id}-hint`,
    placeholder: field.placeholder,
    autocomplete: "off",
    spellcheck: "false",
  };
  const input = inputOf(field, text, checked, more);
  const label = h("label", { for: id }, field.label);
  const head = field.kind === "check" ? h("div", { class: "check" }, input, label) : label;
  const hint = h("p", { class: "hint", id: `${id}-hint` }, field.hint ?? "");
  return h("div", { "data-field": field.name }, head, field.kind === "check" ? null : input, hint);
}

function inputOf(field, text, checked, more) {
  if (field.kind === "check") return h("input", { ...more, type: "checkbox", checked });
  if (field.kind === "choice") {
    const options = field.choices.map(([value, name]) =>
      h("option", { value, selected: value === text }, name),
    );
    return h("select", more, ...options);
  }
  if (field.kind === "list") return h("textarea", { ...more, rows: "3" }, text);
  const type = field.kind === "number" ? "number" : (field.type ?? "text");
  return h("input", {
    ...more,
    type,
    value: text,
    min: field.least,
    required: field.required,
    list: field.list,
  });
}

// Sends with `send` what the form holds; an error stands at its field, and at the button.
export function onSubmit(form, send) {
  const outcome = form.querySelector(".outcome");
  const button = form.querySelector("button.primary");
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    say(outcome, "", "Saving …");
    button.disabled = true;
    try {
      say(outcome, "good", (await send(form)) ?? "Saved.");
    } catch (error) {
      if (error.status === undefined) throw error; // a bug of ours
      say(outcome, "bad", blame(form, error) ? "Nothing was changed." : error.message);
    } finally {
      button.disabled = false;
    }
  });
}

export function say(outcome, kind, text) {
  outcome.className = `outcome ${kind}`;
  outcome.textContent = text;
}

function clear(form) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const problem of form.querySelectorAll("[data-field] .problem")) problem.remove();
}

// Says it beside the field, where one is to blame; returns whether it did.
function blame(form, { field, message }) {
  const place = field && form.querySelector(`[data-field="${CSS.escape(field)}"]`);
  if (!place) return false;
  const input = place.querySelector("input, textarea, select");
  input.setAttribute("aria-invalid", "true");
  place.append(h("p", { class: "problem" }, message));
  input.focus();
  return true;
}

export const actions = (...buttons) =>
  h("div", { class: "actions" }, ...buttons, h("p", { class: "outcome", role: "status" }));

export const submit = (text, kind = "") => h("button", { class: `button primary ${kind}` }, text);
