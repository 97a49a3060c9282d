//! The settings of the mail relay: its address, and from whom mails come. No error quotes the password.

use crate::trust;
use lettre::Address;
use lettre::message::Mailbox;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// How the connection to the relay is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protection {
    /// TLS from the first byte on (RFC 8314, section 3.3).
    Implicit,
    /// STARTTLS (RFC 3207); a relay that does not offer it is not used.
    StartTls,
    /// None.
    Plain,
}

/// How the relay is reached and what it is told.
#[derive(Clone)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) login: Option<Login>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) from: Mailbox,
    /// The name that the relay is greeted with.
    pub(super) hello: String,
}

/// Who we are to the relay.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(not shown)")
    }
}

/// What a relay's address says.
#[derive(PartialEq, Eq, Debug)]
struct Url {
    host: String,
    port: u16,
    protection: Protection,
    login: Option<Login>,
}

/// What an address looks like.
const EXAMPLE: &str =
    "expected smtps://user:password@host:465, or smtp://user:password@host:587 for STARTTLS";

impl SmtpSettings {
    /// Understands the settings. `public_url` is the address of this box office, whose name the relay is
    /// told. The error says what to change.
    pub fn parse(
        url: &str,
        ca: Option<&Path>,
        from: &str,
        public_url: &str,
    ) -> Result<SmtpSettings, String> {
        let url = parse(url).map_err(|why| format!("NTS_SMTP: {why}"))?;
        let roots = match ca {
            None => trust::public(),
            Some(path) => trust::file(path)
                .map_err(|why| format!("NTS_SMTP_CA={}: {why}.", path.display()))?,
        };
        let from = parse_from(from)?;
        let hello = name_of(public_url).unwrap_or_else(|| from.email.domain().to_owned());
        let Url { host, port, protection, login } = url;
        let tls = Arc::new(trust::client(roots));
        Ok(SmtpSettings { host, port, protection, login, tls, from, hello })
    }

    /// Where mails go, without the password.
    pub fn describe(&self) -> String {
        let how = match self.protection {
            Protection::Implicit => "TLS",
            Protection::StartTls => "STARTTLS",
            Protection::Plain => "no encryption",
        };
        format!("{}:{} ({how})", self.host, self.port)
    }

    /// The address that mails come from.
    pub fn from(&self) -> &Address {
        &self.from.email
    }
}

/// The sender of all mails: `Name <address>` or an address.
fn parse_from(text: &str) -> Result<Mailbox, String> {
    if text.trim().is_empty() {
        return Err(
            "NTS_SMTP is set and NTS_MAIL_FROM is not: say from whom mails come, for example \
                    NTS_MAIL_FROM='Old Town Hall <tickets@example.org>'. The address must be one that \
                    the relay accepts mails from."
                .into(),
        );
    }
    let wrong = |why: &str| {
        format!(
            "NTS_MAIL_FROM: {why}; expected an address, or a name and an address: Old Town Hall <tickets@example.org>."
        )
    };
    if text.chars().any(char::is_control) {
        return Err(wrong("it has a line break or another control character in it"));
    }
    let mailbox = mailbox(text).ok_or_else(|| wrong("this is no sender of mails"))?;
    if !mailbox.email.user().is_ascii() {
        return Err(wrong("what is before the @ must be ASCII, which every relay takes"));
    }
    Ok(mailbox)
}

/// A name and an address, or an address. A name is what stands before `<`, in quotes or not.
pub(super) fn mailbox(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let (name, email) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, email)) => (name.trim(), email),
        None => ("", text),
    };
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => name.to_owned(),
    };
    Some(Mailbox::new((!name.is_empty()).then_some(name), address(email.trim())?))
}

/// An address with its domain in ASCII (RFC 5891, section 4.4), so that only a local part that is not ASCII
/// needs SMTPUTF8. `None` if it is no address.
pub(super) fn address(text: &str) -> Option<Address> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let (user, domain) = text.rsplit_once('@')?;
    let domain = match domain.is_ascii() {
        true => domain.to_owned(),
        false => idna::domain_to_ascii(domain).ok()?,
    };
    Address::new(user, domain).ok()
}

/// The name of a host in an address of the web; `None` for a number and for a name without a dot, which no
/// relay knows.
fn name_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_name = host.contains('.')
        && host.parse::<IpAddr>().is_err()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    is_name.then(|| host.to_ascii_lowercase())
}

