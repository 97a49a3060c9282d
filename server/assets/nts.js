// Comfort only: everything works without this file.
"use strict";

const all = (css, within = document) => within.querySelectorAll(css);

// What this script writes, in the language of the page: the server puts it here (http/assets.rs).
const words = {};
const filled = (text, ...values) => text.replace(/\{(\d)\}/g, (_, at) => values[at]);
const page = document.documentElement.lang;
// English as in Great Britain, as the server writes it.
const locale = page.startsWith("en") ? "en-GB" : page;

// A form is sent once: a second click says that the first is on its way.
for (const form of all("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    for (const b of all("button", form)) b.setAttribute("aria-busy", "true");
  });
}
// Coming back with the back button, the form may be sent again.
addEventListener("pageshow", (event) => {
  // What the page of before shows may be long over: another reservation, another payment.
  if (event.persisted) loadAgain();
});

// A time near now is told by the reader's own clock.
for (const time of all("time[data-near]")) {
  const at = new Date(time.dateTime);
  const clock = { hour: "2-digit", minute: "2-digit" };
  const day = { weekday: "short", day: "numeric", month: "long" };
  const today = Math.abs(at - Date.now()) < 43_200_000;
  time.textContent = at.toLocaleString(locale, today ? clock : { ...day, ...clock }) + (today ? words.after_clock : "");
  time.nextElementSibling?.remove();
}

// What is wrong with a form is read first.
document.querySelector("#faults")?.focus();

// Where the reader's clock shows the same time, the zone need not be named.
for (const zone of all("[data-zone]")) {
  const at = Date.parse(zone.previousElementSibling?.dateTime);
  const shown = (timeZone) => new Date(at).toLocaleString("en-GB", { timeZone });
  try { zone.hidden = shown(zone.dataset.zone) === shown(undefined); } catch { /* a zone that it does not know */ }
}

