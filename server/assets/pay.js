// Stripe's part of the payment page. The card is typed into Stripe's own frame; we get a token.
"use strict";

// What this script writes, in the language of the page.
const told = JSON.parse(document.currentScript.dataset.words);
const payment = document.querySelector("#payment");
const trouble = document.querySelector("#trouble");
const button = payment.querySelector("button");

function say(text) {
  trouble.textContent = text;
  trouble.hidden = false;
  button.removeAttribute("aria-busy");
  delete payment.dataset.sent;
}

// What does not depend on us: the script, its frames, and the network between them and Stripe.
function unreachable(error) {
  console.warn(error);
  say(told.unreachable);
  button.type = "button";
  button.textContent = told.again;
  button.addEventListener("click", () => location.reload());
}

// A second click while the first is on its way does nothing.
function onSubmit(act) {
  payment.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (payment.dataset.sent) return;
    payment.dataset.sent = "yes";
    button.setAttribute("aria-busy", "true");
    trouble.hidden = true;
    try {
      await act();
    } catch (error) {
      unreachable(error);
    }
  });
}

// The order's page reads at Stripe what came of it. What happens here is not believed, and an error here
// tells nothing of the money: the bank may have said yes before the connection broke.
function askTheBank(stripe, { secret, back }) {
  onSubmit(async () => {
    try {
      const { error } = await stripe.handleNextAction({ clientSecret: secret });
      if (error) console.warn(error);
    } catch (error) {
      console.warn(error);
    }
    location.replace(back);
  });
  payment.requestSubmit();
}

function takeCard(stripe, { amount, currency, return: returnUrl }) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const elements = stripe.elements({
    mode: "payment", amount: Number(amount), currency, captureMethod: "manual",
    allowedPaymentMethodTypes: ["card"], appearance: { theme: dark ? "night" : "stripe" },
  });
  const card = elements.create("payment");
  const loading = document.querySelector("#loading");
  card.on("ready", () => { loading.hidden = true; });
  card.on("loaderror", ({ error }) => { loading.hidden = true; unreachable(error); });
  card.mount("#card");
  onSubmit(async () => {
    const checked = await elements.submit();
    if (checked.error) return say(checked.error.message);
    const made = await stripe.createConfirmationToken({ elements, params: { return_url: returnUrl } });
    if (made.error) return say(`${made.error.message} ${told.not_used}`);
    payment.elements.token.value = made.confirmationToken.id;
    payment.submit();
  });
}

payment.hidden = false;
try {
  // Throws where the script could not be loaded.
  const stripe = window.Stripe(payment.dataset.key, { locale: document.documentElement.lang.slice(0, 2) });
  if (payment.dataset.secret) askTheBank(stripe, payment.dataset);
  else takeCard(stripe, payment.dataset);
} catch (error) {
  const loading = document.querySelector("#loading");
  if (loading) loading.hidden = true;
  unreachable(error);
}

// Coming back with the back button, a token that was used already is worth nothing: begin anew.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
