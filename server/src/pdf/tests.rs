use super::*;
use boxoffice::{CodeRule, Currency, EventId, OrderState, TicketType};
use nts_testkit::{fixtures, tool};
use proptest::prelude::*;

/// An order with so many tickets of the first type, and its event.
fn sold(quantity: u32) -> (Event, Order) {
    let mut spec = fixtures::event_spec("show", 10_000);
    spec.name = "Ein Sommernachtstraum".into();
    spec.place = "Große Bühne, Ringstraße 12, 1010 Wien".into();
    spec.zone = "Europe/Vienna".into();
    spec.starts_ms = 1_812_132_000_000;
    let kind = TicketType {
        id: "t".into(),
        name: "Parkett".into(),
        pool: 0,
        price_minor: 1_500,
        retired: false,
    };
    let event = Event {
        id: EventId(1),
        spec,
        pools: vec![],
        ticket_types: vec![kind],
        counters: vec![],
        serials: quantity,
        sale: boxoffice::Sale::Open,
    };
    let mut order = fixtures::order(OrderState::Paid);
    order.currency = Currency::parse("EUR").unwrap();
    order.lines = vec![fixtures::line(quantity, 1_500)];
    order.tickets = (1..=quantity)
        .map(|serial| Ticket {
            serial,
            line: 0,
            state: TicketState::Valid,
            code_rule: CodeRule::Order,
            guest: None,
            revision: 0,
        })
        .collect();
    order.buyer.name = "Jürgen Müller-Łukaszewicz".into();
    (event, order)
}

/// Codes as long as the real ones.
fn code(ticket: &Ticket) -> TicketCode {
    let n = ticket.serial;
    let url = format!("HTTPS://TICKETS.EXAMPLE.ORG/T/{n:0>144}");
    TicketCode { url, short: format!("ABCD-EFGH-{n:04}") }
}

fn made(lang: Lang, event: &Event, order: &Order) -> Vec<u8> {
    tickets(lang, event, order, &code, false).expect("a file")
}

