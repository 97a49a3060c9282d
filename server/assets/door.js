// The page that checks people in: reads codes by the camera, sends them without a new page, and tells the answer in
// full colour, in words, by sound and by vibration. Without this file the page works by its forms.
"use strict";

const find = (css, within = document) => within.querySelector(css);
const all = (css, within = document) => [...within.querySelectorAll(css)];
const data = JSON.parse(document.body.dataset.door);

/** So long an answer is waited for. */
const PATIENCE_MS = 5_000;
/** So long after it was last seen, the camera does not ask for the same code again, if it was not let in. */
const SAME_MS = 3_000;
/** A code has left the picture when it was not read for so long, and in so many pictures. */
const LEFT_MS = 600;
const LEFT_PICTURES = 3;
/** Green for a ticket before the camera is shown so long at least and at most. Between these it goes with the ticket. */
const GREEN_LEAST_MS = 1_200;
const GREEN_MOST_MS = 2_500;
/** So long the storage of the device is waited for. */
const DISK_MS = 2_000;
/** So long after somebody has used the page, it asks for the counts. A page that nobody uses does not keep its person
 *  signed in. */
const USED_MS = 30 * 60_000;
/** What is known of tickets is kept for so long after the end of their event. */
const KEPT_MS = 3 * 24 * 60 * 60_000;
/** So often what was not sent is tried again. */
const SEND_MS = 5_000;
/** So often the page asks for the counts of all doors. */
const NEWS_MS = 20_000;
/** At most so many pictures are read in a second. */
const PICTURES = 15;
/** The middle of the picture is read in so many pixels. */
const SIDE = 640;

/** The gate that the address names. The page that is kept for when there is no network may have another one. */
const chosen = data.gates.find(({ id }) => id === new URLSearchParams(location.search).get("gate"))?.id ?? null;

const sound = { go: [[880, 0, .09], [1320, .11, .14]], maybe: [[880, 0, .09], [660, .11, .2]], wait: [[620, 0, .3]], stop: [[190, 0, .22], [150, .26, .4]] };
const shake = { go: [80], maybe: [80, 60, 80], wait: [90, 70, 90], stop: [350, 120, 350] };

// ---- Words ----

const clock = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, weekday: "short", day: "numeric", month: "long", year: "numeric" });

/** When something was or will be: `at 19:42`, or with its day. */
function when(time) {
  const then = new Date(time);
  if (Number.isNaN(then.getTime())) return "";
  if (day.format(then) === day.format(now())) return `at ${clock.format(then)}`;
  return `on ${day.format(then)}, ${clock.format(then)}`;
}

const gateName = (id) => data.gates.find((gate) => gate.id === id)?.name ?? (id === data.only_gate ? "" : id);

/** Where guests with this ticket type come in. */
function gatesFor(type) {
  const names = data.gates.filter((gate) => !gate.types.length || gate.types.includes(type)).map((gate) => gate.name);
  return names.length ? `Send the guest to ${names.join(" or ")}.` : "Send the guest to the box office.";
}

/** What is shown of an answer. */
function shownOf(told) {
  const [colour, title, what, detail] = data.words[told.result];
  const gate = told.first && gateName(told.first.gate);
  const first = told.first ? when(told.first.at) + (gate ? ` at ${gate}` : "") : "";
  const put = (text) => text
    .replace("{first}", () => first || "once")
    .replace("{left}", () => first && ` The last one went out ${first}.`)
    .replace("{gates}", () => gatesFor(told.ticket?.ticket_type))
    .replace("{event}", () => told.event ?? "another event")
    .replace("{opens}", () => told.opens_at ? when(told.opens_at) : "later");
  const { name = "", ticket_type: type = "" } = told.ticket ?? {};
  return { colour, title, name, type, what: put(what), detail: put(detail) };
}

// ---- What is shown ----

const form = find(".scan");
const field = find("#code");
const touch = matchMedia("(pointer: coarse)").matches;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const next = element("button", { type: "button", className: "quiet", textContent: "Next guest" });
const answer = element("div");
const spoken = element("div", { className: "result" });
answer.append(spoken, next);
// Who hears the page is told what is put here.
const place = element("div");
place.setAttribute("role", "status");
find("main").append(place);

const mayPass = (colour) => colour === "go" || colour === "maybe";

/** What was shown last, for whoever looks up too late. */
const past = element("p", { className: "door-past" });
let shownAt = { colour: "", ms: 0, byCamera: false, past: "" };
let greenEnds = 0;

/** Takes away the answer to a form that was sent without this file. */
function endResult() {
  find("#result")?.replaceWith(element("h1", { textContent: "Check people in", className: stream ? "unseen" : "" }));
  document.body.classList.remove("go", "wait", "stop");
}

/** Shows it on the whole screen, until the next one or a touch. Green goes by itself if the camera has asked: it must not
 *  be taken for the answer to the next guest. */
