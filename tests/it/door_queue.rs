//! A queue before the camera of the door page: Chromium takes a film for its camera, in which one ticket after the other
//! is held up, among them copies, refunded ones, tickets of another event and forged ones. Each answer that the page shows
//! must be the right one, nobody is left out, and the records must agree. The same is done by two devices whose network is
//! cut in the middle, and which both let in some of the same tickets.
//!
//! `NTS_DOOR_QUEUE=200 cargo test -p nts --test it door_queue -- --nocapture --test-threads=1` shows as many tickets to each
//! device and prints how long people wait; without it the queues are short. Times are printed and never asserted.

#[path = "../../server/tests/scan/pictures.rs"]
#[allow(dead_code, reason = "the tests of the decoder have more kinds")]
mod pictures;

use crate::doors::{codes, overview};
use crate::harness::*;
use crate::webdriver::{Browser, PHONE};
use base64::Engine as _;
use pictures::{Dice, NOTHING, Noise, Picture, held_up, nothing};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The film, in pixels. The page reads the square in the middle; left of it stands the number of the picture.
const HIGH: usize = 720;
const WIDE: usize = 960;
const MARGIN: usize = (WIDE - HIGH) / 2;
/// Pictures a second.
const RATE: usize = 10;
/// The bits of a picture's number.
const BITS: usize = 12;
/// So many pictures long a ticket is held up.
const HELD: usize = 18;
/// So many pictures lie between two tickets.
const BETWEEN: usize = 4;
/// So many lie between a ticket and a copy of it that the next guest shows.
const BEFORE_COPY: usize = 25;
/// So many stand before the first ticket and after the last one.
const LEAD: usize = 10;
const TAIL: usize = 20;
/// So many tickets are in one film.
const FILM: usize = 16;

/// The machine has one queue at a time.
static ONE: Mutex<()> = Mutex::new(());

/// How many tickets are shown to each device.
fn queue_length(short: usize) -> usize {
    std::env::var("NTS_DOOR_QUEUE").map_or(short, |text| text.parse().unwrap())
}

/// A ticket that is held up, and what the page must say.
#[derive(Clone, Debug)]
struct Guest {
    code: String,
    /// The class of the colour, and the title.
    expected: (&'static str, &'static str),
    /// Of a ticket that is let in with a network: the name that is told, and the id of its order.
    of: Option<(String, String)>,
    /// Whether the guest before has shown the same code.
    follows: bool,
}

impl Guest {
    fn new(code: &str, expected: (&'static str, &'static str)) -> Guest {
        Guest { code: code.into(), expected, of: None, follows: false }
    }
}

const COME_IN: (&str, &str) = ("go", "Come in");
const OFFLINE: (&str, &str) = ("maybe", "Valid, offline");
const ALREADY_IN: (&str, &str) = ("stop", "Already in");
const REFUNDED: (&str, &str) = ("stop", "Refunded");
const OTHER_EVENT: (&str, &str) = ("stop", "Other event");
const FORGED: (&str, &str) = ("stop", "Not a ticket");

/// What the page has shown.
#[derive(Clone, Debug)]
struct Shown {
    colour: String,
    title: String,
    name: String,
    /// How long the guest waited from the first picture of the ticket, in milliseconds.
    waited_ms: f64,
}

/// A box office with the events `rock` and `jazz`.
struct House {
    server: Server,
    dir: Dir,
    made: u64,
}

impl House {
    fn open(name: &str) -> House {
        let dir = Dir::new(name);
        let server = Server::start(&dir);
        for slug in ["rock", "jazz"] {
            assert_eq!(server.send(put_event(slug, 1_000, 300)).status, 201);
        }
        House { server, dir, made: 0 }
    }

