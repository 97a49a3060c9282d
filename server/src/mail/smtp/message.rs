//! A mail as it goes over the wire: MIME (RFC 2045 to 2049), in ASCII unless the recipient's address is not.

use super::settings::{address, mailbox};
use crate::mail::{Composed, Part};
use boxoffice::TimeMs;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, Date, Header, HeaderName, HeaderValue,
};
use lettre::message::{Attachment, Body, Mailbox, Message, MultiPart, SinglePart};
use std::time::{Duration, UNIX_EPOCH};

/// The longest subject, in characters: a title of an event may be long, and a header must end.
const MOST_SUBJECT: usize = 200;

/// The bytes of a mail, and whom they are for.
pub(super) struct Formatted {
    pub(super) to: Address,
    /// Without a line break at its end.
    pub(super) bytes: Vec<u8>,
}

/// Makes a mail. `id` becomes its Message-ID. The error is the end of a sentence: this mail can never be sent.
pub(super) fn format(
    id: u128,
    from: &Mailbox,
    to: &str,
    mail: &Composed,
    now_ms: TimeMs,
) -> Result<Formatted, String> {
    let to = address(to).ok_or("this is no address that mail can be sent to")?;
    let broken = |error: &dyn std::fmt::Display| format!("the mail cannot be made: {error}");
    let envelope =
        Envelope::new(Some(from.email.clone()), vec![to.clone()]).map_err(|e| broken(&e))?;
    let sent = UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    let sender = Mailbox::new(from.name.as_deref().map(one_line), from.email.clone());
    let mut builder = Message::builder()
        .envelope(envelope)
        .header(Date::new(sent))
        .from(sender)
        .to(Mailbox::new(None, to.clone()))
        .subject(one_line(&mail.subject).chars().take(MOST_SUBJECT).collect::<String>())
        .message_id(Some(format!("<{id:032x}@{}>", from.email.domain())))
        .header(AutoSubmitted);
    // Of an organiser who has typed something else, the sender gets the answers. An address that is not ASCII
    // would need SMTPUTF8 of every relay on the way.
    let reply_to = mail.reply_to.as_deref().and_then(mailbox);
    if let Some(reply_to) = reply_to.filter(|mailbox| mailbox.email.user().is_ascii()) {
        let name = reply_to.name.as_deref().map(one_line);
        builder = builder.reply_to(Mailbox::new(name, reply_to.email));
    }
    let mut content = MultiPart::alternative()
        .singlepart(SinglePart::plain(lines(&mail.text)))
        .singlepart(SinglePart::html(lines(&mail.html)));
    if !mail.inline.is_empty() {
        content = MultiPart::related().multipart(content);
        for part in &mail.inline {
            let picture = Attachment::new_inline(content_id(&part.name)?);
            content = content.singlepart(picture.body(base64(part)?, media_type(part)?));
        }
    }
    if !mail.attachments.is_empty() {
        content = MultiPart::mixed().multipart(content);
        for part in &mail.attachments {
            let file = SinglePart::builder()
                .header(media_type(part)?)
                .header(ContentDisposition::attachment(&file_name(&part.name)));
            content = content.singlepart(file.body(base64(part)?));
        }
    }
    let message = builder.multipart(content).map_err(|e| broken(&e))?;
    let mut bytes = message.formatted();
    // The end of the data brings its own.
    if bytes.ends_with(b"\r\n") {
        bytes.truncate(bytes.len() - 2);
    }
    Ok(Formatted { to, bytes })
}

/// `Auto-Submitted: auto-generated` (RFC 3834, section 5): nobody's holiday notice answers it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(AutoSubmitted::name(), "auto-generated".into())
    }
}

/// A text for a header: on one line and without control characters.
fn one_line(text: &str) -> String {
    let spaced =
        |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().map(spaced).collect::<String>().trim().to_owned()
}

/// A text of lines that end alike, without other control characters: a line feed or a carriage return alone
/// may not be sent (RFC 5321, section 2.3.8).
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// A name for a file: a folder is no part of it.
fn file_name(name: &str) -> String {
    one_line(name).replace(['/', '\\', '"'], "_")
}

/// A Content-ID is written as it is.
fn content_id(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    match !name.is_empty() && name.chars().all(plain) {
        true => Ok(name.to_owned()),
        false => Err(format!("a picture of the mail is called “{}”", crate::text::plain(name))),
    }
}

fn media_type(part: &Part) -> Result<ContentType, String> {
    ContentType::parse(part.media_type)
        .map_err(|_| format!("“{}” is no media type", crate::text::plain(part.media_type)))
}