function show({ colour, title, name, type, what, detail, link }, byCamera = false) {
  clearTimeout(greenEnds);
  const text = [title, name, type].filter(Boolean).join(", ");
  shownAt = { colour, ms: performance.now(), byCamera, past: `Last answer, at ${seconds.format(now())}: ${text}` };
  if (byCamera && mayPass(colour)) greenEnds = setTimeout(hide, GREEN_MOST_MS);
  endResult();
  answer.className = `answer ${colour}`;
  const parts = [element("h2", { textContent: title })];
  const part = (className, text) => text && parts.push(element("p", { className, textContent: text }));
  part("door-name", name);
  part("door-type", type);
  part("door-what", what);
  part("", detail);
  if (link) parts.push(element("p", {}, element("a", { href: link[0], textContent: link[1] })));
  spoken.replaceChildren(...parts);
  place.replaceChildren(answer);
  document.body.classList.add("answered");
  navigator.vibrate?.(shake[colour]);
  beep(colour);
}

function hide() {
  clearTimeout(greenEnds);
  if (answer.isConnected) {
    past.textContent = shownAt.past;
    form.before(past);
  }
  answer.remove();
  document.body.classList.remove("answered");
  if (!touch) field.focus();
}

answer.addEventListener("click", (event) => { if (!event.target.closest("a")) hide(); });
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && answer.isConnected) hide();
  // A hand scanner types wherever the focus is.
  const types = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ";
  if (types && !event.target.closest?.("input, select, textarea")) field.focus();
});

let audio = null;
/** Sounds are allowed once somebody has touched the page. */
addEventListener("pointerdown", () => {
  if (!audio && globalThis.AudioContext) audio = new AudioContext();
  audio?.resume();
});
function beep(colour) {
  if (audio?.state !== "running") return;
  for (const [pitch, after, length] of sound[colour]) {
    const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + after];
    tone.type = colour === "stop" ? "sawtooth" : "sine";
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(.5, at);
    volume.gain.setTargetAtTime(0, at + length, .02);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + length + .15);
  }
}

// ---- The gate ----

if (chosen && chosen !== data.gate) {
  data.gate = chosen;
  all("#gate, label[for=gate]", form).forEach((part) => part.remove());
  const gate = `Gate: ${gateName(chosen)}`;
  const summary = find("details.card summary");
  if (summary) summary.textContent = gate; else form.after(element("p", { className: "card gate", textContent: gate }));
  const other = find("#other-gate");
  if (other) other.value = chosen;
}

// ---- Asking ----

/** 128 random bits, as a UUID. Without https a browser has no randomUUID. */
function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 0x0f | 0x40;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const signIn = [`/office/sign-in?next=${encodeURIComponent(location.pathname)}`, "Sign in again"];

/** Why nothing is checked: nobody is signed in, or the link of this phone has ended. `out`: what the line below the counts
 *  says then; `link`: what leads on. */
const left = data.by_link
  ? { title: "This link has ended", detail: "Nothing was checked. Ask whoever gave you the link for a new one.", out: "The link of this phone has ended: ask for a new one." }
  : { title: "Signed out", detail: "Nothing was checked. Sign in, then scan the ticket again.", out: "Signed out: tickets cannot be checked.", link: signIn };

/** Whether an answer says that whoever is at the page may not check in, or not any more. */
const isOut = (status) => status === 401 || status === 403;

/** Sends something for programs. The error says what to show. */
async function ask(path, body, method = "POST") {
  let answered;
  const asked = Date.now();
  try {
    answered = await fetch(path, {
      method, headers: { "content-type": "application/json" }, body: JSON.stringify(body),
      redirect: "error", signal: AbortSignal.timeout?.(PATIENCE_MS),
    });
    setClock(answered, asked);
    if (answered.ok) return await answered.json();
  } catch (error) {
    throw Object.assign(new Error("no answer"), { cause: error, offline: true });
  }
  const problem = await answered.json().catch(() => ({}));
  const error = Object.assign(new Error(problem.title ?? `status ${answered.status}`), { status: answered.status });
  error.offline = answered.status >= 500 || answered.status === 429 || answered.status === 408;
  error.out = isOut(answered.status);
  error.shown = answered.status === 401
    ? { colour: "wait", ...left }
    : { colour: "wait", title: "Not checked", what: problem.title, detail: problem.detail };
  throw error;
}

/** Codes whose answer did not come, with the nonce of the scan: it is the same scan when they are scanned again. */
const unanswered = new Map();

/** Whether something goes out. */
const direction = () => find("input[name=direction]:checked", form)?.value ?? "in";

/** The code that was let in last, and when. */
let lately = { code: "", ms: 0 };

/** A code that this device has let in a moment ago: a guest who holds it up again, or somebody with a copy. */
function moment(shown, told, code) {
  const ago = Math.round((performance.now() - lately.ms) / 1_000);
  if (told.result !== "already_in" || code !== lately.code || ago > 60) return shown;
  const detail = `This device let it in ${ago === 1 ? "1 second" : `${ago} seconds`} ago. If this is another guest, it is a copy: send them to the box office.`;
  return { ...shown, detail };
}