fn parse(text: &str) -> Result<Url, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("this is no address of a relay; {EXAMPLE}."));
    };
    let implicit = match scheme.to_ascii_lowercase().as_str() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(format!("it begins with neither smtp:// nor smtps://; {EXAMPLE}.")),
    };
    if rest.chars().any(|c| c.is_control() || c == ' ') {
        return Err(
            "it has a space or a control character in it; write them as %20 and so on.".into()
        );
    }
    let escapes =
        "In user and password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25";
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.contains('#') || query.contains(['#', '@', '/']) {
        return Err(format!("it cannot be understood. {escapes}."));
    }
    let (login, host) = match rest.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, rest),
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.contains('/') {
        return Err(format!("a path after the host means nothing to a relay. {escapes}."));
    }
    let login = match login {
        None => None,
        Some(login) => {
            let Some((user, password)) = login.split_once(':') else {
                return Err("it has a user and no password; write user:password@host.".into());
            };
            if login.contains('@') || password.contains(':') || login.contains('/') {
                return Err(format!("user and password cannot be told apart. {escapes}."));
            }
            let decoded = |what: &str, text: &str| match decode(text) {
                Some(text) if text.is_empty() => Err(format!("the {what} is empty.")),
                // PLAIN separates them by NUL (RFC 4616, section 2).
                Some(text) if text.contains(['\0', '\r', '\n']) => {
                    Err(format!("the {what} has a control character in it."))
                }
                Some(text) => Ok(text),
                None => Err(format!(
                    "the {what} has a % that two hexadecimal digits do not follow, or is not UTF-8; write % as %25."
                )),
            };
            let user = decoded("user", user)?;
            Some(Login { user, password: decoded("password", password)? })
        }
    };
    let (host, port) = split_port(host)?;
    let mut off = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        off = Some(match pair {
            "tls=off" => true,
            "tls=required" => false,
            _ => return Err("after the ? only tls=off and tls=required are known.".into()),
        });
    }
    let loopback = is_loopback(&host);
    let protection = match (implicit, off) {
        (true, Some(true)) => return Err("smtps:// is TLS: tls=off contradicts it.".into()),
        (true, _) => Protection::Implicit,
        (false, Some(true)) => Protection::Plain,
        (false, None) if loopback => Protection::Plain,
        (false, _) => Protection::StartTls,
    };
    if protection == Protection::Plain && login.is_some() && !loopback {
        return Err("with tls=off the password would go through the network in the clear, and it is sent to \
                    this machine only. Remove tls=off, or the user and the password."
            .into());
    }
    let usual = match protection {
        Protection::Implicit => 465,
        Protection::StartTls => 587,
        Protection::Plain => 25,
    };
    Ok(Url { host, port: port.unwrap_or(usual), protection, login })
}