    /// A new order of one ticket that is given away, and the name of its buyer.
    fn give(&mut self, event: &str) -> (Value, String) {
        self.made += 1;
        let name = format!("Guest {}", self.made);
        let sale = json!({"buyer": {"name": name, "email": "guest@example.org"}, "tender": "free",
                          "lines": [{"ticket_type": "adult", "quantity": 1}]});
        let path = format!("/api/v1/events/{event}/sales");
        let made = self.server.send(Request::new("POST", &path).bearer(KEY).json(&sale));
        assert_eq!(made.status, 201, "{made:?}");
        (made.json(), name)
    }

    /// Somebody with a new ticket.
    fn guest(&mut self) -> Guest {
        let (order, name) = self.give("rock");
        let of = Some((name, text(&order, "id")));
        Guest { of, ..Guest::new(&codes(&order)[0][0], COME_IN) }
    }

    /// The id of an order of one ticket that was paid, and the code of the ticket.
    fn paid(&mut self) -> (String, String) {
        self.made += 1;
        let order = self.server.send(hold(&format!("payer{}", self.made), 1)).json();
        assert_eq!(self.server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
        let paid = self.server.send(look(&order)).json();
        (text(&order, "id"), codes(&paid)[0][0].clone())
    }

    fn refund(&self, id: &str) {
        let refund = Request::new("POST", &format!("/api/v1/orders/{id}/refunds")).bearer(KEY);
        let done = self.server.send(refund.json(&json!({"all": true, "restock": true})));
        assert_eq!(done.status, 200, "{done:?}");
    }

    /// The code of a real ticket with another letter in its signature.
    fn forged(&mut self) -> String {
        let mut code = self.guest().code;
        let at = code.len() - 40;
        let letter = if code.as_bytes()[at] == b'A' { "B" } else { "A" };
        code.replace_range(at..=at, letter);
        code
    }

    /// A queue of people whom this box office knows, among them some who must not come in.
    fn queue(&mut self, length: usize) -> Vec<Guest> {
        let mut queue: Vec<Guest> = Vec::new();
        while queue.len() < length {
            let good: Vec<String> =
                queue.iter().filter(|g| g.expected == COME_IN).map(|g| g.code.clone()).collect();
            queue.push(match queue.len() % 12 {
                3 => Guest::new(&self.forged(), FORGED),
                5 => {
                    let (order, code) = self.paid();
                    self.refund(&order);
                    Guest::new(&code, REFUNDED)
                }
                7 => Guest::new(&good[good.len() / 2], ALREADY_IN),
                9 => Guest::new(&codes(&self.give("jazz").0)[0][0], OTHER_EVENT),
                11 => Guest { follows: true, ..Guest::new(good.last().unwrap(), ALREADY_IN) },
                _ => self.guest(),
            });
        }
        queue
    }
}

/// What Chromium takes for its camera.
struct Camera {
    path: PathBuf,
    noise: Noise,
    dice: Dice,
}

impl Camera {
    fn new(dir: &Dir, name: &str, seed: u64) -> Camera {
        let path = dir.path(&format!("{name}.y4m"));
        let mut camera = Camera { path, noise: Noise::new(), dice: Dice(seed) };
        camera.film(&[]);
        camera
    }

    /// A browser with this camera.
    fn browser(&self) -> Option<Browser> {
        let arguments = [
            "--use-fake-ui-for-media-stream".to_owned(),
            "--use-fake-device-for-media-stream".into(),
            format!("--use-file-for-fake-video-capture={}", self.path.display()),
        ];
        Browser::start_with(true, PHONE, false, arguments.into())
    }

    /// Makes the film of these guests, and gives the number of the first picture of each, and of the first one after all.
    fn film(&mut self, guests: &[Guest]) -> Vec<usize> {
        let mut film = Film::new(self.path.with_extension("new"));
        let mut firsts = Vec::new();
        self.nobody(&mut film, LEAD);
        for guest in guests {
            if guest.follows {
                self.nobody(&mut film, BEFORE_COPY - BETWEEN);
            }
            firsts.push(film.pictures);
            // A hand is not still, and no two pictures of a sensor are the same.
            for _ in 0..3 {
                let picture = held_up(&guest.code, HIGH, &mut self.dice, &self.noise);
                for _ in 0..HELD / 3 {
                    film.add(&picture);
                }
            }
            self.nobody(&mut film, BETWEEN);
        }
        firsts.push(film.pictures);
        self.nobody(&mut film, TAIL);
        film.end();
        std::fs::rename(self.path.with_extension("new"), &self.path).unwrap();
        firsts
    }