/** Asks whether the holder of this code may pass, and shows the answer. */
async function check(code, byCamera) {
  const known = `${direction()} ${code}`;
  const scan = {
    code, gate: data.gate, device: data.device, nonce: unanswered.get(known) ?? nonce(), direction: direction(),
  };
  unanswered.set(known, scan.nonce);
  try {
    // What was let in without a network is known to the others before somebody else comes with the same ticket.
    if (waiting()) await send().catch((error) => { if (error.offline || error.status) throw error; });
    const told = await ask(`/door/${data.event}/check-ins`, scan);
    unanswered.delete(known);
    show(moment(shownOf(told), told, code), byCamera);
    if (told.result === "admitted") lately = { code, ms: performance.now() };
    remember(told, scan).catch(() => {});
    news();
  } catch (error) {
    if (!error.offline) {
      show(error.shown ?? {
        colour: "wait", title: "Not checked", what: "This page does not understand the answer.",
        detail: "Do not let the guest in yet. Load the page again, then scan the ticket again.",
      });
      if (error.out) state(false, true);
      return;
    }
    state(true);
    const shown = await alone(scan, () => unanswered.delete(known)).catch(() => ({
      colour: "wait", title: "Not recorded", what: "There is no network, and the scan is not recorded on this device.",
      detail: "Do not let the guest in yet. Close other tabs of this page, load it again, and scan the ticket again. If that does not help, use another device.",
    }));
    if (shown.colour === "maybe") {
      unanswered.delete(known);
      lately = { code, ms: performance.now() };
    }
    show(shown, byCamera);
    // The storage may have said that it keeps nothing.
    state();
  }
}

let busy = false;
/** A code that was typed while another one was checked. */
let queued = "";
async function checkOne(code, byCamera = false) {
  if (busy || !code) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try { await check(code, byCamera); } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
  const next = queued;
  queued = "";
  await checkOne(next);
}

form.addEventListener("submit", async (event) => {
  if (!data.gate) return;
  event.preventDefault();
  const code = field.value.trim();
  field.value = "";
  if (busy) { queued = code; return; }
  if (touch) field.blur();
  await checkOne(code);
});

// ---- Without a network ----
//
// A ticket whose signature is right is let in if this device has not let it in before. The scan is on the disk before
// that is shown, and goes to the box office when the network is back, as one whose person has passed already.

/** Scans that were not sent, and tickets that this device knows to be in or to have gone out. */
const storage = new Promise((done) => {
  const asked = globalThis.indexedDB?.open("nts-door", 1);
  if (!asked) { done(null); return; }
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("scans", { keyPath: "nonce" });
    asked.result.createObjectStore("tickets", { keyPath: ["event", "ticket"] });
  };
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => done(null);
});

/** Whether the storage has answered when it was asked last. */
let keeps = true;

/** Does something in one transaction, and gives the result of the request that it returns once all is on the disk. The
 *  error: there is no storage, or it does not answer in time; then nothing is written, or `late` is called once it is. */
function disk(mode, act, late = () => {}) {
  return new Promise((done, failed) => {
    let [together, over] = [null, false];
    const fail = (why) => {
      [over, keeps] = [true, false];
      clearTimeout(limit);
      failed(why);
    };
    const limit = setTimeout(() => {
      fail(new Error("the storage does not answer"));
      try { together?.abort(); } catch { /* It is being written: it may still be there afterwards. */ }
    }, DISK_MS);
    storage.then((open) => {
      if (over) return;
      if (!open) { fail(new Error("there is no storage")); return; }
      together = open.transaction(["scans", "tickets"], mode, { durability: "strict" });
      const asked = act(together.objectStore("scans"), together.objectStore("tickets"));
      together.oncomplete = () => {
        if (over) { late(); return; }
        clearTimeout(limit);
        keeps = true;
        done(asked?.result);
      };
      together.onabort = together.onerror = () => { if (!over) fail(together.error); };
    }).catch(fail);
  });
}

// What the form without this file has told is known here as well.
if (data.told) remember(...data.told).catch(() => {});

