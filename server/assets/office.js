// Comfort only: everything in the office works without this file.
"use strict";

const find = (css, within = document) => within.querySelector(css);
const all = (css, within = document) => [...within.querySelectorAll(css)];

// What happens without a new page is said to those who hear the page.
function say(text) {
  const said = find("#said");
  if (said && text) said.textContent = text.replace(/\s+/g, " ").trim();
}

// The address whose page is shown; a link within the page leads to no other.
const place = () => location.pathname + location.search;
let shown = place();

// Puts a page that has come into the place of the one that is shown. What says the news stays, or nobody would
// hear it.
function put(page, address) {
  const said = find("#said");
  const kept = (node) => node.id === "said";
  for (const node of [...document.body.children]) if (!kept(node)) node.remove();
  const now = [...page.body.children].filter((node) => !said || !kept(node));
  if (said) said.before(...now); else document.body.append(...now);
  document.body.className = page.body.className;
  // What a page has of its own begins with it.
  for (const { src } of all("script[src]", page.head)) {
    if (all("script").some((script) => script.src === src)) continue;
    document.head.append(Object.assign(document.createElement("script"), { src }));
  }
  document.title = page.title;
  if (address && address !== place()) history.pushState(null, "", address);
  shown = place();
  begin();
  const news = find("#faults") ?? find("main :is([data-done], #done)");
  const target = news ?? find("main [autofocus]") ?? find("main h1");
  if (target) {
    if (!target.matches("input, select, textarea, button, a")) target.tabIndex = -1;
    target.focus();
    target.scrollIntoView({ block: "center" });
  }
  say(news?.textContent || page.title);
}

// A form is sent once, and one that is marked without a new page. What is sent and not answered is never sent
// again by itself: it may have been done.
async function send(form, button) {
  const fields = new FormData(form, button);
  const files = form.enctype === "multipart/form-data";
  const body = files ? fields : new URLSearchParams([...fields].map(([name, value]) => [name, String(value)]));
  const address = new URL(button?.formAction || form.action, location.href);
  const answer = await fetch(address, { method: "POST", body, headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!find("main", page)) throw new TypeError("no page");
  // A form that comes back with its faults stays at the address of its page.
  put(page, answer.redirected ? answer.url.replace(location.origin, "") : null);
}

function lost(form) {
  form.removeAttribute("data-smooth");
  const note = document.createElement("p");
  note.className = "notice bad";
  note.textContent = "No answer came. It may have been done all the same: ";
  const link = document.createElement("a");
  [link.href, link.textContent] = [location.href, "look at this page again"];
  note.append(link, " before you send it once more.");
  form.prepend(note);
  say(note.textContent);
}

addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  const busy = (yes) => {
    for (const button of all("button", form)) {
      if (yes) button.setAttribute("aria-busy", "true"); else button.removeAttribute("aria-busy");
    }
  };
  busy(true);
  if (!("smooth" in form.dataset)) return;
  event.preventDefault();
  send(form, event.submitter).catch(() => lost(form)).finally(() => {
    delete form.dataset.sent;
    busy(false);
  });
});

addEventListener("popstate", () => { if (place() !== shown) location.reload(); });
// What the page of before shows may be long over.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Where the reader's clock shows the same time, the zone need not be named.
function local(within) {
  for (const zone of all("[data-zone]", within)) {
    const at = Date.parse(zone.previousElementSibling?.dateTime);
    const clock = (timeZone) => new Date(at).toLocaleString("en-GB", { timeZone });
    try { zone.hidden = clock(zone.dataset.zone) === clock(undefined); } catch { /* a zone that it does not know */ }
  }
}

// The part of a page that changes by itself: the server sends it anew whenever it has changed.
let live = null;
function watch() {
  live?.close();
  live = null;
  const part = find("[data-live]");
  if (!part || !("EventSource" in window)) return;
  let spoken = performance.now();
  const show = (html) => {
    const open = new Set(all("details[open]", part).map((details) => details.id));
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.innerHTML = html;
    for (const details of all("details", part)) details.open = open.has(details.id);
    local(part);
    if (focused) document.getElementById(focused)?.focus();
    // Not every sale is said.
    if (performance.now() - spoken < 30_000) return;
    spoken = performance.now();
    say(find("[data-summary]", part)?.textContent);
  };
  live = new EventSource(part.dataset.live);
  live.onmessage = (message) => show(message.data);
  // Refused, not only interrupted: then the page is loaded again now and then.
  live.onerror = () => { if (live?.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 30_000); };
}

// What a page needs once it is there. Scripts of single pages listen to "page".
function begin() {
  find("#faults")?.focus();
  for (const button of all("[data-print]")) { button.hidden = false; button.onclick = () => print(); }
  local(document);
  watch();
  document.dispatchEvent(new Event("page"));
}
begin();