    /// What the camera sees while nobody holds up a ticket.
    fn nobody(&mut self, film: &mut Film, pictures: usize) {
        let kind = NOTHING[self.dice.below(3)];
        let picture = nothing(kind, self.dice.bits() >> 8, 0, &self.noise);
        for _ in 0..pictures {
            film.add(&picture);
        }
    }

    /// Shows a queue to the page, and gives what the page has shown, in order.
    fn show(&mut self, browser: &Browser, guests: &[Guest]) -> Vec<Shown> {
        guests.chunks(FILM).flat_map(|part| self.play(browser, part)).collect()
    }

    fn play(&mut self, browser: &Browser, guests: &[Guest]) -> Vec<Shown> {
        let firsts = self.film(guests);
        let end = firsts[guests.len()];
        browser.run(&format!("watch.begin({end}); end(); hide(); return null;"));
        browser.click(".camera > button");
        let mut sights = Value::Null;
        eventually("the film is over", || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            sights = browser.run("return watch.over() && watch;");
            sights.is_object()
        });
        let number = |value: &Value| value.as_f64().unwrap();
        // When the first picture of a guest was shown, by the first one of them that the page had time for.
        let first_seen: BTreeMap<usize, f64> = sights["sights"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sight| (number(&sight[0]) as usize, number(&sight[1])))
            .collect();
        let begun = |first: usize| {
            let (at, time) = first_seen.range(first..).next().unwrap();
            time - ((at - first) * 1_000 / RATE) as f64
        };
        let answers = sights["answers"].as_array().unwrap();
        let shown = answers.iter().enumerate().map(|(at, answer)| Shown {
            colour: text(answer, "colour"),
            title: text(answer, "title"),
            name: text(answer, "name"),
            waited_ms: number(&answer["at"]) - begun(firsts[at.min(guests.len() - 1)]),
        });
        shown.collect()
    }
}

/// A film as YUV4MPEG2 (<https://wiki.multimedia.cx/index.php/YUV4MPEG2>), grey, with the number of each picture in it.
struct Film {
    file: BufWriter<std::fs::File>,
    pictures: usize,
}

impl Film {
    fn new(path: PathBuf) -> Film {
        let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
        writeln!(file, "YUV4MPEG2 W{WIDE} H{HIGH} F{RATE}:1 Ip A1:1 C420").unwrap();
        Film { file, pictures: 0 }
    }

    /// The same picture side by side, where it is smaller than the middle of the film.
    fn add(&mut self, picture: &Picture) {
        assert!(self.pictures < 1 << BITS, "the number of a picture has {BITS} bits");
        writeln!(self.file, "FRAME").unwrap();
        let high = picture.grey.len() / picture.width;
        let mut line = [90; WIDE];
        for y in 0..HIGH {
            let bit = self.pictures >> (BITS - 1 - y * BITS / HIGH) & 1;
            line[..MARGIN].fill(if bit == 1 { 235 } else { 16 });
            let row = &picture.grey[y % high * picture.width..][..picture.width];
            for part in line[MARGIN..MARGIN + HIGH].chunks_mut(row.len()) {
                part.copy_from_slice(&row[..part.len()]);
            }
            self.file.write_all(&line).unwrap();
        }
        self.file.write_all(&[128; WIDE * HIGH / 2]).unwrap();
        self.pictures += 1;
    }

    fn end(mut self) {
        self.file.flush().unwrap();
    }
}