/** The scans that were not sent, the oldest first; and those that were taken back, of which the box office may know. */
let unsent = [];
let undone = [];
/** Those that the box office does not take, by their nonces. */
const stuck = new Set();
const waiting = () => [...undone, ...unsent].some((scan) => !stuck.has(scan.nonce));

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** The bytes of a signed code, and how many of them are signed: see docs/ticket-code.md. */
const [BYTES, SIGNED] = [90, 26];

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** What a signed code says, in an address or by itself; null: it is none. */
function signedOf(text) {
  const part = text.trim().split(/[?#]/)[0].split("/").pop();
  // Letters of other alphabets become these by toUpperCase(), and the box office takes none of them.
  if (part.length !== BYTES * 8 / 5 || !/^[A-Za-z2-7]+$/.test(part)) return null;
  const code = part.toUpperCase();
  const bytes = new Uint8Array(BYTES);
  let [bits, held, at] = [0, 0, 0];
  for (const letter of code) {
    const value = LETTERS.indexOf(letter);
    if (value < 0) return null;
    bits = bits << 5 | value;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = bits >> held & 0xff;
      bits &= (1 << held) - 1;
    }
  }
  if (bytes[0] !== 1) return null;
  const view = new DataView(bytes.buffer);
  const which = view.getUint32(22);
  return {
    bytes, code, key: bytes[1], event: view.getBigUint64(2).toString(),
    ticket: `${hex(bytes.subarray(10, 22))}:${which >>> 20}`, revision: which & 0xff, type: data.types[which >>> 8 & 0xfff] ?? "",
  };
}

/** Whether the key of this device says that a code is ours; null: that cannot be found out here. */
async function isOurs({ bytes, key }) {
  const known = data.keys[key];
  if (!known || !globalThis.crypto?.subtle) return null;
  try {
    const raw = Uint8Array.from(known.match(/../g), (byte) => parseInt(byte, 16));
    const made = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    const said = new Uint8Array([...new TextEncoder().encode("nts ticket code 1\n"), ...bytes.subarray(0, SIGNED)]);
    return await crypto.subtle.verify({ name: "Ed25519" }, made, bytes.subarray(SIGNED), said);
  } catch { return null; }
}

/** How far the clock of this device is behind that of the box office, in milliseconds, as it was measured last. */
let behind = Number(localStorage.getItem("nts-door-behind")) || 0;

/** Measures it by an answer to what was asked then. Its `Date` has whole seconds, and may be as old as the request. */
function setClock(answered, asked) {
  const then = Date.parse(answered.headers.get("date"));
  const [least, most] = [then - Date.now(), then + 1_000 - asked];
  if (!(least <= most) || behind >= least && behind <= most) return;
  behind = Math.round((least + most) / 2);
  localStorage.setItem("nts-door-behind", behind);
}

/** The time by the clock of the box office. The clock of the device is used for nothing else. */
const now = () => Date.now() + behind;

/** What lets nobody in any more, whatever becomes of the ticket. */
const FOR_GOOD = ["revoked", "void"];

/** Keeps what the box office says of a ticket. */
async function remember(told, { gate, direction: way, nonce: of, code }) {
  if (!told.ticket) return;
  if (told.result === "replaced") await rememberReplaced(code);
  const ticket = `${told.ticket.order.replaceAll("-", "").slice(0, 24)}:${told.ticket.number}`;
  const is = { event: data.event, until: data.ends_ms, ticket, gate, at: Date.parse(told.at) || now(), way, nonce: of };
  if (told.result === "already_in" && told.first) Object.assign(is, { at: Date.parse(told.first.at), gate: told.first.gate, nonce: "" });
  else if (FOR_GOOD.includes(told.result)) Object.assign(is, { no: told.result, nonce: "" });
  else if (told.result !== "admitted" && told.result !== "left") return;
  await disk("readwrite", (_, tickets) => {
    const asked = tickets.get([is.event, is.ticket]);
    asked.onsuccess = () => {
      // The answer of before, or one that came late: this device knows more by now.
      const isOld = ["admitted", "left"].includes(told.result) && asked.result?.at > is.at;
      if (!isOld) tickets.put({ ...is, before: bare(asked.result) });
    };
    return asked;
  });
}

/** Under this key stands which codes of a ticket count no more. */
const replacedKey = (ticket) => `${ticket} replaced`;

/** Keeps that a code was replaced: the codes of its revision and of those before let nobody in. */
async function rememberReplaced(code) {
  const signed = code && signedOf(code);
  if (!signed) return;
  const row = { event: data.event, until: data.ends_ms, ticket: replacedKey(signed.ticket), least: signed.revision + 1 };
  await disk("readwrite", (_, tickets) => tickets.put(row));
}

/** What was known before, without what was known before that. */
const bare = (is) => is ? { ...is, before: null } : null;

/** Decides without the box office, and gives what is shown. What lets somebody in is on the disk then. `notMade` is called
 *  if the scan was written after that had been given up; it is undone then. */
async function alone(scan, notMade) {
  if (scan.direction === "in" && data.canceled) return shownOf({ result: "event_canceled" });
  const signed = signedOf(scan.code);
  if (!signed) {
    return {
      colour: "wait", title: "Not checked", what: "Without a network only the QR code of a ticket can be checked.",
      detail: "Scan the QR code, or send the guest to the box office.",
    };
  }
  const ours = await isOurs(signed);
  if (ours === null) {
    return {
      colour: "wait", title: "Not checked", what: "There is no network, and this device cannot check the ticket by itself.",
      detail: "Scan it again when the network is back, or send the guest to the box office.",
    };
  }
  // What door-list.js knows, if the list is there.
  const list = await listed(signed).catch(() => null);
  const ticket = { name: list?.name, ticket_type: list?.type || signed.type };
  if (!ours) return shownOf({ result: "unknown_ticket" });
  if (signed.event !== data.event_id) return shownOf({ result: "other_event" });
  const comesIn = scan.direction === "in";
  if (comesIn && data.opens_ms && now() < data.opens_ms) {
    return shownOf({ result: "not_open", opens_at: data.opens_ms, ticket });
  }
  const gate = data.gates.find((known) => known.id === scan.gate);
  if (comesIn && gate?.types.length && !gate.types.includes(signed.type)) return shownOf({ result: "wrong_gate", ticket });
  if (list?.no && comesIn) return shownOf({ result: list.no, ticket });
  const at = now();
  const newer = (own, other) => other && (!own || !own.no && own.at < other.at) ? other : own;
  const fits = (was) => {
    const sameDay = was && day.format(was.at) === day.format(at);
    return !was || !was.no && (comesIn
      ? data.admission === "come_back" && was.way === "out" || data.admission === "once_a_day" && !sameDay
      : was.way === "in");
  };
  let [was, replaced] = [null, false];
  const row = { nonce: scan.nonce, event: data.event, at, type: signed.type, scan: { ...scan, code: signed.code } };
  // Looked at and written at once: the page may be open twice.
  await disk("readwrite", (scans, tickets) => {
    const old = tickets.get([data.event, replacedKey(signed.ticket)]);
    const asked = tickets.get([data.event, signed.ticket]);
    asked.onsuccess = () => {
      was = newer(asked.result, list?.was);
      replaced = comesIn && old.result?.least > signed.revision;
      if (replaced || !fits(was)) return;
      row.before = bare(asked.result);
      scans.add(row);
      tickets.put({
        event: data.event, until: data.ends_ms, ticket: signed.ticket, gate: scan.gate, at, way: scan.direction,
        nonce: scan.nonce, before: row.before,
      });
    };
    return asked;
    // It was told that nothing is recorded, so nobody has passed.
  }, () => {
    if (row.before === undefined) return;
    // At once, so that it is not sent meanwhile.
    stuck.add(row.nonce);
    notMade();
    count().then(() => takeBack(row, false)).catch(() => {});
  });
  if (replaced) return shownOf({ result: "replaced", ticket });
  if (was?.no) return shownOf({ result: was.no, ticket });
  if (!fits(was)) {
    const result = comesIn ? "already_in" : "not_in";
    const told = { result, ticket, first: { at: was.at, gate: was.gate } };
    return moment(shownOf(told), told, scan.code);
  }
  unsent.push(row);
  count().catch(() => {});
  return {
    colour: "maybe", title: comesIn ? "Valid, offline" : "Goes out", name: list?.name ?? "", type: ticket.ticket_type,
    what: comesIn ? list && !list.isNew ? `On the list, and not in as of ${clock.format(list.at)}.` : "The ticket is real, and new to this device." : "",
    detail: comesIn ? "Let the guest in. Whether it was refunded, or used at another door, is told when the network is back." : "It is sent when the network is back.",
  };
}

/** The last scans of this device, as the box office tells them. */
const LAST = "[aria-labelledby=last]";

/** The line under the counts, and the scans that were not sent. */
const line = element("p", { className: "door-line" });
line.setAttribute("role", "status");
find(".door-top").after(line);
const pending = element("ul", { className: "rows" });
const pendingCard = element("section", { className: "card last pending" }, element("h2", { textContent: "Not sent yet" }), pending);
let cut = false;
let signedOut = false;

function state(offline = cut, out = signedOut) {
  [cut, signedOut] = [offline, out];
  const parts = [];
  if (cut) parts.push("No network: the counts may be old.");
  if (signedOut) parts.push(cut ? `${left.title}.` : left.out);
  if (unsent.length) parts.push(`${unsent.length} not sent.`);
  if (stuck.size) parts.push("The box office does not take some of them: show this to a manager of the event.");
  if (!keeps) parts.push("This device cannot keep scans: without a network it lets nobody in.");
  const text = parts.join(" ");
  if (line.dataset.text !== text) {
    line.dataset.text = text;
    line.textContent = text;
    if (signedOut && !cut && left.link) {
      const link = element("a", { href: signIn[0], textContent: unsent.length ? `${signIn[1]} to send them` : signIn[1] });
      line.append(" ", link);
    }
  }
  line.classList.toggle("some", text !== "");
}

/** Looks what was not sent, and shows it. */
async function count() {
  const rows = (await disk("readonly", (scans) => scans.getAll())).sort((a, b) => a.at - b.at);
  [unsent, undone] = [rows.filter((row) => !row.undone), rows.filter((row) => row.undone)];
  pending.replaceChildren(...unsent.slice(-5).reverse().map((row) => {
    const undo = element("button", { type: "button", className: "quiet", textContent: "Undo" });
    undo.addEventListener("click", () => {
      undo.disabled = true;
      takeBack(row).catch(() => {
        undo.disabled = false;
        show({ colour: "wait", title: "Not undone", what: "The storage of this device does not answer.", detail: "Try again, or load the page again first." });
      });
    });
    const out = row.scan.direction === "out";
    const told = element("p", {}, element("strong", { textContent: row.type || "Ticket" }), element("br"),
      element("span", { className: "fine", textContent: `${out ? "Out" : "In"}, ${clock.format(row.at)}` }));
    return element("li", {}, told, undo);
  }));
  if (unsent.length) find(LAST).before(pendingCard); else pendingCard.remove();
  state();
}

/** A scan that was not sent was a mistake. It may have been sent all the same, and its answer been lost: so the box office
 *  is told that it is undone, whether it knows of it or not. */
async function takeBack(row, told = true) {
  if (sending) await sending.catch(() => {});
  if (!unsent.some(({ nonce: of }) => of === row.nonce)) { news(); return; }
  const key = [row.event, signedOf(row.scan.code).ticket];
  let later = false;
  await disk("readwrite", (scans, tickets) => {
    const asked = tickets.get(key);
    asked.onsuccess = () => {
      later = Boolean(asked.result) && asked.result.nonce !== row.nonce;
      if (later) return;
      scans.put({ ...row, undone: true });
      if (row.before) tickets.put(row.before); else tickets.delete(key);
    };
    return asked;
  });
  if (later) {
    await count();
    show({ colour: "wait", title: "Not undone", what: "The ticket was scanned again since.", detail: "Undo the later scan first." });
    return;
  }
  stuck.delete(row.nonce);
  await count();
  if (told) show({ colour: "wait", title: "Undone", what: "The scan was not sent, and does not count.", detail: "The ticket can be scanned again." });
  sendSoon();
}

/** A scan as it is reported later. */
const late = (row) => ({ ...row.scan, late: true, age_ms: Math.max(0, now() - row.at) });

/** Undoes at the box office what was taken back here. The scan is told first: one of which no answer came may still be
 *  under way, and an undo that overtakes it would be of a scan that is not there yet. */
async function sendUndone(row) {
  const { results: [told] } = await ask(`/door/${row.event}/check-ins`, { scans: [late(row)] });
  if (["admitted", "left", "recorded"].includes(told.result)) {
    const { result } = await ask(`/door/${row.event}/check-ins/${row.scan.device}/${row.nonce}`, undefined, "DELETE");
    if (result === "unknown_scan") throw new Error(result);
    if (result !== "undone") {
      const what = `${row.type || "A ticket"}, ${clock.format(row.at)}: it was scanned, and could not be undone any more.`;
      show({ colour: "wait", title: "Not undone", what, detail: "A manager of the event can undo it." });
    }
  }
  await disk("readwrite", (scans) => { scans.delete(row.nonce); });
}

/** What this device must forget because a scan was undone at the box office. */
async function forget(of) {
  await disk("readwrite", (_, tickets) => {
    const asked = tickets.getAll();
    asked.onsuccess = () => {
      for (const is of asked.result.filter((known) => known.nonce === of)) {
        if (is.before) tickets.put(is.before); else tickets.delete([is.event, is.ticket]);
      }
    };
    return asked;
  });
}

/** At most so many scans in one request. */
const BATCH = 25;
let sending = null;
/** Sends what was not sent. One at a time. */
const send = () => sending ??= sendAll().finally(() => { sending = null; });

async function sendAll() {
  try {
    for (;;) {
      await count();
      const takenBack = undone.filter((row) => !stuck.has(row.nonce));
      for (const row of takenBack) await sendUndone(row).catch((why) => keepOrThrow(why, row));
      if (takenBack.length) continue;
      const ready = unsent.filter((row) => !stuck.has(row.nonce));
      if (!ready.length) return;
      const batch = ready.filter((row) => row.event === ready[0].event).slice(0, BATCH);
      try {
        await sendSome(batch);
      } catch (error) {
        if (error.offline || error.out) throw error;
        // One of them is not taken: the others go by themselves.
        for (const row of batch) {
          await sendSome([row]).catch((why) => keepOrThrow(why, row));
        }
      }
      state(false, false);
      news();
    }
  } catch (error) {
    if (error.offline || error.out) state(Boolean(error.offline), Boolean(error.out));
    throw error;
  } finally {
    await count().catch(() => {});
    // The office is told how many are left, and the list has what was sent.
    sync();
  }
}

/** What the box office does not take stays on the device, for a person to look at. The others go on. */
function keepOrThrow(why, row) {
  if (why.offline || why.out) throw why;
  stuck.add(row.nonce);
}

async function sendSome(batch) {
  const { results } = await ask(`/door/${batch[0].event}/check-ins`, { scans: batch.map(late) });
  // What is not recorded there stays here.
  const recorded = ["admitted", "left", "recorded", "undone"];
  batch.forEach((row, at) => { if (!recorded.includes(results[at]?.result)) stuck.add(row.nonce); });
  const taken = (row) => !stuck.has(row.nonce);
  await disk("readwrite", (scans) => { for (const row of batch.filter(taken)) scans.delete(row.nonce); });
  batch.forEach((row, at) => {
    if (results[at] && !["admitted", "left", "undone"].includes(results[at].result)) contradiction(results[at], row);
  });
}

const wrong = element("ul");
const wrongCard = element("section", { className: "card notice bad" },
  element("h2", { textContent: "Let through without a network, but not right" }), wrong);
wrongCard.setAttribute("role", "alert");

/** Both facts are in the records; the people at the door are told as well. */
function contradiction(told, row) {
  const { title, what } = shownOf({ ...told, result: told.objection ?? told.result });
  const who = [told.ticket?.name, told.ticket?.ticket_type ?? row.type].filter(Boolean).join(", ");
  wrong.append(element("li", { textContent: `${clock.format(row.at)}, ${who}: ${what || title}` }));
  form.after(wrongCard);
}

const sendSoon = () => { if (waiting()) send().catch(() => {}); };
addEventListener("online", sendSoon);
setInterval(sendSoon, SEND_MS);
/** Signing in again leads back to this page, and what was not sent is on the disk. */
let signsIn = false;
addEventListener("click", (event) => { signsIn = event.target.closest?.("a")?.getAttribute("href") === signIn[0]; });
addEventListener("beforeunload", (event) => {
  if (!unsent.length || signsIn) return;
  event.preventDefault();
  event.returnValue = "";
});

/** Keeps the page for when there is no network, without the names of guests. */
async function keep(answered, html) {
  if (!globalThis.caches || !navigator.serviceWorker) return;
  const cache = await caches.open("nts-door-1");
  const page = new DOMParser().parseFromString(html, "text/html");
  find(`${LAST} ul`, page)?.replaceWith("They are shown when the network is back.");
  find(".door-conflicts", page)?.replaceChildren();
  const headers = new Headers(answered.headers);
  for (const name of ["content-encoding", "content-length"]) headers.delete(name);
  await cache.put(location.pathname, new Response(`<!doctype html>${page.documentElement.outerHTML}`, { headers }));
}

async function prepare() {
  await navigator.storage?.persist?.();
  if (!globalThis.caches || !navigator.serviceWorker) return;
  await navigator.serviceWorker.register("/door/worker.js", { scope: "/door/" });
  const cache = await caches.open("nts-door-1");
  const files = all("link[rel=stylesheet], link[rel=icon], script[src]").map((one) => one.href ?? one.src);
  await cache.addAll([...files, "/assets/scan.js"]);
}

// ---- Counts and the last scans: parts of the page as it is now ----

/** Forgets the tickets of events that are over. Scans that were not sent stay. */
async function prune() {
  await disk("readwrite", (_, tickets) => {
    const asked = tickets.openCursor();
    asked.onsuccess = () => {
      const at = asked.result;
      if (!at) return;
      const { event, until, at: last } = at.value;
      const ends = event === data.event ? data.ends_ms : until ?? last;
      if (ends + KEPT_MS < now()) at.delete();
      at.continue();
    };
  });
}

const parts = [".door-in", ".door-conflicts", LAST];

function take(page) {
  for (const css of parts) {
    const fresh = find(css, page);
    if (fresh) find(css)?.replaceWith(fresh);
  }
}

async function news() {
  const asked = Date.now();
  try {
    const answered = await fetch(location.pathname + (chosen ? `?gate=${chosen}` : ""), {
      headers: { accept: "text/html" }, redirect: "manual", signal: AbortSignal.timeout?.(PATIENCE_MS),
    });
    // Whoever is signed out is led to where they sign in.
    if (answered.type === "opaqueredirect" || isOut(answered.status)) { state(false, true); return; }
    if (!answered.ok) return;
    const html = await answered.text();
    const page = new DOMParser().parseFromString(html, "text/html");
    take(page);
    setClock(answered, asked);
    // Keys and gates may have changed.
    Object.assign(data, JSON.parse(page.body.dataset.door), { gate: data.gate, device: data.device });
    state(false, false);
    await keep(answered, html);
    // The clock is right now.
    await (pruned ??= prune().catch(() => {}));
  } catch { state(true); }
}
let pruned = null;

let used = performance.now();
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { used = performance.now(); });
/** Asks if the page is used, and tells whether it is. */
async function newsIfUsed() {
  const isUsed = !document.hidden && performance.now() - used < USED_MS;
  if (isUsed) await news();
  return isUsed;
}
setInterval(newsIfUsed, NEWS_MS);

