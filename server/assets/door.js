// The page that checks people in: reads codes by the camera, sends them without a new page, and tells the answer in
// full colour, in words, by sound and by vibration. Without this file the page works by its forms.
"use strict";

const find = (css, within = document) => within.querySelector(css);
const all = (css, within = document) => [...within.querySelectorAll(css)];
const data = JSON.parse(document.body.dataset.door);

/** So long an answer is waited for. */
const PATIENCE_MS = 5_000;
/** So long after it was last seen, the camera takes the same code for the same ticket. */
const SAME_MS = 3_000;
/** So often the page asks for the counts of all doors. */
const NEWS_MS = 20_000;
/** At most so many pictures are read in a second. */
const PICTURES = 15;
/** The middle of the picture is read in so many pixels. */
const SIDE = 640;

const sound = { go: [[880, 0, .09], [1320, .11, .14]], wait: [[620, 0, .3]], stop: [[190, 0, .22], [150, .26, .4]] };
const shake = { go: [80], wait: [90, 70, 90], stop: [350, 120, 350] };

// ---- Words ----

const clock = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { timeZone: data.zone, weekday: "short", day: "numeric", month: "long", year: "numeric" });

/** When something was or will be: `at 19:42`, or with its day. */
function when(time, now = new Date()) {
  const then = new Date(time);
  if (Number.isNaN(then.getTime())) return "";
  if (day.format(then) === day.format(now)) return `at ${clock.format(then)}`;
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

/** Shows it on the whole screen, until the next one or a touch. */
function show({ colour, title, name, type, what, detail, link }) {
  find("#result")?.replaceWith(element("h1", { textContent: "Check people in" }));
  document.body.classList.remove("go", "wait", "stop");
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

/** Sends something for programs. The error says what to show. */
async function ask(path, body) {
  let answered;
  try {
    answered = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
      redirect: "error", signal: AbortSignal.timeout?.(PATIENCE_MS),
    });
    if (answered.ok) return await answered.json();
  } catch (error) {
    throw Object.assign(new Error("no answer"), { cause: error, offline: true });
  }
  const problem = await answered.json().catch(() => ({}));
  const error = Object.assign(new Error(problem.title ?? `status ${answered.status}`), { status: answered.status });
  error.offline = answered.status >= 500 || answered.status === 429 || answered.status === 408;
  error.shown = answered.status === 401
    ? { colour: "wait", title: "Signed out", detail: "Nothing was checked. Sign in, then scan the ticket again.", link: signIn }
    : { colour: "wait", title: "Not checked", what: problem.title, detail: problem.detail };
  throw error;
}

/** Codes whose answer did not come, with the nonce of the scan: it is the same scan when they are scanned again. */
const unanswered = new Map();

/** Whether something goes out. */
const direction = () => find("input[name=direction]:checked", form)?.value ?? "in";

/** Asks whether the holder of this code may pass, and shows the answer. */
async function check(code) {
  const known = `${direction()} ${code}`;
  const scan = {
    code, gate: data.gate, device: data.device, nonce: unanswered.get(known) ?? nonce(), direction: direction(),
  };
  unanswered.set(known, scan.nonce);
  try {
    const told = await ask(`/door/${data.event}/check-ins`, scan);
    unanswered.delete(known);
    show(shownOf(told));
    news();
  } catch (error) {
    if (error.shown && !error.offline) { show(error.shown); return; }
    show({
      colour: "wait", title: "No answer", what: "The box office cannot be reached now.",
      detail: "Scan the ticket again. It cannot count twice.",
    });
  }
}

let busy = false;
async function checkOne(code) {
  if (busy || !code) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try { await check(code); } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", async (event) => {
  if (!data.gate) return;
  event.preventDefault();
  const code = field.value.trim();
  if (busy) return;
  field.value = "";
  if (touch) field.blur();
  await checkOne(code);
});

// ---- Counts and the last scans: parts of the page as it is now ----

const parts = [".door-in", ".last"];

function take(page) {
  for (const css of parts) {
    const fresh = find(css, page);
    if (fresh) find(css)?.replaceWith(fresh);
  }
}

async function news() {
  try {
    const answered = await fetch(location.pathname, { headers: { accept: "text/html" }, redirect: "error" });
    if (answered.ok) take(new DOMParser().parseFromString(await answered.text(), "text/html"));
  } catch { /* The counts stay as they are. */ }
}
setInterval(() => { if (!document.hidden) news(); }, NEWS_MS);

addEventListener("submit", async (event) => {
  if (event.defaultPrevented || !event.target.closest(".last")) return;
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
  worker.onerror = () => { for (const done of waiting.values()) done(null); waiting.clear(); };
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

let seen = { code: "", at: 0 };
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
      const again = code === seen.code && performance.now() - seen.at < SAME_MS;
      seen = { code, at: performance.now() };
      if (!again) {
        await checkOne(code);
        seen.at = performance.now();
      }
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
    await video.play();
    track.addEventListener("ended", () => { if (stream === got) end(); });
    stayOn();
    look(got);
  } catch (error) {
    end();
    trouble.textContent = refused[error.name] ?? "The camera does not work now. Try again, or type the code.";
    camera.prepend(trouble);
  }
  start.disabled = false;
}

function end() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  camera.replaceChildren(start);
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
  news();
  if (stream && stream.getVideoTracks()[0].readyState === "ended") begin(); else stayOn();
});

// Whoever has allowed the camera before need not ask for it again.
navigator.permissions?.query({ name: "camera" })
  .then(({ state }) => { if (state === "granted" && camera.isConnected) begin(); })
  .catch(() => {});
if (touch) field.blur();