/// Notes in the page when which picture of the film is shown, what the page answers and when that is painted, and how long
/// its decoder takes for each picture.
const WATCH: &str = "
window.watch = {
  sights: [], answers: [], decoder: [], last: Infinity, pending: 0,
  begin(last) { Object.assign(this, { sights: [], answers: [], last, ended: 0 }); },
  over() { return this.ended && performance.now() - this.ended > 1500 && !document.body.hasAttribute('aria-busy'); },
};
const Thread = Worker;
window.Worker = class extends Thread {
  constructor(...all) {
    super(...all);
    this.addEventListener('message', ({ data }) => watch.decoder.push(data.ms));
  }
};
const margin = new OffscreenCanvas(1, BITS).getContext('2d', { willReadFrequently: true });
function sight(video, shown) {
  margin.drawImage(video, MARGIN / 4, 0, MARGIN / 2, video.videoHeight, 0, 0, 1, BITS);
  const { data } = margin.getImageData(0, 0, 1, BITS);
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) number = number << 1 | (data[4 * bit] > 128);
  if (watch.ended) return;
  watch.sights.push([number, shown.presentationTime]);
  if (number < watch.last) return;
  watch.ended = performance.now();
  // The film would begin again.
  setTimeout(() => video.srcObject.getTracks()[0].stop(), 500);
}
new MutationObserver((changes) => {
  for (const node of changes.flatMap((change) => [...change.addedNodes])) {
    if (node.nodeType !== 1) continue;
    const video = node.matches('video') ? node : node.querySelector('video');
    if (video && !video.watched) {
      video.watched = true;
      const again = (now, shown) => { sight(video, shown); video.requestVideoFrameCallback(again); };
      video.requestVideoFrameCallback(again);
    }
    if (!node.matches('.answer')) continue;
    const part = (css) => node.querySelector(css)?.textContent ?? '';
    const answer = { colour: node.className.split(' ')[1], title: part('h2'), name: part('.door-name'), what: part('.door-what'), at: 0 };
    watch.answers.push(answer);
    requestAnimationFrame(() => setTimeout(() => { answer.at = performance.now(); }));
  }
}).observe(document, { childList: true, subtree: true });
";

/// The page of the door, as this browser has it.
fn open_page(browser: &Browser, address: &str) {
    let watch = WATCH.replace("BITS", &BITS.to_string()).replace("MARGIN", &MARGIN.to_string());
    browser.before_pages(&watch);
    browser.send_header("authorization", &format!("Bearer {KEY}"));
    browser.goto(&format!("http://{address}/door/rock"));
    browser.shows("Last scans of this device");
    let kept = "const done = arguments[arguments.length - 1];
        caches.match('/door/rock').then(async (page) => {
          done(Boolean(page && await caches.match('/assets/scan.js') && navigator.serviceWorker.controller));
        });";
    eventually("the page is kept", || browser.run_async(kept) == json!(true));
}

/// Each answer must be the right one, in the order of the queue.
fn right(guests: &[Guest], shown: &[Shown]) {
    let titles: Vec<&str> = shown.iter().map(|shown| &*shown.title).collect();
    for (at, (guest, shown)) in guests.iter().zip(shown).enumerate() {
        let said = (&*shown.colour, &*shown.title);
        let name = guest.of.as_ref().map_or(&*shown.name, |(name, _)| name);
        let place = at + 1;
        assert_eq!((said, &*shown.name), (guest.expected, name), "guest {place}: {titles:?}");
    }
    assert_eq!(guests.len(), shown.len(), "somebody was left out, or asked for twice: {titles:?}");
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Prints how long those who were let in waited until they saw it.
fn print_waits(what: &str, shown: &[Shown]) {
    let green = shown.iter().filter(|shown| ["go", "maybe"].contains(&&*shown.colour));
    let mut waits: Vec<f64> = green.map(|shown| shown.waited_ms).collect();
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: {} of {} let in; from showing to the answer: median {:.0} ms, 95 of 100 within {:.0} ms, longest {:.0} ms",
        waits.len(),
        shown.len(),
        at(0.5),
        at(0.95),
        at(1.0),
    );
}