// What only a script can do is offered only where scripts run.
for (const button of all("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

for (const button of [...all("[data-share]")]) {
  if (!navigator.share) { button.remove(); continue; }
  button.hidden = false;
  const url = new URL(button.dataset.share, location).href;
  // Whoever changes their mind has not shared, and that is no error.
  button.addEventListener("click", () => navigator.share({ title: document.title, url }).catch(() => {}));
}

// A time that comes, by how fast this device's clock runs, whatever it shows. A timer cannot wait for longer
// than 24 days.
function when(rfc, now, then) {
  const end = performance.now() + Date.parse(rfc) - Date.parse(now);
  const wait = () => {
    const ms = end - performance.now();
    if (ms <= 0) then(); else setTimeout(wait, Math.min(ms, 2 ** 30));
  };
  wait();
}

// Loads the page again; what was typed is filled in again.
const home = document.querySelector("form[data-live]")?.dataset.home;
const kept = `form ${home ?? location.pathname}`;
function keepTyped() {
  const typed = {};
  for (const input of all("form[data-live] :is([type=text], [name=name], [name=email])")) typed[input.name] = input.value;
  try { sessionStorage.setItem(kept, JSON.stringify(typed)); } catch { /* not allowed here */ }
}
function loadAgain() {
  keepTyped();
  // Where a form came back, another address is to be loaded than the one to which it was sent.
  if (home && home !== location.pathname) location.assign(home); else location.reload();
}
for (const link of all(".languages a")) link.addEventListener("click", keepTyped);
try {
  const typed = JSON.parse(sessionStorage.getItem(kept) ?? "{}");
  sessionStorage.removeItem(kept);
  for (const input of all("form[data-live] input[type=text]")) {
    if (typed[input.name] && !document.querySelector("#faults")) input.value = typed[input.name];
  }
} catch { /* not allowed here */ }

// The form of an event: counts as they change, the total, changed prices, and the opening of the sale.
const form = document.querySelector("form[data-live]");
if (form) {
  const { before, after, decimal, group, groupFrom, decimals, whole, hold } = form.dataset;

  // As the server writes numbers and amounts.
  const number = (count) => {
    const digits = String(count);
    return digits.length < Number(groupFrom) ? digits : digits.replace(/\B(?=(\d{3})+$)/g, group);
  };
  const money = (minor) => {
    const unit = 10 ** Number(decimals);
    const rest = minor % unit;
    const bare = decimals === "0" || (rest === 0 && whole === "true");
    const behind = bare ? "" : decimal + String(rest).padStart(Number(decimals), "0");
    return before + number((minor - rest) / unit) + behind + after;
  };
  const price = (minor) => (minor === 0 ? words.free : money(minor));

  const total = form.querySelector("[data-total]");
  const add = () => {
    if (!total) return;
    let [sum, chosen] = [0, false];
    for (const input of all("[data-minor]", form)) {
      const number = /^\d{1,4}$/.test(input.value.trim()) ? Number(input.value) : 0;
      sum += number * Number(input.dataset.minor);
      chosen ||= number > 0;
    }
    total.hidden = !chosen;
    const text = price(sum);
    const output = total.querySelector("output");
    if (output.textContent !== text) output.textContent = text;
  };
  form.addEventListener("input", add);
  addEventListener("pageshow", add);
  add();

  const news = form.querySelector("[data-news]");
  const tell = (text, again) => {
    if (news.dataset.text === text) return;
    news.dataset.text = text;
    news.textContent = text;
    if (again) {
      const link = document.createElement("a");
      [link.href, link.textContent] = [home, words.again];
      link.addEventListener("click", (event) => { event.preventDefault(); loadAgain(); });
      news.append(" ", link);
    }
    news.hidden = false;
  };

  if (form.dataset.opens) {
    for (const itself of all("[data-itself]")) itself.hidden = false;
    // Not all in the same moment.
    when(form.dataset.opens, form.dataset.now, () => setTimeout(loadAgain, Math.random() * 800));
  }

  // It closes on time, whenever the next counts come.
  if (form.dataset.closes) when(form.dataset.closes, form.dataset.now, () => setTimeout(loadAgain, Math.random() * 800));

  // What is held and not paid may come back; what is sold does not. As the server says it.
  const leftWords = (left, held, shared) => {
    if (left > 0) return shared ? "" : filled(words.left[left === 1 ? 0 : 1], number(left));
    if (held === 0) return words.sold_out;
    if (shared) return words.all_reserved;
    const until = new Date(Date.now() + Number(hold));
    const clock = until.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
    return filled(words.until, clock + words.after_clock);
  };

  const count = (counts) => {
    // It has opened, or it was closed, or other tickets are on offer.
    const ids = counts.ticket_types.map((type) => type.id);
    const shown = [...all("[data-price]", form)].map((place) => place.dataset.price);
    if (String(counts.on_sale) !== form.dataset.sale) return setTimeout(loadAgain, Math.random() * 800);
    if (ids.join("\n") !== shown.join("\n")) tell(words.other, true);
    // Of what is not sold any more no count is shown.
    const counted = counts.on_sale || form.dataset.opens;
    for (const pool of counted ? counts.pools : []) {
      for (const place of all(`[data-left="${CSS.escape(pool.id)}"]`, form)) {
        place.textContent = leftWords(pool.left, pool.held, "shared" in place.dataset);
        place.classList.toggle("none", pool.left === 0 && pool.held === 0);
        place.classList.toggle("waits", pool.left === 0 && pool.held > 0);
      }
    }
    // While nothing can be ordered, nothing is sent.
    const sent = form.querySelector(".bar button");
    // Types with a capacity of their own.
    for (const type of counted ? counts.ticket_types : []) {
      for (const place of all(`[data-left-of="${CSS.escape(type.id)}"]`, form)) {
        const held = type.held ?? 0;
        place.textContent = leftWords(type.left, held, false);
        place.classList.toggle("none", type.left === 0 && held === 0);
        place.classList.toggle("waits", type.left === 0 && held > 0);
      }
      const left = form.querySelector(`[data-price-left="${CSS.escape(type.id)}"]`);
      if (left && type.price_left !== undefined) left.textContent = number(type.price_left);
      const closed = form.querySelector(`[data-price="${CSS.escape(type.id)}"]`);
      if (closed && (type.on_sale === false) !== ("closed" in closed.dataset)) tell(words.other, true);
    }
    const pools = counts.pools.filter((pool) => counts.ticket_types.some((type) => type.pool === pool.id));
    const some = counts.ticket_types.some((type) => type.left > 0 && type.on_sale !== false);
    const none = counts.on_sale && !some;
    const faults = document.querySelector("#faults");
    if (sent && faults && !none) faults.hidden = document.activeElement !== faults && Boolean(gone);
    if (sent && none !== sent.disabled) {
      sent.disabled = none;
      if (none) tell(leftWords(0, pools.reduce((all, pool) => all + pool.held, 0), false));
      else { news.hidden = true; delete news.dataset.text; }
    }
    const gone = document.querySelector("[data-gone]");
    if (gone) {
      const offered = counts.pools.filter((pool) => counts.ticket_types.some((type) => type.pool === pool.id));
      const sum = (name) => offered.reduce((all, pool) => all + pool[name], 0);
      gone.hidden = some || Boolean(sent);
      if (some) tell(words.there_are, !sent);
      else if (!sent) { gone.textContent = leftWords(0, sum("held"), false); news.hidden = true; delete news.dataset.text; }
      for (const place of all("[data-left], [data-left-of]", form)) place.textContent = "";
    }
    for (const type of counts.ticket_types) {
      const field = form.elements[`price:${type.id}`];
      const amount = (type.price_now ?? type.price).amount;
      if (!field || Number(field.value) === amount) continue;
      const now = price(amount);
      tell(filled(words.costs, type.name, now, price(Number(field.value))));
      field.value = amount;
      const then = form.querySelector(`[data-then="${CSS.escape(type.id)}"]`);
      if (then) then.remove();
      form.querySelector(`[data-price="${CSS.escape(type.id)}"]`).textContent = now;
      form.elements[`quantity:${type.id}`].dataset.minor = amount;
      add();
    }
  };

  if (form.dataset.live && "EventSource" in window) {
    const live = new EventSource(form.dataset.live);
    const asOf = form.querySelector("[data-as-of]");
    live.onmessage = (message) => {
      count(JSON.parse(message.data));
      asOf.textContent = words.now;
    };
    live.onerror = () => {
      if (asOf.textContent === words.now) asOf.textContent = words.before;
    };
  }
}

// A countdown that does not trust this device's clock, only how fast it runs.
const until = document.querySelector("[data-until]");
if (until) {
  const left = Date.parse(until.dataset.until) - Date.parse(until.dataset.now);
  const begun = performance.now();
  const show = () => {
    const ms = left - (performance.now() - begun);
    if (ms <= 0) {
      until.textContent = words.over;
      clearInterval(timer);
      setTimeout(() => location.reload(), 1500);
      return;
    }
    const s = Math.ceil(ms / 1000);
    until.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    // Said once, for those who hear the page.
    const soon = document.querySelector("[data-soon]");
    if (soon && s <= 60 && left > 60_000 && !soon.textContent) soon.textContent = words.minute;
  };
  const timer = setInterval(show, 250);
  show();
}

// A page that waits for news looks for them, and loads again when there are some.
const again = document.querySelector("[data-again]");
if (again && "reload" in again.dataset) setTimeout(() => location.reload(), Number(again.dataset.again) * 1000);
else if (again) {
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      const text = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = text.querySelector("[data-again]");
      if (!now || now.textContent !== again.textContent) { location.reload(); return; }
    } catch { /* no network: it is tried again */ }
    setTimeout(look, Number(again.dataset.again) * 1000);
  };
  setTimeout(look, Number(again.dataset.again) * 1000);
}
