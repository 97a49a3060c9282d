//! `nts mail test`: sends one mail and tells each step, and which DNS records the sender's domain needs.

use super::connection::{Connection, Limit, Patience};
use super::message;
use super::settings::SmtpSettings;
use crate::clock::Clock;
use crate::mail::Composed;
use std::fmt;

/// Sends a mail to this address and tells each step. The error says at which the relay did not go on.
pub async fn probe(
    settings: &SmtpSettings,
    patience: Patience,
    clock: &Clock,
    id: u128,
    to: &str,
    steps: &(dyn Fn(fmt::Arguments<'_>) + Sync),
) -> Result<(), String> {
    let from = &settings.from;
    let mail = Composed {
        subject: "Test mail from nts".into(),
        text: format!(
            "This is the mail that `nts mail test` sends. Buyers' mails will come from {} as this one did.\n\n\
             If it is in your spam folder, look at the DNS records that the command has printed.\n",
            from.email
        ),
        html: format!(
            "<p>This is the mail that <code>nts mail test</code> sends. Buyers' mails will come from {} as this \
             one did.</p><p>If it is in your spam folder, look at the DNS records that the command has printed.</p>",
            escaped(from.email.as_ref())
        ),
        reply_to: None,
        inline: Vec::new(),
        attachments: Vec::new(),
    };
    let mail = message::format(id, from, to, &mail, clock.now_ms())?;
    let told = |failure: super::Failure| failure.to_string();
    let limit = Limit::start(patience);
    let mut connection = Connection::open(settings, limit, steps).await.map_err(told)?;
    let sent = connection.send(&from.email, &mail, limit, steps).await.map_err(told);
    if let Some(goodbye) = connection.close().await {
        steps(format_args!("QUIT: {goodbye}"));
    }
    sent
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The DNS records by which those who receive mails from this domain know that the relay may send them. They are
/// named and not looked up: a name server of this machine need not be the one that they ask.
pub fn records(settings: &SmtpSettings) -> String {
    let (domain, relay) = (settings.from.email.domain(), &settings.host);
    format!(
        "DNS records to look at, so that mails from {domain} are not taken for spam:\n\
         - SPF (RFC 7208), TXT at {domain}: one record that begins with v=spf1 and names the relay. Its provider says \
         how, mostly include:NAME; for a machine of your own a:{relay}. Example: \"v=spf1 a:{relay} ~all\"\n\
         - DKIM (RFC 6376), TXT or CNAME at SELECTOR._domainkey.{domain}: the relay's public key, \
         \"v=DKIM1; k=rsa; p=...\". The relay signs, nts does not; its provider gives you SELECTOR and the record.\n\
         - DMARC (RFC 7489), TXT at _dmarc.{domain}: \"v=DMARC1; p=none; rua=mailto:you@{domain}\" to begin with; \
         p=quarantine once the reports show that SPF or DKIM passes.\n\
         - MX at {domain}: where answers to mails go, and mails that come back.\n\
         To look: dig +short TXT {domain}; dig +short TXT _dmarc.{domain}; dig +short MX {domain}"
    )
}