/// Whoever was shown green is in the records once, and nobody else is.
fn in_the_records(server: &Server, guests: &[Guest]) {
    let admitted: Vec<&str> =
        guests.iter().filter_map(|guest| Some(&*guest.of.as_ref()?.1)).collect();
    let counted = overview(server);
    assert_eq!(counted["inside"], json!(admitted.len()));
    assert_eq!(counted["conflicts"], json!([]));
    let scans = counted["scans"].as_array().unwrap();
    let recorded: Vec<String> = scans.iter().rev().map(|scan| text(scan, "order")).collect();
    assert_eq!(recorded, admitted);
}

/// How long the decoder needs for a picture of 640 pixels in this browser, on the thread that the browser slows down.
fn measure_decoder(browser: &Browser, what: &str, code: &str) {
    let noise = Noise::new();
    let scanner = include_str!("../../server/assets/scan.js");
    let mut took = BTreeMap::<&str, Vec<f64>>::new();
    for number in 0..9 {
        let dice = &mut Dice(number);
        let with = held_up(code, 640, dice, &noise);
        let without = nothing(NOTHING[number as usize % 3], number, 0, &noise);
        for (kind, picture) in [("with a code", &with), ("without a code", &without)] {
            let grey: Vec<u8> = (0..640 * 640)
                .map(|at| {
                    let (x, y) = (at % 640 % picture.width, at / 640 % picture.width);
                    picture.grey[y * picture.width + x]
                })
                .collect();
            let grey = base64::engine::general_purpose::STANDARD.encode(grey);
            let first = if number == 0 { 5 } else { 0 };
            let answer = browser.run(&format!(
                "const scanner = window.scanner ??= (() => {{ {scanner}; onmessage = null; return scan; }})();
                 const grey = Uint8Array.from(atob('{grey}'), (c) => c.charCodeAt());
                 const data = new Uint8ClampedArray(Uint32Array.from(grey, (v) => 0xff000000 | v * 0x010101).buffer);
                 // Not what it takes to compile it.
                 for (let n = 0; n < {first}; n++) scanner(data, 640, 640);
                 const start = performance.now();
                 const found = scanner(data, 640, 640);
                 return [found && found.text, performance.now() - start];"
            ));
            assert_eq!(answer[0].as_str(), picture.text.as_deref());
            took.entry(kind).or_default().push(answer[1].as_f64().unwrap());
        }
    }
    for (kind, took) in took {
        println!("{what}: the decoder needs {:.1} ms for a picture {kind} (median)", median(took));
    }
}

/// The way from a device to the box office, which can be cut: for the page, and for its service worker.
struct Line {
    address: String,
    state: Arc<Way>,
}

