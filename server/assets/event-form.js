// Comfort only. A new event is usually where its organiser is: the zone of the browser, unless one was typed.
"use strict";
addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("zone");
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...(document.getElementById("zones")?.options ?? [])].some((o) => o.value === here);
  // After a mistake the form comes back as it was typed.
  const fresh = !document.getElementById("name")?.value;
  if (field && known && fresh) field.value = here;
});
