// The site works without a connection once it was visited: sw.js keeps what was opened.

if (location.protocol !== "file:" && "serviceWorker" in navigator) {
  const worker = new URL(
    "../sw.js",
    /** @type {HTMLScriptElement} */ (document.currentScript).src,
  );
  addEventListener("load", async () => {
    try {
      await navigator.serviceWorker.register(worker);
    } catch {
      return; // where none is allowed, the site is as it was
    }
    const { active } = await navigator.serviceWorker.ready;
    const tell = (entries) => active.postMessage(entries.map(({ name }) => name));
    tell([{ name: location.href }]);
    // All that was loaded before, too.
    new PerformanceObserver((list) => tell(list.getEntries())).observe({
      type: "resource",
      buffered: true,
    });
  });
}