fn split_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        // An IPv6 address.
        Some(rest) => {
            let Some((host, rest)) = rest.split_once(']') else {
                return Err("the ] after the address of the host is missing.".into());
            };
            match rest.strip_prefix(':') {
                None if rest.is_empty() => (host, None),
                None => return Err("after the ] only a port may follow.".into()),
                Some(port) => (host, Some(port)),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err("the port is no number from 1 to 65535.".into()),
    };
    if host.is_empty() {
        return Err(format!("the host is missing; {EXAMPLE}."));
    }
    let host = match host.is_ascii() {
        true => host.to_ascii_lowercase(),
        false => idna::domain_to_ascii(host).unwrap_or_default(),
    };
    if ServerName::try_from(host.as_str()).is_err() {
        return Err(format!("the host is no name of a machine; {EXAMPLE}."));
    }
    Ok((host, port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Percent-encoding undone (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(digit()? * 16 + digit()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str, port: u16, protection: Protection, login: Option<(&str, &str)>) -> Url {
        let login =
            login.map(|(user, password)| Login { user: user.into(), password: password.into() });
        Url { host: host.into(), port, protection, login }
    }

    #[test]
    fn addresses_of_relays_are_understood() {
        use Protection::*;
        let ann = Some(("ann", "secret"));
        for (text, expected) in [
            (
                "smtps://ann:secret@mail.example.org:465",
                url("mail.example.org", 465, Implicit, ann),
            ),
            ("SMTPS://ann:secret@Mail.Example.org/", url("mail.example.org", 465, Implicit, ann)),
            ("smtp://ann:secret@mail.example.org", url("mail.example.org", 587, StartTls, ann)),
            (
                "smtp://ann:secret@mail.example.org:2525",
                url("mail.example.org", 2525, StartTls, ann),
            ),
            (
                "smtps://a%40b.org:p%3A%2F%25%C3%A9%40@mail.example.org",
                url("mail.example.org", 465, Implicit, Some(("a@b.org", "p:/%é@"))),
            ),
            // What is on this machine is not heard by others.
            ("smtp://localhost", url("localhost", 25, Plain, None)),
            ("smtp://ann:secret@127.0.0.1:1025", url("127.0.0.1", 1025, Plain, ann)),
            ("smtp://[::1]:1025", url("::1", 1025, Plain, None)),
            ("smtp://localhost:587?tls=required", url("localhost", 587, StartTls, None)),
            // A relay of the house, without a password.
            ("smtp://mailpit:1025?tls=off", url("mailpit", 1025, Plain, None)),
            ("smtp://relay.internal", url("relay.internal", 587, StartTls, None)),
            ("smtps://bücher.example", url("xn--bcher-kva.example", 465, Implicit, None)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_without_the_password() {
        for (text, told) in [
            ("", "this is no address"),
            ("mail.example.org", "this is no address"),
            ("ann:PASSWORD@mail.example.org:465", "this is no address"),
            ("https://ann:PASSWORD@mail.example.org", "neither smtp:// nor smtps://"),
            ("smtps://ann:PASS WORD@mail.example.org", "a space"),
            (
                "smtps://ann:PASS@WORD@mail.example.org",
                "cannot be told apart. In user and password write @ as %40",
            ),
            ("smtps://ann:PASS:WORD@mail.example.org", "cannot be told apart"),
            ("smtps://ann:PASS/WORD@mail.example.org", "cannot be told apart"),
            ("smtps://ann:PASS#WORD@mail.example.org", "cannot be understood"),
            ("smtps://ann:PASS?WORD@mail.example.org", "cannot be understood"),
            ("smtps://ann:PASS%WORD@mail.example.org", "the password has a % that"),
            ("smtps://ann:PASSWORD%ff@mail.example.org", "the password has a % that"),
            ("smtps://ann:PASSWORD%0a@mail.example.org", "the password has a control character"),
            ("smtps://ann@mail.example.org", "a user and no password"),
            ("smtps://:PASSWORD@mail.example.org", "the user is empty"),
            ("smtps://ann:@mail.example.org", "the password is empty"),
            ("smtps://ann:PASSWORD@", "the host is missing"),
            ("smtps://ann:PASSWORD@:465", "the host is missing"),
            ("smtps://ann:PASSWORD@mail_.exa mple", "a space"),
            ("smtps://ann:PASSWORD@mail..example", "no name of a machine"),
            ("smtps://ann:PASSWORD@mail.example.org:0", "the port"),
            ("smtps://ann:PASSWORD@mail.example.org:65536", "the port"),
            ("smtps://ann:PASSWORD@mail.example.org:", "the port"),
            ("smtps://ann:PASSWORD@[::1", "the ] after"),
            ("smtps://ann:PASSWORD@[::1]x", "after the ]"),
            ("smtps://ann:PASSWORD@mail.example.org/inbox", "a path"),
            ("smtps://ann:PASSWORD@mail.example.org?tls=off", "contradicts"),
            ("smtps://ann:PASSWORD@mail.example.org?starttls=1", "only tls=off"),
            ("smtp://ann:PASSWORD@mail.example.org?tls=off", "in the clear"),
        ] {
            let why = parse(text).map(|url| url.port).unwrap_err();
            assert!(why.contains(told), "{text}: {why}");
            assert!(!why.contains("PASS") && !why.contains("WORD"), "{text}: {why}");
        }
    }

    #[test]
    fn senders_are_understood() {
        let parsed = |text| parse_from(text).map(|from| (from.name, from.email.to_string()));
        let ok = |name: Option<&str>, email: &str| Ok((name.map(str::to_owned), email.to_owned()));
        let hall = Some("Old Town Hall");
        assert_eq!(parsed("tickets@example.org"), ok(None, "tickets@example.org"));
        assert_eq!(parsed("<tickets@example.org>"), ok(None, "tickets@example.org"));
        assert_eq!(parsed("Old Town Hall <tickets@example.org>"), ok(hall, "tickets@example.org"));
        assert_eq!(
            parsed("\"Old Town Hall\" <tickets@example.org>"),
            ok(hall, "tickets@example.org")
        );
        assert_eq!(
            parsed("Théâtre, Müller & Co. \"Süd\" <karten@bühne.example>"),
            ok(Some("Théâtre, Müller & Co. \"Süd\""), "karten@xn--bhne-0ra.example")
        );
        for text in [
            "Old Town Hall",
            "Old Town Hall <>",
            "@example.org",
            "a@b@",
            "Hall <a b@example.org>",
            "Hall\r\nBcc: x@example.org <tickets@example.org>",
            "käthe@example.org",
        ] {
            assert!(parsed(text).unwrap_err().starts_with("NTS_MAIL_FROM: "), "{text}");
        }
        assert!(parsed(" ").unwrap_err().starts_with("NTS_SMTP is set and NTS_MAIL_FROM is not"));
    }

    #[test]
    fn a_relay_is_told_the_name_of_this_box_office_or_of_the_sender() {
        let hello = |public: &str| {
            let url = "smtp://localhost:1";
            SmtpSettings::parse(url, None, "a@mail.example", public).map(|s| s.hello)
        };
        assert_eq!(hello("https://Tickets.example.org"), Ok("tickets.example.org".into()));
        assert_eq!(hello("https://tickets.example.org:8443/x"), Ok("tickets.example.org".into()));
        for number in ["http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", ""] {
            assert_eq!(hello(number), Ok("mail.example".into()), "{number}");
        }
    }
}
