// Keeps what a visitor has opened, for when there is no connection. Before this,
// tools/site_offline.py writes VERSION, of the pages and of the network, and what belongs
// to the network: WITH_NETWORK.

const SCOPE = new URL("./", self.location).href;
// Other sites may lie beside this one, and share the place where caches are kept.
const [PAGES, NETWORK] = [VERSION.pages, VERSION.network].map((hash) => `${SCOPE} ${hash}`);

/** Without what follows ? and #; a folder is its index.html. */
function plain(url) {
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/\/$/, "/index.html");
}

const isOurs = (url) => url.startsWith(SCOPE);
const isNetworks = (url) => url.startsWith(`${SCOPE}network/`);
const cacheOf = (url) => caches.open(isNetworks(url) ? NETWORK : PAGES);

/** What an open page has loaded so far, by itself or before this worker was there. */
async function keep(urls) {
  const wanted = urls.filter(isOurs);
  if (wanted.some((url) => plain(url) === `${SCOPE}network/network.onnx.gz`))
    wanted.push(...WITH_NETWORK.map((path) => SCOPE + path));
  await Promise.all(
    wanted.map(async (url) => {
      const cache = await cacheOf(url);
      if (await cache.match(plain(url))) return;
      const response = await fetch(url);
      if (response.ok) await cache.put(plain(url), response);
    }),
  );
}

/** From the server, or what was kept; the network's files, which are large, at once. */
async function answer(event) {
  const { url, mode } = event.request;
  const cache = await cacheOf(url);
  const kept = await cache.match(plain(url));
  if (kept && isNetworks(url)) return kept;
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(cache.put(plain(url), response.clone()));
    return response;
  } catch {
    return kept ?? (mode === "navigate" ? sorry(cache) : Response.error());
  }
}

async function sorry(cache) {
  const kept = (await cache.keys()).map(({ url }) => url.replace(SCOPE, ""));
  const links = kept
    .filter((path) => path.endsWith(".html") && path !== "404.html")
    .sort()
    .map((path) => `<li><a href="${SCOPE}${path}">${path.replace(".html", "")}</a></li>`);
  const page = `<!doctype html><html lang="en"><meta charset="utf-8">
    <meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
    <title>No connection</title><body style="font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem">
    <h1>No connection</h1>
    <p>You have not opened this page before, so it isn't kept here. These are:</p>
    <ul>${links.join("")}</ul>`;
  return new Response(page, { status: 503, headers: { "Content-Type": "text/html" } });
}

async function forgetOlder() {
  const older = (name) => name.startsWith(`${SCOPE} `) && ![PAGES, NETWORK].includes(name);
  await Promise.all((await caches.keys()).filter(older).map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(forgetOlder()));
self.addEventListener("message", (event) => event.waitUntil(keep(event.data)));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && isOurs(url)) event.respondWith(answer(event));
});
