// Comfort only: everything works without this file.
"use strict";

// A form is sent once: a second click says that the first is on its way.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    for (const b of form.querySelectorAll("button")) b.setAttribute("aria-busy", "true");
  });
}
// Coming back with the back button, the form may be sent again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-once]")) {
    delete form.dataset.sent;
    for (const b of form.querySelectorAll("button")) b.removeAttribute("aria-busy");
  }
});

// What is held and not paid may come back; what is sold does not. As the server says it.
function leftText(type, pools) {
  if (type.left > 0) return `${type.left} left`;
  const held = pools.find((pool) => pool.id === type.pool)?.held ?? 0;
  return held > 0 ? `none left right now, ${held} not paid yet` : "sold out";
}

// Counts as they change.
const form = document.querySelector("form[data-live]");
if (form && "EventSource" in window) {
  const live = new EventSource(form.dataset.live);
  live.onmessage = (message) => {
    const counts = JSON.parse(message.data);
    for (const type of counts.ticket_types) {
      const place = form.querySelector(`[data-left="${CSS.escape(type.id)}"]`);
      if (!place) continue;
      place.textContent = leftText(type, counts.pools);
      place.classList.toggle("none", type.left === 0);
    }
    const asOf = form.querySelector("[data-as-of]");
    if (asOf) asOf.textContent = "now, live";
  };
  live.onerror = () => {
    const asOf = form.querySelector("[data-as-of]");
    if (asOf && asOf.textContent === "now, live") asOf.textContent = "a moment ago (connecting again)";
  };
}

// A countdown that does not trust this device's clock, only how fast it runs.
const until = document.querySelector("[data-until]");
if (until) {
  const left = Date.parse(until.dataset.until) - Date.parse(until.dataset.now);
  const begun = performance.now();
  const show = () => {
    const ms = left - (performance.now() - begun);
    if (ms <= 0) {
      until.textContent = "the time is over";
      clearInterval(timer);
      setTimeout(() => location.reload(), 1500);
      return;
    }
    const s = Math.ceil(ms / 1000);
    until.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  };
  const timer = setInterval(show, 250);
  show();
}