addEventListener("submit", async (event) => {
  if (event.defaultPrevented || !event.target.closest(LAST)) return;
  event.preventDefault();
  const undo = event.target;
  for (const button of all("button", undo)) button.disabled = true;
  try {
    const body = new URLSearchParams(new FormData(undo));
    const answered = await fetch(undo.action, { method: "POST", body, headers: { accept: "text/html" }, redirect: "error" });
    const page = new DOMParser().parseFromString(await answered.text(), "text/html");
    const result = find("#result", page);
    if (!result) throw new Error("no result");
    const said = all("p", result).map((p) => p.textContent);
    show({ colour: "wait", title: find("h1", result).textContent, what: said[0], detail: said[1] });
    take(page);
    if (find("h1", result).textContent === "Undone") await forget(body.get("nonce")).catch(() => {});
  } catch {
    show({ colour: "wait", title: "No answer", what: "It is not known whether the scan was undone.", detail: "Try again: undoing twice is undoing once." });
    news();
  }
});

// ---- The camera ----

const video = element("video", { muted: true, playsInline: true, autoplay: true });
const view = element("div", { className: "view" }, video);
const start = element("button", { type: "button", textContent: "Scan with the camera" });
const torch = element("button", { type: "button", className: "quiet", textContent: "Light on" });
const trouble = element("p", { className: "notice bad" });
trouble.setAttribute("role", "alert");
const camera = element("div", { className: "camera" }, start);
if (data.gate && navigator.mediaDevices?.getUserMedia) form.before(camera);
else if (data.gate && !isSecureContext) form.before(element("p", { className: "fine", textContent: "The camera needs an address that begins with https. Type the code, or use a hand scanner." }));

