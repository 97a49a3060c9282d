// Stripe's part of the payment page. The card is typed into Stripe's own frame; we get a token.
"use strict";

const payment = document.querySelector("#payment");
const trouble = document.querySelector("#trouble");
const button = payment.querySelector("button");

function say(text) {
  trouble.textContent = text;
  trouble.hidden = false;
  button.removeAttribute("aria-busy");
  delete payment.dataset.sent;
}

payment.hidden = false;
if (!window.Stripe) {
  say("Stripe's part of this page could not be loaded, so you cannot pay right now. Nothing was charged and your places are kept. Load the page again in a moment.");
  button.disabled = true;
} else if (payment.dataset.secret) {
  askTheBank(Stripe(payment.dataset.key), payment.dataset);
} else {
  takeCard(Stripe(payment.dataset.key), payment.dataset);
}

// The order's page reads at Stripe what came of it: what happens here is not believed.
function askTheBank(stripe, { secret, back }) {
  const ask = async () => {
    button.setAttribute("aria-busy", "true");
    const { error } = await stripe.handleNextAction({ clientSecret: secret });
    if (error && error.type !== "card_error" && error.code !== "payment_intent_authentication_failure") {
      say(`${error.message || "Your bank could not be reached."} Nothing was charged; try again.`);
      return;
    }
    location.replace(back);
  };
  payment.addEventListener("submit", (event) => {
    event.preventDefault();
    if (payment.dataset.sent) return;
    payment.dataset.sent = "yes";
    ask();
  });
  payment.requestSubmit();
}

function takeCard(stripe, { amount, currency, return: returnUrl }) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const elements = stripe.elements({
    mode: "payment", amount: Number(amount), currency, captureMethod: "manual",
    allowedPaymentMethodTypes: ["card"], appearance: { theme: dark ? "night" : "stripe" },
  });
  elements.create("payment").mount("#card");
  payment.addEventListener("submit", async (event) => {
    event.preventDefault();
    // A second click while the first is on its way does nothing.
    if (payment.dataset.sent) return;
    payment.dataset.sent = "yes";
    button.setAttribute("aria-busy", "true");
    trouble.hidden = true;
    const checked = await elements.submit();
    if (checked.error) return say(checked.error.message);
    const made = await stripe.createConfirmationToken({ elements, params: { return_url: returnUrl } });
    if (made.error) return say(`${made.error.message} Nothing was charged.`);
    payment.elements.token.value = made.confirmationToken.id;
    payment.submit();
  });
}

// Coming back with the back button, a token that was used already is worth nothing: begin anew.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
