// Serves the page that checks people in where there is no network. The page itself keeps what is served here; nothing
// else of the shop is touched.
"use strict";

const CACHE = "nts-door-1";
/** So long the network is waited for where there is a copy. */
const PATIENCE_MS = 4_000;

addEventListener("install", () => { skipWaiting(); });
addEventListener("activate", (event) => { event.waitUntil(clients.claim()); });

const later = (ms) => new Promise((_, failed) => setTimeout(() => failed(new Error("too late")), ms));

/** The answer of the network, or else the copy. */
async function fresh(request, path) {
  const cache = await caches.open(CACHE);
  const copy = await cache.match(path);
  try {
    const asked = fetch(request);
    const answered = await (copy ? Promise.race([asked, later(PATIENCE_MS)]) : asked);
    if (answered.status >= 500 && copy) return copy;
    return answered;
  } catch (error) {
    if (copy) return copy;
    throw error;
  }
}

async function page(request, path) {
  const answered = await fresh(request, path);
  // Whoever is signed out, or may not check in there any more, has no copy either.
  if (answered.type === "opaqueredirect" || [401, 403, 404].includes(answered.status)) {
    await (await caches.open(CACHE)).delete(path);
  }
  return answered;
}

async function file(request, path) {
  const answered = await fresh(request, path);
  if (answered.ok) await (await caches.open(CACHE)).put(path, answered.clone());
  return answered;
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && /^\/door\/[a-z0-9-]+$/.test(pathname)) event.respondWith(page(request, pathname));
  else if (pathname.startsWith("/assets/")) event.respondWith(file(request, pathname));
});
