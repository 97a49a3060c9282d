//! What a crowd looks at: made once for each change of an event, not once for each visitor.

use super::api::versions::Tagged;
use crate::language::Lang;
use boxoffice::{Event, EventId, TimeMs};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// So many events are remembered; beyond that all are forgotten, and made anew when they are asked
/// for.
const MOST: usize = 1_000;

/// Everything that is made once for many.
#[derive(Default)]
pub struct PageCache {
    /// The page of an event in each language; none if it cannot be made.
    pages: [PerEvent<Option<SplicedPage>>; 5],
    /// The same for programs.
    pub json: PerEvent<Tagged>,
    /// A frame of its live counts.
    pub frame: PerEvent<Bytes>,
}

impl PageCache {
    /// The pages of events in this language.
    pub fn page(&self, lang: Lang) -> &PerEvent<Option<SplicedPage>> {
        &self.pages[match lang {
            Lang::En => 0,
            Lang::De => 1,
            Lang::Fr => 2,
            Lang::Es => 3,
            Lang::Pseudo => 4,
        }]
    }
}

/// What was made of events as they were.
pub struct PerEvent<T>(RwLock<BTreeMap<EventId, Made<T>>>);

struct Made<T> {
    event: Arc<Event>,
    /// The second in which it was made.
    second: i64,
    as_of: TimeMs,
    what: Arc<T>,
}

impl<T> Default for PerEvent<T> {
    fn default() -> PerEvent<T> {
        PerEvent(RwLock::default())
    }
}

impl<T> PerEvent<T> {
    /// What was made of this event in this second, or else what `make` makes of it now. `as_of` is
    /// when its counts are true; what is given may say that of a moment ago in the same second, but
    /// never of a later one.
    pub fn of(
        &self,
        event: &Arc<Event>,
        now: TimeMs,
        as_of: TimeMs,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let second = now.div_euclid(1_000);
        if let Some(made) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&event.id)
            && Arc::ptr_eq(&made.event, event)
            && made.second == second
            && made.as_of <= as_of
            && made.as_of.div_euclid(1_000) == as_of.div_euclid(1_000)
        {
            return Arc::clone(&made.what);
        }
        let what = Arc::new(make());
        let made = Made { event: Arc::clone(event), second, as_of, what: Arc::clone(&what) };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(event.id, made);
        what
    }
}

/// A text with a gap in it that is filled differently for everybody, and compressed once all the
/// same.
pub struct SplicedPage {
    before: Bytes,
    after: Bytes,
    packed: OnceLock<Packed>,
}

/// The text around the gap in the format of gzip (RFC 1952), whose blocks (RFC 1951) do not refer
/// to each other across the gap.
struct Packed {
    before: Vec<u8>,
    after: Vec<u8>,
    crc_before: crc32fast::Hasher,
}

/// A header without a name and a time, from an unknown system (RFC 1952, section 2.3).
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

impl SplicedPage {
    /// Cuts a text at the first `mark`. None if it is not in there.
    pub fn at(text: &str, mark: &str) -> Option<SplicedPage> {
        let (before, after) = text.split_once(mark)?;
        let (before, after) = (Bytes::from(before.to_owned()), Bytes::from(after.to_owned()));
        Some(SplicedPage { before, after, packed: OnceLock::new() })
    }

    /// The text with `gap` in it.
    pub fn plain(&self, gap: &[u8]) -> Bytes {
        [&self.before, gap, &self.after].concat().into()
    }

    /// The same, as gzip. Panics if the gap is longer than 65,535 bytes.
    pub fn gzip(&self, gap: &[u8]) -> Bytes {
        let packed = self.packed.get_or_init(|| {
            let mut crc_before = crc32fast::Hasher::new();
            crc_before.update(&self.before);
            Packed {
                before: deflate(&self.before, FlushCompress::Full),
                after: deflate(&self.after, FlushCompress::Finish),
                crc_before,
            }
        });
        let mut crc = packed.crc_before.clone();
        crc.update(gap);
        crc.update(&self.after);
        let length = (self.before.len() + gap.len() + self.after.len()) as u32;
        // A block that is stored as it is (RFC 1951, section 3.2.4).
        let size = u16::try_from(gap.len()).expect("a gap is short");
        let [low, high] = size.to_le_bytes();
        let stored = [0, low, high, !low, !high];
        [
            &GZIP,
            &packed.before[..],
            &stored,
            gap,
            &packed.after,
            &crc.finalize().to_le_bytes(),
            &length.to_le_bytes(),
        ]
        .concat()
        .into()
    }
}