function say(text) {
  trouble.textContent = text;
  camera.prepend(trouble);
}

let stream = null;
const canvas = element("canvas");
const picture = canvas.getContext("2d", { willReadFrequently: true });

/** What reads a picture: a text, or null. */
let reader = null;
async function makeReader() {
  const formats = await globalThis.BarcodeDetector?.getSupportedFormats?.().catch(() => []) ?? [];
  if (formats.includes("qr_code")) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async () => (await detector.detect(video))[0]?.rawValue ?? null;
  }
  const worker = new Worker("/assets/scan.js");
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { id, text } }) => { waiting.get(id)?.(text); waiting.delete(id); };
  worker.onerror = () => {
    for (const done of waiting.values()) done(null);
    reader = null;
    end();
    say("Codes cannot be read now. Try again when the network is back, or type the code.");
  };
  return () => {
    const side = Math.min(video.videoWidth, video.videoHeight);
    const size = canvas.width = canvas.height = Math.min(side, SIDE);
    picture.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, size, size);
    const { data: pixels } = picture.getImageData(0, 0, size, size);
    const id = ++last;
    return new Promise((done) => {
      waiting.set(id, done);
      worker.postMessage({ id, width: size, height: size, data: pixels }, [pixels.buffer]);
    });
  };
}

