// The surface of Stripe.js that the payment page uses. It throws where the real one does.
"use strict";
(() => {
  const only = (given, known, where) => {
    for (const name of Object.keys(given)) if (!known.includes(name)) throw new Error(`Unrecognized ${where} parameter: ${name}`);
  };
  const api = async (path, fields) => {
    const answer = await fetch(`https://api.stripe.com/v1/${path}`, { method: "POST", body: new URLSearchParams(fields) });
    const body = await answer.json();
    return answer.ok ? body : { error: { type: "card_error", ...body.error } };
  };
  const frame = (src, title) => {
    const made = document.createElement("iframe");
    made.src = src;
    made.title = title;
    return made;
  };

  window.Stripe = (key) => {
    if (!/^pk_(test|live)_/.test(key)) throw new Error("Please call Stripe() with your publishable key.");
    return {
      elements(options) {
        only(options, ["mode", "amount", "currency", "captureMethod", "allowedPaymentMethodTypes", "appearance"], "elements()");
        if (options.mode !== "payment") throw new Error("mode");
        if (!Number.isInteger(options.amount) || options.amount <= 0) throw new Error("amount must be a positive integer");
        if (!/^[a-z]{3}$/.test(options.currency)) throw new Error("currency must be a lowercase ISO code");
        if (options.captureMethod !== "manual") throw new Error("the PaymentIntent captures manually, so must this");
        if (String(options.allowedPaymentMethodTypes) !== "card") throw new Error("the PaymentIntent takes cards only");
        let number = "";
        let submitted = false;
        const listeners = {};
        addEventListener("message", ({ origin, data }) => {
          if (origin === "https://js.stripe.com" && data.number !== undefined) { number = data.number; submitted = false; }
        });
        return {
          create(kind) {
            if (kind !== "payment") throw new Error("kind");
            return {
              on(name, hear) { listeners[name] = hear; return this; },
              mount(where) {
                const place = document.querySelector(where);
                if (!place) throw new Error(`The selector you specified (${where}) applies to no DOM elements`);
                const card = frame("https://js.stripe.com/card.html", "Secure card payment input frame");
                card.style.cssText = "border: 0; width: 100%; height: 9rem";
                card.addEventListener("load", () => listeners.ready && listeners.ready({}));
                place.replaceChildren(card);
              },
            };
          },
          async submit() {
            if (number.length < 13) return { error: { type: "validation_error", message: "Your card number is incomplete." } };
            submitted = true;
            return {};
          },
          token() {
            if (!submitted) throw new Error("elements.submit() must be called before stripe.createConfirmationToken()");
            return number;
          },
        };
      },
      async createConfirmationToken({ elements, params, ...rest }) {
        only(rest, [], "createConfirmationToken()");
        only(params, ["return_url"], "createConfirmationToken() params");
        if (!/^https?:\/\//.test(params.return_url)) throw new Error("return_url must be an absolute URL");
        const made = await api("confirmation_tokens", { number: elements.token() });
        return made.error ? made : { confirmationToken: made };
      },
      async handleNextAction({ clientSecret, ...rest }) {
        only(rest, [], "handleNextAction()");
        if (!/^pi_\w+_secret_\w+$/.test(clientSecret)) throw new Error("clientSecret");
        const bank = frame("https://hooks.stripe.com/bank.html", "3D Secure authentication");
        bank.id = "bank";
        bank.style.cssText = "position: fixed; inset: 0; margin: auto; width: 20rem; height: 14rem; border: 1px solid; background: white";
        document.body.append(bank);
        const answer = await new Promise((done) => addEventListener("message", ({ origin, data }) => {
          if (origin === "https://hooks.stripe.com") done(data.answer);
        }));
        await api("authenticate", { client_secret: clientSecret, answer });
        bank.remove();
        return answer === "yes" ? { paymentIntent: { status: "requires_capture" } } : {
          error: { type: "invalid_request_error", code: "payment_intent_authentication_failure", message: "We are unable to authenticate your payment method." },
        };
      },
    };
  };
})();
