use super::*;
use crate::clock::Clock;
use crate::ids::Secrets;
use crate::mail::Of;
use crate::store::records::RecordChange;
use crate::store::records::webhooks::{HookKinds, Webhook};
use crate::store::{Batch, Database};
use boxoffice::{CodeRule, Language, Pool, TicketType};
use insta::assert_snapshot;
use nts_testkit::fixtures;
use std::sync::atomic::AtomicI64;

/// 2030-01-01 12:00 UTC, in milliseconds.
const NOW_MS: i64 = 1_893_499_200_000;
/// 2030-07-05 20:00 in London.
const STARTS_MS: i64 = 1_909_508_400_000;

fn composer(name: &str, live: bool) -> Composer {
    let dir = std::env::temp_dir().join(format!("nts-mail-{name}-{}", std::process::id()));
    _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    let clock = Clock::Manual(Arc::new(AtomicI64::new(NOW_MS)));
    let database = Database::parse(&dir.join("nts.db").display().to_string()).expect("a path");
    database.open(clock.clone()).expect("an empty database");
    let secrets = Secrets::new([2; 32]);
    let base = "https://tickets.example.org";
    Composer {
        reads: Reads::inline(database.reader(&clock).expect("a reader")),
        catalogue: Arc::new(Catalogue::new(vec![event()])),
        links: Arc::new(Links::new(base.into(), secrets.clone())),
        codes: Arc::new(Codes::new(base.into(), secrets, &[])),
        clock: Arc::new(DatabaseClock::new(clock)),
        printer: Arc::new(Printer::new(true)),
        live,
        sequences: Sequences::default(),
    }
}

fn event() -> Event {
    let mut spec = fixtures::event_spec("harbour-night", 100);
    (spec.name, spec.place) = ("Harbour Night".into(), "Old Customs House, Quay 3".into());
    (spec.zone, spec.starts_ms) = ("Europe/London".into(), STARTS_MS);
    spec.ends_ms = Some(STARTS_MS + 9_000_000);
    spec.contact = "questions@example.org".into();
    let ticket_type = |id: &str, name: &str, price_minor| TicketType {
        id: id.into(),
        name: name.into(),
        pool: 0,
        price_minor,
        retired: false,
    };
    Event {
        id: EventId(1),
        spec,
        pools: vec![Pool { name: "all".into(), capacity: 100, held: 0, sold: 3 }],
        ticket_types: vec![
            ticket_type("adult", "Adult", 1_250),
            ticket_type("child", "Child", 600),
        ],
        counters: vec![],
        serials: 3,
        sale: boxoffice::Sale::Open,
    }
}

/// Two adults and a child, in this state.
fn order(state: OrderState) -> Order {
    let mut order = fixtures::order(state);
    order.buyer = crate::identity::buyer("Ann Smith", "ann@example.org", Language::EN);
    order.lines = vec![fixtures::line(2, 1_250), fixtures::line(1, 600)];
    order.lines[1].ticket_type = 1;
    let ticket = |(serial, line)| Ticket {
        serial,
        line,
        state: TicketState::Valid,
        code_rule: CodeRule::Order,
        guest: (serial == 3).then(|| "Ben Smith".into()),
        revision: u16::from(serial == 3),
    };
    order.tickets = [(1, 0), (2, 0), (3, 1)].map(ticket).into();
    order
}

const OF: Of = Of { order: 7, event: 1 };
const REFUND: u128 = 9;

fn refund(amount_minor: i64, quantities: [u32; 2], state: RefundState) -> Refund {
    let quantities = quantities.into();
    let (id, restock, by_hand, of_amount) = (RefundId(REFUND), false, false, false);
    Refund { id, amount_minor, quantities, restock, state, by_hand, of_amount }
}

/// One adult of the two and the child are refunded.
fn partly_refunded() -> Order {
    let mut order = order(OrderState::Paid);
    order.refunds = vec![refund(1_850, [1, 1], RefundState::Pending)];
    (order.lines[0].refunded, order.lines[1].refunded) = (1, 1);
    order.tickets[1].state = TicketState::Revoked;
    order.tickets[2].state = TicketState::Revoked;
    order
}

fn all_refunded() -> Order {
    let mut order = order(OrderState::Refunded);
    order.refunds = vec![refund(3_100, [2, 1], RefundState::Succeeded("re_1".into()))];
    for ticket in &mut order.tickets {
        ticket.state = TicketState::Revoked;
    }
    order
}

fn void() -> Order {
    Order { tickets: vec![], ..order(OrderState::Void) }
}

fn moved() -> Letter {
    Letter::Moved {
        of: OF,
        started_ms: STARTS_MS - 86_400_000,
        place: "Town Hall".into(),
        issued: 0,
    }
}

