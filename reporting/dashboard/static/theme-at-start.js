// Runs before the first paint, so that a chosen theme does not flash in after the other one.
(function () {
  try {
    var theme = localStorage.getItem("footfall_theme");
    if (theme) document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is refused: the system's theme it is.
  }
})();
