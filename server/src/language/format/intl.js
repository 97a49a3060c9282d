// What Node's Intl writes, for format/tests.rs: reads one JSON document, writes another.
"use strict";

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const made = new Map();
const once = (key, make) => made.get(key) ?? made.set(key, make()).get(key);

const money = asked.money.map(([lang, currency, decimals, minor, digits]) => {
  const options = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  const format = once(`${lang} ${currency} ${digits}`, () => new Intl.NumberFormat(lang, options));
  return format.format(minor / 10 ** decimals);
});
const numbers = asked.numbers.map(([lang, number]) => once(lang, () => new Intl.NumberFormat(lang)).format(number));
const moments = asked.moments.map(([lang, timeZone, ms]) => {
  const say = (name, options) =>
    once(`${lang} ${timeZone} ${name}`, () => new Intl.DateTimeFormat(lang, { timeZone, ...options })).format(ms);
  const day = { day: "numeric", month: "long", year: "numeric" };
  return [
    say("long", { dateStyle: "full", timeStyle: "short" }),
    say("short", { weekday: "short", ...day }),
    say("day", { weekday: "long", ...day }),
    say("clock", { hour: "2-digit", minute: "2-digit" }),
    say("seconds", { timeStyle: "medium" }),
  ];
});
process.stdout.write(JSON.stringify({ cldr: process.versions.cldr, money, numbers, moments }));
