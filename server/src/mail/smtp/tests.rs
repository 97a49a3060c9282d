//! What becomes of a mail, for each thing that a relay may do.

use super::message::tests::sample;
use super::*;
use nts_testkit::smtp::{Does, Relay as Double, Step};
use nts_testkit::{eventually, eventually_async};
use std::sync::atomic::AtomicI64;

const MINUTE: Duration = Duration::from_secs(60);
const LONG: Patience = Patience { step: MINUTE, steps: MINUTE, end: MINUTE };
/// For relays that do not answer.
const SHORT: Patience = Patience { step: Duration::from_millis(400), ..LONG };
const SHORT_END: Patience = Patience { end: Duration::from_millis(400), ..LONG };
const ANN: &str = "ann@example.org";

fn settings(url: &str) -> SmtpSettings {
    let from = "Old Town Hall <tickets@example.org>";
    SmtpSettings::parse(url, None, from, "https://tickets.example.org").unwrap()
}

fn relay(url: &str, patience: Patience) -> Smtp {
    let clock = Clock::Manual(Arc::new(AtomicI64::new(1_806_520_530_000)));
    let smtp = Smtp::new(settings(url), patience, clock);
    smtp.count(Arc::default());
    smtp
}

fn of(double: &Double, patience: Patience) -> Smtp {
    relay(&format!("smtp://{}", double.address), patience)
}

fn fault(smtp: &Smtp) -> i64 {
    smtp.0.metrics.get().unwrap().mail_relay_fault.get()
}

/// A relay that does this at a step, each time.
fn at(step: Step, does: Does) -> Double {
    Double::with(&[], move |now, _| if now == step { does.clone() } else { Does::Usual })
}

