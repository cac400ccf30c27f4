// Light, dark, or whatever the system says; the button goes round the three.

import { byId } from "./dom.js";

const THEMES = ["system", "light", "dark"];
const KEY = "footfall_theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function setUpTheme(onChange) {
  const button = byId("theme");
  let theme = THEMES.includes(document.documentElement.dataset.theme)
    ? document.documentElement.dataset.theme
    : "system";

  function show() {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.title = `Theme: ${theme}`;
    button.querySelector(".sr").textContent = `Theme: ${theme}`;
  }

  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep(theme);
    show();
    onChange();
  });
  dark.addEventListener("change", onChange);
  show();
}

function keep(theme) {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is refused: the choice lasts until the page is closed.
  }
}