thread_local! {
    /// Making one costs several times as much as compressing a page with it.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Compresses lightly: what is shown of a hot sale changes hundreds of times a second.
fn deflate(text: &[u8], end: FlushCompress) -> Vec<u8> {
    let mut packed = Vec::with_capacity(text.len() + 64);
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        loop {
            let read = compress.total_in() as usize;
            let status = compress.compress_vec(&text[read..], &mut packed, end);
            let status = status.expect("compressing does not fail");
            let room = packed.capacity() > packed.len();
            if status == Status::StreamEnd || (room && compress.total_in() as usize == text.len()) {
                return;
            }
            packed.reserve(packed.capacity());
        }
    });
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        // One member only, and its checksum is checked.
        let mut decoder = flate2::bufread::GzDecoder::new(bytes);
        decoder.read_to_string(&mut text).expect("it is gzip");
        assert!(decoder.into_inner().is_empty(), "nothing is left behind it");
        text
    }

    #[test]
    fn a_gap_is_filled_for_each_and_the_rest_is_compressed_once() {
        let row = "<label for=q>Standing <strong>35 GBP</strong></label>\n";
        let long = row.repeat(3_000);
        let noise: String = (0..9_999u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
        for (before, after) in [("", ""), ("a", ""), ("", "b"), (&*long, row), (row, &*noise)] {
            let gapped = SplicedPage::at(&format!("{before}@@{after}"), "@@").expect("a gap");
            for gap in ["", "0123456789abcdef", "zz"] {
                let expected = format!("{before}{gap}{after}");
                assert_eq!(gapped.plain(gap.as_bytes()), expected.as_bytes());
                assert_eq!(unpacked(&gapped.gzip(gap.as_bytes())), expected);
            }
        }
        let gapped = SplicedPage::at(&format!("{long}@@{long}"), "@@").expect("a gap");
        assert!(gapped.gzip(b"").len() * 10 < long.len());
        assert!(SplicedPage::at("no gap", "@@").is_none());
    }

    fn event(id: u64, held: u32) -> Arc<Event> {
        let spec = nts_testkit::fixtures::event_spec("rock", 9);
        let pools = vec![boxoffice::Pool { name: "p".into(), capacity: 9, held, sold: 0 }];
        Arc::new(Event {
            id: EventId(id),
            spec,
            pools,
            ticket_types: Vec::new(),
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        })
    }

    #[test]
    fn many_events_are_remembered_beside_each_other() {
        let memo = PerEvent::<()>::default();
        let events: Vec<_> = (0..=MOST as u64).map(|id| event(id, 0)).collect();
        let made = |events: &[Arc<Event>]| {
            let mut made = 0;
            events.iter().for_each(|event| _ = memo.of(event, 0, 0, || made += 1));
            made
        };
        assert_eq!(made(&events[..MOST]), MOST);
        assert_eq!(made(&events[..MOST]), 0, "each is there");
        assert_eq!(made(&events[MOST..]), 1, "one too many");
        assert_eq!(made(&events[MOST..]), 0);
        assert_eq!(made(&events[..MOST - 1]), MOST - 1, "so all others were forgotten");
        assert_eq!(made(&events[MOST..]), 0, "and it was not");
    }

    #[test]
    fn what_was_made_is_given_until_something_changes() {
        let event = |held| event(1, held);
        let memo = PerEvent::<(u32, TimeMs)>::default();
        let mut made = 0;
        let mut ask = |event: &Arc<Event>, now, as_of| {
            *memo.of(event, now, as_of, || {
                made += 1;
                (made, as_of)
            })
        };
        let first = event(0);
        assert_eq!(ask(&first, 5_000, 5_000), (1, 5_000));
        assert_eq!(ask(&first, 5_999, 5_999), (1, 5_000), "the same second");
        assert_eq!(ask(&first, 6_000, 6_000), (2, 6_000), "the next one: a sale may have opened");
        assert_eq!(ask(&event(1), 6_000, 6_000), (3, 6_000), "another count");
        let second = event(2);
        assert_eq!(ask(&second, 6_800, 6_800), (4, 6_800));
        // Now it is in doubt what was committed since 6,500: 6,800 was too bold.
        assert_eq!(ask(&second, 6_900, 6_500), (5, 6_500));
        assert_eq!(ask(&second, 7_100, 6_500), (6, 6_500), "another second on the page's clock");
    }
}