/// What becomes of one mail to a relay that does this; whether it is a fault of ours; how many were taken.
async fn sent(step: Step, does: Does, patience: Patience) -> (Sent, bool, usize) {
    let double = at(step, does);
    let smtp = of(&double, patience);
    let sent = smtp.send(7, ANN, &sample()).await;
    (sent, fault(&smtp) == 1, double.taken().len())
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_made() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    assert_eq!(smtp.send(7, ANN, &sample()).await, Sent::Accepted);
    let taken = double.taken();
    assert_eq!(
        (taken.len(), taken[0].from.as_str(), taken[0].to.as_str()),
        (1, "tickets@example.org", ANN)
    );
    let id = "<00000000000000000000000000000007@example.org>";
    assert_eq!(taken[0].header("message-id").as_deref(), Some(id));
    assert_eq!(taken[0].header("auto-submitted").as_deref(), Some("auto-generated"));
    assert!(taken[0].text.contains("\r\n.\r\n.a line that begins with a dot"), "{}", taken[0].text);
    assert_eq!(double.lines()[0], "EHLO tickets.example.org");
    // Without a password nobody logs in.
    assert!(!double.lines().iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test]
async fn a_connection_is_used_for_fifty_mails_and_closed_politely() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    for id in 0..u128::from(MAILS_EACH) + 1 {
        assert_eq!(smtp.send(id, ANN, &sample()).await, Sent::Accepted);
    }
    let taken = double.taken();
    let on = |connection| taken.iter().filter(|mail| mail.connection == connection).count();
    assert_eq!((on(1), on(2)), (50, 1));
    // The second as well: it is not used any more.
    eventually_async("both are closed", async || {
        let quits = double.lines().iter().filter(|line| *line == "QUIT").count();
        if quits == 2 { Ok(()) } else { Err(quits) }
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_open_at_once() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    let mut sending = tokio::task::JoinSet::new();
    for id in 0..20 {
        let smtp = smtp.clone();
        sending.spawn(async move { smtp.send(id, ANN, &sample()).await });
    }
    let all = sending.join_all().await;
    assert!(all.iter().all(|sent| *sent == Sent::Accepted), "{all:?}");
    assert!(double.connections() <= AT_ONCE as u32, "{}", double.connections());
    assert_eq!(double.taken().len(), 20);
}

#[tokio::test]
async fn a_connection_that_the_relay_closed_meanwhile_is_replaced() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    assert_eq!(smtp.send(1, ANN, &sample()).await, Sent::Accepted);
    for does in [Does::Closes, Does::says("421 4.4.2 idle for too long")] {
        let before = double.connections();
        let mut once = Some(does);
        double.now(move |step, _| match step {
            Step::Sender => once.take().unwrap_or(Does::Usual),
            _ => Does::Usual,
        });
        assert_eq!(smtp.send(2, ANN, &sample()).await, Sent::Accepted);
        assert_eq!(double.connections(), before + 1);
    }
    assert_eq!(double.taken().len(), 3);
}

#[tokio::test]
async fn what_a_relay_says_is_told_apart_by_when_it_says_it() {
    let later = |(sent, fault, taken): (Sent, bool, usize)| {
        assert!(matches!(&sent, Sent::Later(_)), "{sent:?}");
        assert_eq!(taken, 0);
        fault
    };
    let refused = |(sent, fault, taken): (Sent, bool, usize)| {
        assert!(
            matches!(&sent, Sent::Refused(_)) && !fault && taken == 0,
            "{sent:?} {fault} {taken}"
        );
    };
    use Step::*;
    // For now.
    for (step, line) in [
        (Connect, "421 4.3.2 too many connections"),
        (Hello, "421 4.3.2 shutting down"),
        (Sender, "451 4.3.0 try later"),
        (Recipient, "450 4.2.1 mailbox busy"),
        (Recipient, "421 4.7.0 too fast"),
        (Data, "451 4.3.0 try later"),
        (End, "452 4.3.1 no space left"),
        (End, "421 4.3.2 shutting down"),
    ] {
        assert!(!later(sent(step, Does::says(line), LONG).await), "{step:?} {line}");
    }
    // The recipient's fault.
    for (step, line) in [
        (Recipient, "550 5.1.1 no such user"),
        (Recipient, "550 no such user"),
        (Recipient, "552 5.2.2 mailbox full"),
        (Recipient, "553 5.1.3 bad address"),
        (End, "550 5.1.1 no such user"),
    ] {
        refused(sent(step, Does::says(line), LONG).await);
    }
    // Ours: said to everybody.
    for (step, line) in [
        (Connect, "554 5.7.1 your address is on a list"),
        (Hello, "550 5.7.1 I do not talk to you"),
        (Sender, "530 5.7.0 authentication required"),
        (Sender, "550 5.7.1 sender not verified"),
        (Sender, "553 5.1.8 sender's domain unknown"),
        (Recipient, "530 5.7.0 authentication required"),
        (Recipient, "554 5.7.1 relay access denied"),
        (Data, "503 5.5.1 no"),
        (End, "554 message rejected: address is not verified"),
        (End, "550 5.7.26 unauthenticated mail"),
    ] {
        assert!(later(sent(step, Does::says(line), LONG).await), "{step:?} {line}");
    }
}

#[tokio::test]
async fn one_mail_is_refused_for_its_content_and_no_second_one() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    assert_eq!(smtp.send(1, ANN, &sample()).await, Sent::Accepted);
    double.now(|step, _| if step == Step::End { Does::says("554 5.7.1 no") } else { Does::Usual });
    assert!(matches!(smtp.send(2, ANN, &sample()).await, Sent::Refused(_)));
    assert_eq!(fault(&smtp), 0);
    // A closed account says the same to everybody.
    for id in 3..6 {
        assert!(matches!(smtp.send(id, ANN, &sample()).await, Sent::Later(_)));
    }
    assert_eq!(fault(&smtp), 1);
    double.now(|_, _| Does::Usual);
    assert_eq!(smtp.send(3, ANN, &sample()).await, Sent::Accepted);
    assert_eq!(fault(&smtp), 0);
    // The connection was used on after each refusal.
    assert_eq!(double.connections(), 1);
}

#[test]
fn the_log_names_no_buyer() {
    let said = "the relay said 554 5.7.1 <Ann@Example.org>: relay access denied, ann@example.org";
    let told = "the relay said 554 5.7.1 (address) relay access denied, (address)";
    assert_eq!(without_addresses(said), told);
}

#[tokio::test]
async fn a_wrong_password_is_not_the_recipients_fault() {
    let double = Double::with(&["AUTH PLAIN LOGIN"], |step, _| match step {
        Step::Login => Does::says("535 5.7.8 authentication failed"),
        _ => Does::Usual,
    });
    let smtp = relay(&format!("smtp://ann:s%40cret@{}", double.address), LONG);
    let Sent::Later(why) = smtp.send(1, ANN, &sample()).await else { panic!("it waits") };
    assert_eq!(why, "logging in: the relay said 535 5.7.8 authentication failed");
    assert_eq!(fault(&smtp), 1);
    double.now(|_, _| Does::Usual);
    assert_eq!(smtp.send(1, ANN, &sample()).await, Sent::Accepted);
    assert_eq!(fault(&smtp), 0);
    // NUL ann NUL s@cret, in Base64 (RFC 4616).
    assert!(
        double.lines().contains(&"AUTH PLAIN AGFubgBzQGNyZXQ=".to_owned()),
        "{:?}",
        double.lines()
    );
    // A trouble of the relay's own is none of ours.
    let double = Double::with(&["AUTH PLAIN"], |step, _| match step {
        Step::Login => Does::says("454 4.7.0 temporary failure"),
        _ => Does::Usual,
    });
    let smtp = relay(&format!("smtp://ann:secret@{}", double.address), LONG);
    assert!(matches!(smtp.send(1, ANN, &sample()).await, Sent::Later(_)));
    assert_eq!(fault(&smtp), 0);
}