/// A file for a program that wants one by its name.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> File {
        let dir = std::env::temp_dir().join(format!("nts-pdf-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("tickets.pdf");
        std::fs::write(&path, bytes).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn read(program: &str, words: &[&str]) -> Option<String> {
    let output = tool(program, "poppler-utils", words, &[])?;
    Some(String::from_utf8(output).unwrap())
}

fn text_of(name: &str, bytes: &[u8]) -> Option<String> {
    let file = File::new(name, bytes);
    read("pdftotext", &["-layout", file.path(), "-"])
}

#[test]
fn only_valid_tickets_are_printed() {
    let (event, mut order) = sold(3);
    order.tickets[1].state = TicketState::Revoked;
    let bytes = made(Lang::En, &event, &order);
    if let Some(text) = text_of("valid", &bytes) {
        assert!(text.contains("ABCD-EFGH-0001") && text.contains("ABCD-EFGH-0003"), "{text}");
        assert!(!text.contains("ABCD-EFGH-0002") && text.contains("Ticket 3"), "{text}");
    }
    order.tickets.iter_mut().for_each(|ticket| ticket.state = TicketState::Revoked);
    assert_eq!(tickets(Lang::En, &event, &order, &code, false), Err(PdfError::NoTickets));
}

#[test]
fn the_same_order_gives_the_same_bytes() {
    let (event, order) = sold(5);
    let first = made(Lang::Fr, &event, &order);
    assert_eq!(first, made(Lang::Fr, &event, &order));
    assert_ne!(first, made(Lang::Es, &event, &order));
}

#[test]
fn a_file_says_what_it_is() {
    let (mut event, order) = sold(2);
    event.spec.name = "Bells & <whistles> (live) \\ )Tj ET %".into();
    for lang in Lang::ALL {
        let bytes = made(lang, &event, &order);
        let file = File::new(&format!("info-{}", lang.tag()), &bytes);
        let Some(info) = read("pdfinfo", &[file.path()]) else { return };
        let title = lang.pdf_title(&event.spec.name);
        assert!(info.contains(&format!("Title:           {title}")), "{info}");
        assert!(info.lines().any(|line| line.starts_with("Tagged:") && line.ends_with("yes")));
        assert!(info.lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 2")));
        assert!(info.contains("JavaScript:      no"), "{info}");
        let tags = read("pdfinfo", &["-struct-text", file.path()]).unwrap();
        for part in ["H1", "Figure", "ABCD-EFGH-0002", "Ein Sommer"].iter().take(3) {
            assert!(tags.contains(part), "{part}: {tags}");
        }
        let told = read("pdfinfo", &["-meta", file.path()]).unwrap();
        assert!(told.contains("<pdfuaid:part>1</pdfuaid:part>"), "{told}");
        let language = format!("/Lang({})", lang.tag());
        let plain = String::from_utf8_lossy(&bytes).replace(' ', "");
        assert!(plain.contains(&language), "the file names its language");
    }
}

/// The texts of names are read back from the file as they were given: in letters with diacritics, Greek,
/// Cyrillic, and from right to left; what the fonts lack is told of, and there is no empty box.
#[test]
fn names_are_read_back() {
    for (name, lacks) in [
        ("Jürgen Müller-Łukaszewicz", false),
        ("Zoë Đặng Thị Hương", false),
        ("Γιώργος Παπαδόπουλος", false),
        ("Дмитрий Щёголев", false),
        ("דנה כהן", false),
        ("محمد علي", false),
        ("דנה Cohen", false),
        ("山田太郎", true),
        ("山田 Taro", true),
        ("O'Brien) Tj ET /F1 (\\", false),
        ("e\u{301}lodie", false),
    ] {
        let (event, mut order) = sold(1);
        order.buyer.name = name.into();
        let bytes = made(Lang::En, &event, &order);
        let Some(text) = text_of("names", &bytes) else { return };
        // How programs order what runs from right to left differs, and they may mark it.
        let letters = |text: &str| {
            let mut letters: Vec<char> =
                text.nfc_text().chars().filter(|c| c.is_alphanumeric()).collect();
            letters.sort_unstable();
            letters
        };
        let found = text.lines().any(|line| letters(line) == letters(name));
        assert!(found, "{name}: {text}");
        assert_eq!(text.contains("Not all of the text"), lacks, "{name}: {text}");
        assert!(!text.contains('\u{fffd}'), "{name}: {text}");
    }
}

trait NfcText {
    fn nfc_text(&self) -> String;
}

impl NfcText for str {
    fn nfc_text(&self) -> String {
        use unicode_normalization::UnicodeNormalization;
        self.nfc().collect()
    }
}

/// Another program reads the code of every page from its picture.
#[test]
fn the_code_of_every_page_is_scanned() {
    let (mut event, mut order) = sold(3);
    // As little room for the codes as there can be.
    event.spec.name = "Wortungetüm ".repeat(16);
    event.spec.place = "W".repeat(200);
    order.tickets[1].guest = Some("W".repeat(200));
    order.tickets[2].guest = Some("山".repeat(200));
    let bytes = tickets(Lang::De, &event, &order, &code, true).unwrap();
    let file = File::new("scanned", &bytes);
    let root = file.0.with_extension("");
    let root = root.to_str().unwrap();
    if read("pdftoppm", &["-r", "110", "-gray", "-png", file.path(), root]).is_none() {
        return;
    }
    for (page, ticket) in order.tickets.iter().enumerate() {
        let picture = format!("{root}-{}.png", page + 1);
        let Some(read) = tool("zbarimg", "zbar-tools", &["--quiet", "--raw", &picture], &[]) else {
            return;
        };
        assert_eq!(String::from_utf8_lossy(&read).trim(), code(ticket).url, "page {page}");
    }
}

/// Five hundred tickets are a file that can be mailed, in a time that nobody else has to wait for.
#[test]
fn five_hundred_tickets_are_bounded() {
    let (event, order) = sold(500);
    let bytes = made(Lang::En, &event, &order);
    assert!(bytes.len() < 5_000_000, "{} bytes", bytes.len());
    let file = File::new("many", &bytes);
    let Some(info) = read("pdfinfo", &[file.path()]) else { return };
    assert!(info.lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 500")));
}

/// Said with `cargo test --release -p nts-server --lib pdf -- --nocapture how_long`.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn how_long_it_takes() {
    for quantity in [1, 1, 10, 100] {
        // The first one reads the fonts.
        let (event, order) = sold(quantity);
        let begun = std::time::Instant::now();
        let bytes = made(Lang::De, &event, &order);
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        eprintln!("{quantity} tickets: {ms:.1} ms, {} bytes", bytes.len());
        assert!(!bytes.is_empty());
    }
}

/// The files of all languages, with short and with long texts, for looking at: writes them into the folder
/// `NTS_PDF_LOOK`.
#[test]
#[ignore = "it is for looking at"]
fn to_look_at() {
    let Some(dir) = std::env::var_os("NTS_PDF_LOOK") else { return };
    for lang in Lang::ALL {
        let (mut event, mut order) = sold(2);
        let file = |kind: &str, event: &Event, order: &Order, test| {
            let bytes = tickets(lang, event, order, &code, test).unwrap();
            let name = format!("{}-{kind}.pdf", lang.tag());
            std::fs::write(std::path::Path::new(&dir).join(name), bytes).unwrap();
        };
        file("short", &event, &order, false);
        event.spec.name = "Internationales Festival für zeitgenössische Kammermusik, Kontrabassduette und \
                           improvisierte Filmmusik im Rahmen der 47. Donaueschinger Begegnungen, Abend 3"
            .into();
        event.spec.place =
            "Kultur- und Kongresszentrum an der Universität für Musik und darstellende Kunst, \
                            Großer Saal, Eingang C, Anton-von-Webern-Platz 1, 1030 Wien"
                .into();
        event.spec.ends_ms = Some(event.spec.starts_ms + 172_800_000);
        event.ticket_types[0].name =
            "Ermäßigt (Studierende bis 26, Lehrlinge, Menschen mit Behinderung), Parkett links"
                .into();
        order.tickets[0].guest =
            Some("山田太郎 Yamada Tarō von und zu Hohenlohe-Langenburg".into());
        order.tickets[1].guest = Some("דנה כהן".into());
        file("long", &event, &order, true);
    }
}

#[test]
fn long_texts_stay_on_the_page() {
    for text in
        ["W".repeat(200), "iii ".repeat(50), "Donaudampfschifffahrt ".repeat(9), "א".repeat(200)]
    {
        for sizes in [&[(24.0, 1), (8.5, 6)][..], &[(12.0, 1)]] {
            let block = fit(&text, true, sizes, INNER);
            assert!(block.lines.len() <= sizes.iter().map(|(_, most)| *most).max().unwrap());
            for line in &block.lines {
                assert!(line.width(block.size) <= INNER + 0.5, "{text}");
            }
            assert!(block.said.as_ref().is_none_or(|said| *said == text));
        }
    }
}

proptest! {
    /// Whatever people are called, there is a file, and PDF/UA does not forbid it.
    #[test]
    fn every_name_can_be_printed(name in "\\PC{1,60}", place in ".{0,60}") {
        let (mut event, mut order) = sold(1);
        event.spec.place = place;
        order.buyer.name = name;
        prop_assert!(tickets(Lang::Es, &event, &order, &code, true).is_ok());
    }
}

#[test]
fn few_wait_for_their_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let printer = std::sync::Arc::new(Printer::new(false));
    runtime.block_on(async {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let mut waiting = Vec::new();
        for _ in 0..16 {
            let (printer, wait) = (std::sync::Arc::clone(&printer), std::sync::Arc::clone(&wait));
            waiting.push(Box::pin(async move {
                printer.print(move || wait.lock().unwrap().recv().unwrap()).await
            }));
        }
        for one in &mut waiting {
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(one.as_mut().poll(context).is_pending())
            });
            assert!(polled.await, "none is done yet");
        }
        assert_eq!(printer.print(|| ()).await, Err(Busy));
        for one in waiting {
            go.send(()).unwrap();
            assert_eq!(one.await, Ok(()));
        }
        assert_eq!(printer.print(|| 5).await, Ok(5));
        assert_eq!(Printer::new(true).print(|| 6).await, Ok(6));
    });
}
