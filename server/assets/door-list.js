// The list of the event's tickets for when there is no network, and what this device tells of itself. It is loaded behind
// door.js and uses what stands there. Nobody reads a name in the list: each can be read with the code of its ticket only.
"use strict";

/** So often the list is brought up to date, and the box office is told that this device is there. */
const LIST_MS = 30_000;
/** So long a page of the list is waited for. */
const PAGE_MS = 30_000;
/** So long the list is asked when somebody stands at the door. */
const LOOK_MS = 800;

const within = (ms, what) => Promise.race([what, pause(ms).then(() => { throw new Error("too late"); })]);

/** A database of its own: scans that were not sent do not depend on it. */
const lists = new Promise((done) => {
  const asked = globalThis.indexedDB?.open("nts-door-list", 1);
  if (!asked) { done(null); return; }
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("lists", { keyPath: "event" });
    asked.result.createObjectStore("tickets", { keyPath: ["event", "ticket"] });
  };
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => done(null);
});

/** Does something in one transaction, and gives the results of the requests that it returns. A storage that does not answer
 *  is not waited for. */
const inList = (mode, act) => within(PAGE_MS, transaction(mode, act));

async function transaction(mode, act) {
  const open = await lists;
  if (!open) throw new Error("there is no storage");
  return new Promise((done, failed) => {
    const together = open.transaction(["lists", "tickets"], mode);
    const asked = act(together.objectStore("lists"), together.objectStore("tickets")) ?? [];
    together.oncomplete = () => done(asked.map((one) => one.result));
    together.onabort = together.onerror = () => failed(together.error);
  });
}

const ofEvent = (event) => IDBKeyRange.bound([event], [event, []]);

/** Reads what has changed since the last time; the first time, everything. */
async function readList() {
  const [known] = await inList("readonly", (all) => [all.get(data.event)]);
  let [query, since, tag] = [known ? `since=${known.since}` : "", known?.since, known?.tag];
  for (let first = true; ; first = false) {
    const headers = first && tag ? { "if-none-match": tag } : {};
    const answered = await fetch(`/door/${data.event}/list?${query}`, {
      headers, redirect: "error", cache: "no-store", signal: AbortSignal.timeout?.(PAGE_MS),
    });
    if (answered.status === 304) break;
    if (!answered.ok) throw new Error(`status ${answered.status}`);
    if (first) tag = answered.headers.get("etag");
    const page = await answered.json();
    await inList("readwrite", (_, tickets) => {
      for (const ticket of page.tickets) tickets.put({ ...ticket, event: data.event });
    });
    if (!page.next) { since = page.since; break; }
    query = `page=${page.next}`;
  }
  // Only a list that is whole is trusted, so this is written last.
  const row = { event: data.event, since, tag, at: now(), until: data.ends_ms };
  await inList("readwrite", (all) => { all.put(row); });
}

/** Forgets the lists of events that are over. */
async function forgetLists() {
  const [all] = await inList("readonly", (known) => [known.getAll()]);
  const over = all.filter(({ event, until }) => event !== data.event && (until ?? 0) + KEPT_MS < now());
  if (!over.length) return;
  await inList("readwrite", (known, tickets) => {
    for (const { event } of over) { known.delete(event); tickets.delete(ofEvent(event)); }
  });
}

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/** Whose ticket it is: what the list has hidden from everybody who has not this code. */
async function named(code, sealed) {
  if (!sealed) return {};
  const said = new TextEncoder().encode(`nts door list 1\n${code}`);
  const key = await crypto.subtle.importKey("raw", await crypto.subtle.digest("SHA-256", said), "AES-GCM", false, ["decrypt"]);
  const bytes = bytesOf(sealed);
  const text = await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes.subarray(0, 12) }, key, bytes.subarray(12));
  return JSON.parse(new TextDecoder().decode(text));
}

/** What the list says of a code that is ours; null: there is no whole list. It is as of `at`.
 *  `no`: why the ticket lets nobody in. `was`: the last entry or exit with it. `name`, `type`: whose it is. */
async function listed({ ticket, code, key, revision }) {
  const asked = inList("readonly", (all, tickets) => [all.get(data.event), tickets.get([data.event, ticket])]);
  const [list, row] = await within(LOOK_MS, asked).catch(() => [null]);
  if (!list) return null;
  if (!row) return { at: list.at, isNew: true };
  if (!row.valid) return { at: list.at, no: "revoked" };
  if (revision < row.revision) return { at: list.at, no: "replaced" };
  const was = row.last ? { at: Date.parse(row.last.at), gate: row.last.gate, way: row.last.direction } : null;
  const { name = "", ticket_type: type = "" } = await named(code, row.names?.[key]).catch(() => ({}));
  return { at: list.at, was, name, type };
}

/** The box office lists the devices at its doors. */
async function tell() {
  await fetch(`/door/${data.event}/devices`, {
    method: "POST", headers: { "content-type": "application/json" }, redirect: "error", signal: AbortSignal.timeout?.(PATIENCE_MS),
    body: JSON.stringify({ device: data.device, gate: data.gate ?? "", unsent: unsent.length }),
  });
}

let syncing = false;
/** Whether something has changed since the reading that goes on began. */
let again = false;
async function sync() {
  if (document.hidden || performance.now() - used > USED_MS) return;
  again = true;
  if (syncing) return;
  syncing = true;
  try {
    while (again) {
      again = false;
      await tell();
      // Without these nothing can be checked here, so a list would be of no use.
      if (globalThis.crypto?.subtle) await readList();
    }
  } catch { again = false; /* There is no network. The list stays as it is. */ } finally { syncing = false; }
}

setInterval(sync, LIST_MS);
addEventListener("online", sync);
document.addEventListener("visibilitychange", sync);
sync().then(forgetLists).catch(() => {});

// The page that is kept for when there is no network has found nobody.
if (new URLSearchParams(location.search).get("q") && !find("#q").value) {
  const text = "A guest is found by name only with a network. Scan the QR code of the ticket.";
  find(".find form").after(element("p", { className: "notice", textContent: text }));
}
