// Checks the signature of a message by the library of Standard Webhooks for JavaScript. Reads {"secret", "headers",
// "body"} as JSON and prints the body if it is genuine; ends with 3 otherwise.
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
try {
  console.log(JSON.stringify(new Webhook(asked.secret).verify(asked.body, asked.headers)));
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
  console.error(error.message);
  process.exit(3);
}
