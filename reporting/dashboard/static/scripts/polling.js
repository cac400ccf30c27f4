// Doing something again and again, but never for a tab that nobody sees.

// Runs `task` now and then every `seconds`, counted from its end; `run()` does it at once.
export function poll(task, seconds) {
  let timer = null;
  let running = false;

  async function run() {
    clearTimeout(timer);
    timer = null;
    if (document.hidden || running) return;
    running = true;
    try {
      await task();
    } finally {
      running = false;
      if (!document.hidden) timer = setTimeout(run, seconds * 1000);
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else run();
  });
  run();
  return { run };
}
