// A button that opens a panel below it; Escape, a click elsewhere or leaving it closes the panel.

export function setUpMenu(root) {
  const button = root.querySelector("button");
  const panel = root.querySelector(".menu-panel");

  function set(isOpen) {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  }

  button.addEventListener("click", () => set(panel.hidden));
  document.addEventListener("pointerdown", (event) => {
    if (!root.contains(event.target)) set(false);
  });
  root.addEventListener("focusout", (event) => {
    // A click on what takes no focus, or another window, leaves nothing here.
    if (event.relatedTarget && !root.contains(event.relatedTarget)) set(false);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    set(false);
    button.focus();
  });
  return {
    close() {
      const hadFocus = panel.contains(document.activeElement);
      set(false);
      if (hadFocus) button.focus();
    },
  };
}