/// Whatever is in it, it arrives byte for byte.
fn base64(part: &Part) -> Result<Body, String> {
    let encoding = ContentTransferEncoding::Base64;
    Body::new_with_encoding(part.bytes.clone(), encoding)
        .map_err(|_| format!("“{}” cannot be encoded", crate::text::plain(&part.name)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A mail with all that a mail can have.
    pub(in super::super) fn sample() -> Composed {
        Composed {
            subject: "Ihre Karten für „Ärger im Théâtre“ – 2 × Παρτέρ ☂".into(),
            text: "Guten Tag,\n.\n.a line that begins with a dot\r\nlast\n".into(),
            html: format!("<p>Grüße <img src=\"cid:qr1\">{}</p>\n", "x".repeat(3_000)),
            reply_to: Some("Theater Süd <info@süd.example>".into()),
            inline: vec![Part {
                name: "qr1".into(),
                media_type: "image/png",
                bytes: b"\x89PNG\r\n\x1a\n\x00\xff".to_vec(),
            }],
            attachments: vec![Part {
                name: "Ärger im Théâtre ☂.ics".into(),
                media_type: "text/calendar; charset=utf-8; method=PUBLISH",
                bytes: b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_vec(),
            }],
        }
    }

    fn made(to: &str, mail: &Composed) -> Result<String, String> {
        let from = mailbox("Old Town Hall <tickets@example.org>").unwrap();
        let formatted = format(0xabc, &from, to, mail, 1_806_520_530_000)?;
        Ok(String::from_utf8(formatted.bytes).unwrap())
    }

    fn headers(mail: &str) -> Vec<&str> {
        mail.split("\r\n\r\n").next().unwrap().split("\r\n").collect()
    }

    #[test]
    fn a_mail_has_the_headers_that_it_needs() {
        let mail = made("ann@bücher.example", &sample()).unwrap();
        let headers = headers(&mail);
        for line in [
            "From: \"Old Town Hall\" <tickets@example.org>",
            "To: ann@xn--bcher-kva.example",
            "Date: Wed, 31 Mar 2027 19:15:30 +0000",
            "Message-ID: <00000000000000000000000000000abc@example.org>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.contains(&line), "{line}: {headers:#?}");
        }
        let reply_to = headers.iter().find(|line| line.starts_with("Reply-To: ")).unwrap();
        assert!(
            reply_to.contains("=?utf-8?") && reply_to.ends_with("<info@xn--sd-xka.example>"),
            "{reply_to}"
        );
        assert!(mail.is_ascii());
        assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        let kinds: Vec<usize> = [
            "multipart/mixed",
            "multipart/related",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "image/png",
            "text/calendar",
        ]
        .iter()
        .map(|kind| mail.find(&format!("Content-Type: {kind}")).expect(kind))
        .collect();
        assert!(kinds.is_sorted(), "{kinds:?}");
        assert!(mail.contains("Content-ID: <qr1>"));
        assert!(mail.contains("filename*0*=utf-8''%C3%84rger"), "{mail}");
    }

    #[test]
    fn no_text_makes_a_header_of_its_own() {
        let evil = "Hall\r\nBcc: everybody@example.org\n\tX: 1\u{2028}Y: 2\0\u{7}";
        let mail = Composed {
            subject: evil.into(),
            reply_to: Some(format!("{evil} <a@example.org>")),
            attachments: vec![Part {
                name: format!("../{evil}\".pdf"),
                media_type: "application/pdf",
                bytes: vec![],
            }],
            ..sample()
        };
        let from = Mailbox::new(Some(evil.into()), "tickets@example.org".parse().unwrap());
        let formatted = format(1, &from, "ann@example.org", &mail, 0).unwrap();
        let text = String::from_utf8(formatted.bytes).unwrap();
        for line in text.split("\r\n") {
            let folded = line.starts_with([' ', '\t']);
            assert!(
                folded || !["Bcc:", "X:", "Y:"].iter().any(|h| line.starts_with(h)),
                "{line:?}"
            );
            assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
        }
        let to = "ann@example.org\r\nRCPT TO:<x@example.org>";
        for to in [to, "", "ann", "ann@", "a b@example.org", "ann@example.org>", "ann@exa mple.org"]
        {
            assert!(made(to, &sample()).is_err(), "{to:?}");
        }
        let inline = |name: &str| {
            let part = Part { name: name.into(), media_type: "image/png", bytes: vec![] };
            made("a@b.example", &Composed { inline: vec![part], ..sample() }).map(drop)
        };
        assert_eq!(inline("qr-1@nts"), Ok(()));
        assert!(inline("qr>\r\nX: 1").is_err());
    }

    #[test]
    fn a_mail_without_pictures_and_files_is_two_texts() {
        let mail = Composed { inline: vec![], attachments: vec![], reply_to: None, ..sample() };
        let text = made("ann@example.org", &mail).unwrap();
        assert!(
            headers(&text)
                .iter()
                .any(|line| line.starts_with("Content-Type: multipart/alternative"))
        );
        assert!(!text.contains("Reply-To") && !text.contains("multipart/mixed"));
        // What an organiser has typed that is no address is left out.
        let mail = Composed { reply_to: Some("call us".into()), ..mail };
        assert!(!made("ann@example.org", &mail).unwrap().contains("Reply-To"));
    }

    #[test]
    fn the_same_mail_has_the_same_id_and_an_address_that_is_not_ascii_stays() {
        let id = |mail: &str| mail.split("Message-ID: ").nth(1).unwrap()[..50].to_owned();
        let (one, two) =
            (made("a@b.example", &sample()).unwrap(), made("a@b.example", &sample()).unwrap());
        assert_eq!(id(&one), id(&two));
        assert!(made("käthe@example.org", &sample()).unwrap().contains("To: käthe@example.org"));
    }
}