/** The code that was read last, in which direction, when it was, and in how many pictures since then it was not. */
let seen = { code: "", way: "", at: 0, missed: 0, passed: false };
const leftPicture = () => seen.missed >= LEFT_PICTURES && performance.now() - seen.at >= LEFT_MS;

/** Whether the camera must ask for a code: not while the same ticket is held up. A ticket that was let in, went away and
 *  comes back may be a copy in the hand of the next guest. */
function isNew(code) {
  if (code !== seen.code || direction() !== seen.way) return true;
  return seen.passed ? leftPicture() : performance.now() - seen.at >= SAME_MS;
}

async function look(of) {
  while (stream === of) {
    const begun = performance.now();
    await new Promise((done) => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(done);
      // A browser calls nothing while the page is hidden.
      setTimeout(done, 250);
    });
    if (document.hidden || busy || !video.videoWidth) { await pause(100); continue; }
    const code = (await reader().catch(() => null))?.trim();
    if (code) {
      used = performance.now();
      const asks = isNew(code);
      Object.assign(seen, { code, at: used, missed: 0 });
      if (asks) {
        seen.way = direction();
        await checkOne(code, true);
        Object.assign(seen, { at: performance.now(), passed: mayPass(shownAt.colour) });
      }
    } else {
      seen.missed++;
      const green = answer.isConnected && shownAt.byCamera && mayPass(shownAt.colour);
      if (green && leftPicture() && performance.now() - shownAt.ms >= GREEN_LEAST_MS) hide();
    }
    await pause(1_000 / PICTURES - (performance.now() - begun));
  }
}
const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));