#[tokio::test]
async fn a_relay_without_tls_or_log_in_is_told_no_password() {
    // Somebody in between has taken STARTTLS away, or offers it and does not mean it.
    let says = [&["AUTH PLAIN"][..], &["AUTH PLAIN", "STARTTLS"]];
    for offers in says {
        let double = Double::with(offers, |_, _| Does::Usual);
        let address = double.address;
        let smtp = relay(&format!("smtp://ann:secret@{address}?tls=required"), LONG);
        let Sent::Later(why) = smtp.send(1, ANN, &sample()).await else { panic!("it waits") };
        let said = double.lines();
        match offers.len() {
            1 => assert!(why.contains("does not offer STARTTLS"), "{why}"),
            _ => assert!(why.contains("the relay said 502"), "{why}"),
        }
        assert_eq!(fault(&smtp), 1);
        assert!(said.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{said:?}");
        assert_eq!(double.taken().len(), 0);
    }
    // It offers no way to log in.
    let double = Double::with(&["AUTH CRAM-MD5"], |_, _| Does::Usual);
    let smtp = relay(&format!("smtp://ann:secret@{}", double.address), LONG);
    let Sent::Later(why) = smtp.send(1, ANN, &sample()).await else { panic!("it waits") };
    assert!(why.contains("offers no way to log in"), "{why}");
    assert!(double.lines().iter().all(|line| line.starts_with("EHLO")));
}

#[tokio::test]
async fn what_comes_in_the_clear_is_not_taken_for_what_comes_under_tls() {
    let double = Double::with(&["STARTTLS", "AUTH PLAIN"], |step, line| match (step, line) {
        (Step::Other, "STARTTLS") => Does::Says(b"220 go on\r\n250 injected\r\n".to_vec()),
        _ => Does::Usual,
    });
    let url = format!("smtp://ann:secret@{}?tls=required", double.address);
    let Sent::Later(why) = relay(&url, LONG).send(1, ANN, &sample()).await else {
        panic!("it waits")
    };
    assert!(why.contains("no reply of SMTP"), "{why}");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_end_has_taken_nothing() {
    use Step::*;
    for step in [Connect, Hello, Sender, Recipient, Data] {
        let (sent, fault, taken) = sent(step, Does::Closes, LONG).await;
        assert!(matches!(&sent, Sent::Later(_)) && !fault && taken == 0, "{step:?}: {sent:?}");
    }
    let address = at(Connect, Does::Usual).address;
    // Nobody is there any more.
    let smtp = relay(&format!("smtp://{address}"), LONG);
    eventually_async("nobody listens", async || match smtp.send(1, ANN, &sample()).await {
        Sent::Later(why) if why.contains("connecting: ") => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn after_the_end_of_the_text_nobody_knows() {
    for (does, taken) in [(Does::Closes, 0), (Does::TakesAndCloses, 1), (Does::says("what?"), 0)] {
        let (sent, fault, found) = sent(Step::End, does, LONG).await;
        assert!(matches!(&sent, Sent::Unknown(_)) && !fault, "{sent:?}");
        assert_eq!(found, taken);
    }
    let (sent, _, taken) = sent(Step::End, Does::Hangs, SHORT_END).await;
    assert!(matches!(&sent, Sent::Unknown(_)), "{sent:?}");
    assert_eq!(taken, 0);
}

#[tokio::test]
async fn no_relay_holds_a_mail_for_ever() {
    use Step::*;
    let slow = Does::Trickles(Duration::from_millis(50));
    for does in [Does::Hangs, slow.clone()] {
        for step in [Connect, Hello, Sender, Recipient, Data] {
            let (sent, _, taken) = sent(step, does.clone(), SHORT).await;
            let Sent::Later(why) = &sent else { panic!("{step:?}: {sent:?}") };
            assert!(why.contains("no reply within ") && taken == 0, "{step:?}: {why}");
        }
    }
    let (sent, ..) = sent(End, slow, SHORT_END).await;
    assert!(matches!(&sent, Sent::Unknown(_)), "{sent:?}");
}

#[tokio::test]
async fn slow_is_not_broken() {
    let slow = Does::Trickles(Duration::from_millis(1));
    let double = Double::with(&["8BITMIME"], move |_, _| slow.clone());
    assert_eq!(of(&double, LONG).send(1, ANN, &sample()).await, Sent::Accepted);
}

#[tokio::test]
async fn what_is_no_reply_is_trouble_and_fills_no_memory() {
    use Step::*;
    let endless = vec![b'x'; 4 * MIB];
    let lines = "250-more\r\n".repeat(400_000).into_bytes();
    for step in [Connect, Hello, Sender, Recipient, Data] {
        for raw in [
            &b"hello\r\n"[..],
            b"\xff\xfe\0\r\n",
            b"999 what\r\n",
            b"2\r\n",
            b"\r\n",
            &endless,
            &lines,
        ] {
            let (sent, fault, taken) = sent(step, Does::Says(raw.to_vec()), LONG).await;
            assert!(matches!(&sent, Sent::Later(_)) && !fault && taken == 0, "{step:?} {sent:?}");
            let Sent::Later(why) = sent else { continue };
            assert!(why.len() < 700 && !why.contains(char::is_control), "{why}");
        }
    }
    // A yes to something else is none.
    for (step, line) in [(Sender, "354 go on"), (Data, "250 ok"), (Connect, "250 ok")] {
        let (sent, ..) = sent(step, Does::says(line), LONG).await;
        assert!(matches!(&sent, Sent::Later(_)), "{step:?} {sent:?}");
    }
}

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn an_address_that_is_not_ascii_needs_a_relay_that_takes_it() {
    let double = Double::start();
    let smtp = of(&double, LONG);
    assert_eq!(smtp.send(1, "käthe@bücher.example", &sample()).await, Sent::Accepted);
    let said = double.lines();
    assert!(
        said.contains(&"MAIL FROM:<tickets@example.org> SMTPUTF8 BODY=8BITMIME".to_owned()),
        "{said:?}"
    );
    assert_eq!(double.taken()[0].to, "käthe@xn--bcher-kva.example");
    let double = Double::with(&["8BITMIME"], |_, _| Does::Usual);
    let smtp = of(&double, LONG);
    let Sent::Refused(why) = smtp.send(1, "käthe@example.org", &sample()).await else {
        panic!("it cannot be sent")
    };
    assert!(why.contains("SMTPUTF8"), "{why}");
    assert_eq!(smtp.send(1, "ann@bücher.example", &sample()).await, Sent::Accepted);
    assert_eq!(double.taken()[0].to, "ann@xn--bcher-kva.example");
    for to in ["ann", "ann@example.org\r\nDATA", "@example.org", ""] {
        assert!(matches!(smtp.send(1, to, &sample()).await, Sent::Refused(_)), "{to}");
    }
}

#[tokio::test]
async fn a_test_mail_tells_each_step() {
    let double = Double::with(&["AUTH PLAIN"], |_, _| Does::Usual);
    let settings = settings(&format!("smtp://ann:secret@{}", double.address));
    let steps = Mutex::new(Vec::new());
    let keep = |step: std::fmt::Arguments<'_>| steps.lock().unwrap().push(step.to_string());
    assert_eq!(probe(&settings, LONG, &Clock::System, 1, ANN, &keep).await, Ok(()));
    let told = steps.lock().unwrap().join("\n");
    for step in [
        "Connected to 127.0.0.1",
        "Greeting: 220 relay.example ready",
        "offers of what matters here: AUTH PLAIN.",
        "AUTH: 235 2.7.0 welcome",
        "MAIL FROM:<tickets@example.org>: 250 2.1.0 ok",
        "RCPT TO:<ann@example.org>: 250 2.1.5 ok",
        "DATA: 354 go on",
        "The mail: 250 2.0.0 taken",
        "QUIT: 221 2.0.0 bye",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
    assert!(!told.contains("secret"));
    double.now(|step, _| match step {
        Step::Recipient => Does::says("550 5.1.1 nobody"),
        _ => Does::Usual,
    });
    let told = probe(&settings, LONG, &Clock::System, 1, ANN, &|_| ()).await.unwrap_err();
    assert_eq!(told, "naming the recipient: the relay said 550 5.1.1 nobody");
    let told = records(&settings);
    for name in ["TXT at example.org", "_domainkey.example.org", "_dmarc.example.org"] {
        assert!(told.contains(name), "{told}");
    }
    eventually("the mail is there", || double.taken().len() == 1);
}