#[derive(Default)]
struct Way {
    cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Line {
    fn to(server: &str) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (state, server) = (Arc::<Way>::default(), server.to_owned());
        let way = Arc::clone(&state);
        std::thread::spawn(move || {
            for device in listener.incoming() {
                let device = device.unwrap();
                if way.cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(office) = TcpStream::connect(&server) else { continue };
                let copies = [&device, &office].map(|end| end.try_clone().unwrap());
                way.open.lock().unwrap().extend(copies);
                let back = (office.try_clone().unwrap(), device.try_clone().unwrap());
                for (mut from, mut to) in [(device, office), back] {
                    std::thread::spawn(move || {
                        _ = std::io::copy(&mut from, &mut to);
                        _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Line { address, state }
    }

    fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        for end in self.state.open.lock().unwrap().drain(..) {
            _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}

fn queue(name: &str, length: usize, slowed: u32) {
    let _one = ONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut house = House::open(name);
    let mut camera = Camera::new(&house.dir, "queue", 7);
    let Some(browser) = camera.browser() else { return };
    browser.slow_down(slowed);
    let guests = house.queue(length);
    open_page(&browser, &house.server.address);
    let shown = camera.show(&browser, &guests);
    right(&guests, &shown);
    in_the_records(&house.server, &guests);
    let what = format!("a queue of {length}, the processor slowed {slowed} times");
    print_waits(&what, &shown);
    let decoder = browser.run("return watch.decoder.slice(3)");
    let decoder = decoder.as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    println!("{what}: the page's worker needed {:.1} ms for a picture (median)", median(decoder));
    measure_decoder(&browser, &what, &guests[0].code);
}

#[test]
fn a_queue_before_the_camera_of_a_slow_phone() {
    queue("door-queue-slow", queue_length(12), 4);
}

/// The same at full speed, which the short queue leaves out.
#[test]
fn a_queue_before_the_camera_of_a_fast_phone() {
    if let length @ 1.. = queue_length(0) {
        queue("door-queue-fast", length, 1);
    }
}

/// What one of two devices shows before, during and after a cut of its network.
#[derive(Default)]
struct Evening {
    before: Vec<Guest>,
    without: Vec<Guest>,
    after: Vec<Guest>,
}

impl Evening {
    fn length(&self) -> usize {
        self.before.len() + self.without.len() + self.after.len()
    }
}

/// Two devices are without a network in the middle of their queues. Some guests come in twice, once at each; whoever was
/// refunded or has come in meanwhile is found out afterwards.
#[test]
fn two_devices_without_a_network_tell_afterwards_whom_they_let_in() {
    let _one = ONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut house = House::open("door-queue-cut");
    let mut cameras =
        [("north", 11), ("south", 12)].map(|(name, seed)| Camera::new(&house.dir, name, seed));
    let lines = [(); 2].map(|()| Line::to(&house.server.address));
    let [Some(north), Some(south)] = cameras.each_ref().map(Camera::browser) else { return };
    let browsers = [north, south];
    // A quarter with a network, half without one, and a quarter with one.
    let quarter = queue_length(8) / 4;

    let mut evenings = <[Evening; 2]>::default();
    for evening in &mut evenings {
        evening.before = (0..quarter).map(|_| house.guest()).collect();
        evening.after = (0..quarter).map(|_| house.guest()).collect();
    }
    // Paid, and refunded once the devices have no network: they cannot know.
    let refunded: Vec<(String, String)> = (0..quarter.div_ceil(4)).map(|_| house.paid()).collect();
    // Both let these in.
    let mut shared: Vec<Guest> = (0..quarter.div_ceil(2)).map(|_| house.guest()).collect();
    for guest in &mut shared {
        guest.expected = OFFLINE;
    }
    for at in 0..2 {
        let [ours, theirs] = [at, 1 - at].map(|at| evenings[at].before[0].code.clone());
        let mut without = shared.clone();
        // In with a network before, at this device or at the other one: the list has it.
        without.push(Guest::new(&ours, ALREADY_IN));
        without.push(Guest::new(&theirs, ALREADY_IN));
        without.push(Guest::new(&shared[0].code, ALREADY_IN));
        without.push(Guest::new(&house.forged(), FORGED));
        without.push(Guest::new(&codes(&house.give("jazz").0)[0][0], OTHER_EVENT));
        if at == 0 {
            without.extend(refunded.iter().map(|(_, code)| Guest::new(code, OFFLINE)));
        }
        for _ in 0..(2 * quarter).saturating_sub(without.len()).max(1) {
            let mut guest = house.guest();
            guest.expected = OFFLINE;
            without.push(guest);
        }
        let last = Guest { follows: true, ..Guest::new(&without.last().unwrap().code, ALREADY_IN) };
        without.push(last);
        evenings[at].without = without;
        // What was let in without a network is known when it is back.
        let again = Guest::new(&shared[0].code, ALREADY_IN);
        evenings[at].after.push(again);
    }

    let both = |part: fn(&Evening) -> &[Guest], cameras: &mut [Camera; 2]| {
        let devices = cameras.iter_mut().zip(&browsers).zip(&evenings);
        std::thread::scope(|scope| {
            let shows: Vec<_> = devices
                .map(|((camera, browser), evening)| {
                    scope.spawn(move || {
                        let shown = camera.show(browser, part(evening));
                        right(part(evening), &shown);
                        shown
                    })
                })
                .collect();
            shows.into_iter().flat_map(|show| show.join().unwrap()).collect::<Vec<_>>()
        })
    };
    for (browser, line) in browsers.iter().zip(&lines) {
        open_page(browser, &line.address);
    }
    let online = both(|evening| &evening.before, &mut cameras);
    // The list is as new as can be when the network goes.
    let list = "const done = arguments[arguments.length - 1];
        (async () => {
          while (syncing) await pause(50);
          syncing = true;
          try { await readList(); } finally { syncing = false; }
        })().then(() => done(true), () => done(false));";
    for browser in &browsers {
        assert_eq!(browser.run_async(list), json!(true));
    }
    for line in &lines {
        line.cut();
    }
    for (order, _) in &refunded {
        house.refund(order);
    }
    let offline = both(|evening| &evening.without, &mut cameras);
    let let_in = |evening: &Evening| {
        evening.without.iter().filter(|guest| guest.expected == OFFLINE).count()
    };
    for (browser, evening) in browsers.iter().zip(&evenings) {
        browser.shows(&format!("{} not sent.", let_in(evening)));
    }
    browsers[0].picture("door-queue-cut");
    let known = overview(&house.server);
    assert_eq!(known["inside"], json!(2 * quarter), "nobody has told the box office yet");

    // One after the other, so that it is known who is the second.
    for (browser, line) in browsers.iter().zip(&lines) {
        line.mend();
        eventually("all scans are sent", || {
            browser.run("return unsent.length + stuck.size") == json!(0)
        });
    }
    for browser in &browsers {
        browser.shows("Let through without a network, but not right");
    }
    // The door that let a guest in first is told as well.
    browsers[0].run("news()");
    browsers[0].shows("Two people with one ticket");
    browsers[1].whole_picture("door-queue-sent");
    let after = both(|evening| &evening.after, &mut cameras);

    let length: usize = evenings.iter().map(Evening::length).sum();
    print_waits(
        &format!("two devices, {length} tickets: with a network"),
        &[online, after].concat(),
    );
    print_waits("without a network", &offline);
    // Everybody who was shown green is counted, also those who came in with a ticket that was in.
    let [north, south] = evenings.each_ref().map(let_in);
    let counted = overview(&house.server);
    assert_eq!(counted["inside"], json!(4 * quarter + north + south));
    let order = |scan: &Value| text(scan, "order");
    let conflicts = counted["conflicts"].as_array().unwrap();
    let told = |why: &str| -> Vec<String> {
        let mut orders: Vec<String> =
            conflicts.iter().filter(|scan| scan["objection"] == why).map(order).collect();
        orders.sort();
        orders
    };
    let mut twice: Vec<String> = shared.iter().map(|g| g.of.clone().unwrap().1).collect();
    twice.sort();
    assert_eq!(told("already_in"), twice);
    let mut back: Vec<String> = refunded.iter().map(|(order, _)| order.clone()).collect();
    back.sort();
    assert_eq!(told("revoked"), back);
    assert_eq!(conflicts.len(), twice.len() + back.len());
    let [entered, again] = ["entered", "entered_again"].map(|name| -> u64 {
        let gates = counted["gates"].as_array().unwrap();
        gates.iter().map(|gate| gate[name].as_u64().unwrap()).sum()
    });
    assert_eq!(
        (entered + again, again),
        ((4 * quarter + north + south) as u64, twice.len() as u64)
    );
}