/// Each mail about an order: its name, what it is, and the order then.
fn mails() -> Vec<(&'static str, Letter, Order)> {
    let mut new_address = order(OrderState::Paid);
    new_address.buyer = crate::identity::buyer("Ann Smith", "ann.smith@example.org", Language::EN);
    let mut failed = partly_refunded();
    failed.refunds[0].state = RefundState::Failed("the account is closed".into());
    let mut kept = void();
    kept.refunds = vec![refund(3_100, [0, 0], RefundState::Pending)];
    vec![
        ("tickets", Letter::Tickets(OF), order(OrderState::Paid)),
        ("again", Letter::Again(OF), partly_refunded()),
        ("refunded_all", Letter::Refunded(OF, REFUND), all_refunded()),
        ("refunded_part", Letter::Refunded(OF, REFUND), partly_refunded()),
        (
            "refunded_cash",
            Letter::Refunded(OF, REFUND),
            Order { tender: Tender::Cash, ..all_refunded() },
        ),
        (
            "refunded_terminal",
            Letter::Refunded(OF, REFUND),
            Order { tender: Tender::Terminal, ..partly_refunded() },
        ),
        ("refund_failed", Letter::Refunded(OF, REFUND), failed),
        ("void", Letter::Void(OF), void()),
        ("void_money_back", Letter::Void(OF), kept),
        ("moved", moved(), order(OrderState::Paid)),
        ("canceled", Letter::EventCanceled(OF), order(OrderState::Paid)),
        ("canceled_refunded", Letter::EventCanceled(OF), all_refunded()),
        ("address_changed", Letter::AddressChanged(OF), new_address),
    ]
}

/// What a mail says besides its HTML.
fn told(mail: &Composed) -> String {
    let files = mail.inline.iter().chain(&mail.attachments);
    let files: Vec<&str> = files.map(|part| &*part.name).collect();
    let to = mail.reply_to.as_deref().unwrap_or("nobody");
    format!(
        "Subject: {}\nReply-To: {to}\nParts: {}\n\n{}",
        mail.subject,
        files.join(", "),
        mail.text
    )
}

/// For whoever wants to look at them: `target/tmp/mails`, as files that a browser shows.
fn keep(name: &str, mail: &Composed) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/mails");
    std::fs::create_dir_all(&dir).expect("a directory");
    let html = crate::mail::with_pictures(mail);
    std::fs::write(dir.join(format!("{name}.html")), html).expect("a file");
}

#[test]
fn each_mail_says_what_it_is_to_say() {
    let composer = composer("said", true);
    let (mut texts, mut htmls) = (BTreeMap::new(), String::new());
    for (name, letter, order) in mails() {
        for lang in Lang::ALL {
            let mail = composer.written(lang, &letter, &order, &event()).expect(name);
            keep(&format!("{name}_{}", lang.tag()), &mail);
            let all: &mut String = texts.entry(lang).or_default();
            *all += &format!("======== {name}\n{}\n", told(&mail));
            if lang == Lang::En {
                htmls += &format!("<!-- {name} -->\n{}\n", mail.html);
            }
        }
    }
    for (lang, text) in texts {
        assert_snapshot!(format!("mails_{}", lang.tag()), text);
    }
    assert_snapshot!("mails_html", htmls);
}

#[tokio::test]
async fn owners_are_told_which_webhook_is_off_as_long_as_it_is() {
    let composer = composer("webhook-off", true);
    let dir = std::env::temp_dir().join(format!("nts-mail-webhook-off-{}", std::process::id()));
    let clock = Clock::Manual(Arc::new(AtomicI64::new(NOW_MS)));
    let database = Database::parse(&dir.join("nts.db").display().to_string()).expect("a path");
    let mut store = database.open(clock).expect("a database").store;
    let mut hook = Webhook {
        id: 7,
        address: "https://hooks.example:8443/a-secret?key=1".into(),
        kinds: HookKinds::EVERY,
        event: None,
        is_on: false,
        off_because: Some("The receiver answered 410: it wants no more messages.".into()),
        failing_ms: Some(0),
        secret: 0,
        old_until_ms: None,
        made_by: crate::actor::Actor::System,
        made_ms: 0,
    };
    let mut write = |hook: &Webhook| {
        let records = [RecordChange::put(hook)];
        let batch = Batch {
            changes: &[],
            orders: &BTreeMap::new(),
            recorded: &[],
            records: &records,
            now_ms: NOW_MS,
        };
        store.commit(&batch).expect("commit");
    };
    write(&hook);
    let letter = Letter::WebhookOff(7);
    let mail = composer.compose(&letter, "owner@example.org").await.expect("a mail");
    keep("webhook_off_en", &mail);
    assert_snapshot!("webhook_off", told(&mail));
    assert!(!mail.html.contains("a-secret"), "its path may be a secret");
    (hook.is_on, hook.off_because) = (true, None);
    write(&hook);
    let again = composer.compose(&letter, "owner@example.org").await;
    assert!(matches!(again, Err(NotComposed::Needless(_))));
}

fn of_kind(composer: &Composer, letter: &Letter, order: &Order) -> Composed {
    composer.written(Lang::En, letter, order, &event()).expect("a mail")
}