const refused = {
  NotAllowedError: "The camera is not allowed for this page. Allow it in the settings of the browser, or type the code.",
  NotFoundError: "This device has no camera. Type the code, or use a hand scanner.",
  NotReadableError: "Another program uses the camera. Close it, then try again.",
};

async function begin() {
  trouble.remove();
  start.disabled = true;
  try {
    reader ??= await makeReader();
    const wanted = { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } };
    const got = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    stream = got;
    video.srcObject = got;
    const [track] = got.getVideoTracks();
    camera.replaceChildren(view, ...track.getCapabilities?.().torch ? [torch] : []);
    if (!find("#result")) find("h1").classList.add("unseen");
    await video.play();
    track.addEventListener("ended", () => { if (stream === got) end(); });
    stayOn();
    look(got);
    // The camera is for the next guest.
    if (document.body.classList.contains("go")) setTimeout(endResult, GREEN_MOST_MS);
  } catch (error) {
    end();
    say(refused[error.name] ?? "The camera does not work now. Try again, or type the code.");
  }
  start.disabled = false;
}

function end() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  camera.replaceChildren(start);
  find("h1").classList.remove("unseen");
  lit(false);
}

function lit(on) {
  torch.setAttribute("aria-pressed", String(on));
  torch.textContent = on ? "Light off" : "Light on";
}
start.addEventListener("click", begin);
torch.addEventListener("click", async () => {
  const on = torch.getAttribute("aria-pressed") !== "true";
  try {
    await stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
    lit(on);
  } catch { torch.remove(); }
});
lit(false);

/** The screen stays on while the camera runs. */
let awake = null;
async function stayOn() {
  if (!stream || document.hidden || awake && !awake.released) return;
  try { awake = await navigator.wakeLock?.request("screen"); } catch { /* The battery is low, say. */ }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  sendSoon();
  news();
  if (stream && stream.getVideoTracks()[0].readyState === "ended") begin(); else stayOn();
});

// Whoever has allowed the camera before need not ask for it again.
navigator.permissions?.query({ name: "camera" })
  .then(({ state }) => { if (state === "granted" && camera.isConnected) begin(); })
  .catch(() => {});
// The field has the focus for hand scanners where there is no script. It brings up the keyboard of a phone, or pushes the
// answer to a form off a small screen.
requestAnimationFrame(() => requestAnimationFrame(() => {
  if (touch || find("#result")) field.blur();
  if (find("#result")) scrollTo(0, 0);
}));
count().then(sendSoon).catch(() => {});
prepare().catch(() => {}).then(news);