#[test]
fn another_program_reads_the_code_of_each_ticket() {
    let composer = composer("codes", true);
    let mail = of_kind(&composer, &Letter::Tickets(OF), &order(OrderState::Paid));
    assert_eq!(mail.inline.len(), 3);
    for (part, ticket) in mail.inline.iter().zip(&order(OrderState::Paid).tickets) {
        assert!(mail.html.contains(&format!("src=\"cid:{}\"", part.name)), "{}", part.name);
        assert_eq!(part.media_type, "image/png");
        let code = composer.codes.of(&order(OrderState::Paid), ticket);
        let (target, typed) = (code.url, code.short);
        assert!(mail.text.contains(&typed) && mail.html.contains(&typed));
        let read = nts_testkit::tool("zbarimg", "zbar-tools", &["-q", "--raw", "-"], &part.bytes);
        if let Some(read) = read {
            assert_eq!(String::from_utf8_lossy(&read).trim(), target);
        }
    }
}

#[test]
fn a_long_order_has_the_first_tickets_in_its_mail_and_says_where_the_others_are() {
    let mut long = order(OrderState::Paid);
    long.lines[0].quantity = 30;
    let ticket = long.tickets[0].clone();
    long.tickets = (1..=30).map(|serial| Ticket { serial, ..ticket.clone() }).collect();
    let mail = of_kind(&composer("long", true), &Letter::Tickets(OF), &long);
    assert_eq!(mail.inline.len(), MOST_TICKETS);
    assert!(mail.text.contains("10 more tickets are on the page of your order."), "{}", mail.text);
    // What is much longer is cut off by some mail programs (Gmail: 102 kB).
    assert!(mail.html.len() < 100_000, "{}", mail.html.len());
}

#[test]
fn a_test_says_that_it_is_one() {
    for (live, says) in [(true, false), (false, true)] {
        let mail = of_kind(&composer("test", live), &Letter::Tickets(OF), &order(OrderState::Paid));
        for text in [&mail.text, &mail.html] {
            assert_eq!(text.contains("Test mode: no real money moves"), says, "{text}");
        }
    }
}

#[test]
fn names_are_only_text() {
    let composer = composer("names", true);
    for name in [
        "<b>Ann</b>",
        "\"Ann\" & 'co'",
        "{{ page }}",
        "Ann\r\nBcc: eve@example.org",
        "דנה\u{202e}x",
    ] {
        let (mut order, mut event) = (order(OrderState::Paid), event());
        order.buyer.name = name.into();
        event.spec.name = name.into();
        event.spec.place = name.into();
        event.ticket_types[0].name = name.into();
        for (_, letter, _) in mails() {
            let Ok(mail) = composer.written(Lang::En, &letter, &order, &event) else { continue };
            assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
            assert!(!mail.html.contains("<b>") && !mail.html.contains("\"Ann\""), "{}", mail.html);
        }
    }
}

#[test]
fn what_has_nothing_to_tell_is_not_sent() {
    let composer = composer("needless", true);
    let stays =
        Letter::Moved { of: OF, started_ms: STARTS_MS, place: event().spec.place, issued: 0 };
    let other = Letter::Refunded(OF, 1);
    for (letter, order) in [
        (Letter::Tickets(OF), all_refunded()),
        (Letter::Again(OF), all_refunded()),
        (moved(), all_refunded()),
        (stays, order(OrderState::Paid)),
        (Letter::Void(OF), order(OrderState::Paid)),
        (other, partly_refunded()),
    ] {
        let made = composer.written(Lang::En, &letter, &order, &event());
        assert!(matches!(made, Err(NotComposed::Needless(_))), "{letter:?}: {made:?}");
    }
}

#[test]
fn the_former_address_gets_nothing_of_the_order() {
    let composer = composer("former", true);
    let (_, letter, order) = mails().pop().expect("the last one");
    let mail = of_kind(&composer, &letter, &order);
    for text in [&mail.text, &mail.html] {
        assert!(text.contains("a•••@example.org"), "{text}");
        for hidden in ["Ann", "ann.smith", "/orders/", "ZAKQ-MWGB"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    }
    assert!(mail.inline.is_empty() && mail.attachments.is_empty());
}

#[test]
fn pictures_are_put_into_the_page() {
    use crate::mail::with_pictures;
    use crate::text::base64;
    // RFC 4648, section 10.
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
    let mail = of_kind(&composer("page", true), &Letter::Tickets(OF), &order(OrderState::Paid));
    let html = with_pictures(&mail);
    assert!(!html.contains("cid:") && html.matches("src=\"data:image/png;base64,").count() == 3);
}

/// What a future gives that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(made) => made,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn the_tickets_are_a_file_of_the_mail_where_the_organiser_wants_that() {
    let composer = composer("pdf", true);
    let (order, event) = (order(OrderState::Paid), Arc::new(event()));
    let part = at_once(composer.pdf(Lang::De, order, event)).expect("it is made").expect("it is");
    assert_eq!(part.media_type, "application/pdf");
    assert!(part.name.starts_with("harbour-night-") && part.bytes.starts_with(b"%PDF-"));
}

#[test]
fn who_has_no_orders_gets_no_mail() {
    let made = at_once(composer("lost", true).compose(&Letter::Lost, "ann@example.org"));
    assert!(matches!(made, Err(NotComposed::Needless(_))), "{made:?}");
}
