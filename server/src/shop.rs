//! The shop: its name, colour, logo and texts, the pictures of events, and which terms a buyer has accepted.
//!
//! Pages show these all the time, so a process has them in memory ([`Shop::known`]). Whoever changes something
//! reads them anew; where several processes share a database, each looks for changes of the others now and then.
//!
//! It must not know: HTTP, SQL.

use crate::access::{Permit, ShopPermit, may};
use crate::actor::Actor;
use crate::clock::DatabaseClock;
use crate::colour::Colour;
use crate::ids::{Ids, digest};
use crate::pdf::Printer;
use crate::picture::{self, Made, Use};
use crate::reads::Reads;
use crate::store::Fault;
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::shop::{EventPicture, Picture, ShopRow, TermsAccepted, TermsRow};
use crate::store::records::{Field, RecordChange, get};
use crate::writer::{CommandError, Queue};
use boxoffice::{EventId, OrderId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::time::{Duration, sleep};

/// How often it is looked whether another process has changed something.
const FOLLOW: Duration = Duration::from_secs(5);
/// So many bytes of pictures are kept in memory.
const MOST_KEPT: usize = 16 << 20;
/// The most characters of the name, of a text, and of what is told of a picture.
const NAME: usize = 100;
const TEXT: usize = 50_000;
const ALT: usize = 300;

/// What pages show of the shop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// What its owner says of it.
    pub row: ShopRow,
    /// The pictures of events.
    pub pictures: BTreeMap<EventId, EventPicture>,
}

/// What the owner can say of the shop, as it was typed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Texts {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub accent: String,
    /// What is told of the logo to those who do not see it.
    pub logo_alt: String,
    /// Who runs it.
    pub imprint: String,
    /// The terms that buyers accept.
    pub terms: String,
    /// What happens with personal data.
    pub privacy: String,
}

/// Why something was not changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotChanged {
    /// These fields are wrong: their names, and how.
    Wrong(Vec<(&'static str, String)>),
    /// Somebody else has changed it since it was seen.
    Differs,
    /// It could not be recorded.
    Failed(CommandError),
}

impl From<CommandError> for NotChanged {
    fn from(no: CommandError) -> NotChanged {
        NotChanged::Failed(no)
    }
}

impl From<Fault> for NotChanged {
    fn from(fault: Fault) -> NotChanged {
        NotChanged::Failed(fault.into())
    }
}

/// Pictures whose bytes are in memory.
#[derive(Default)]
struct Kept {
    pictures: BTreeMap<u128, Arc<Picture>>,
    bytes: usize,
}

/// The shop.
pub struct Shop {
    clock: Arc<DatabaseClock>,
    ids: Arc<Ids>,
    queue: Queue,
    reads: Reads,
    known: RwLock<Arc<Known>>,
    kept: Mutex<Kept>,
    /// Changes are made one after the other.
    turn: tokio::sync::Mutex<()>,
    /// Pictures are read one after the other, off the threads that sell.
    reading: Printer,
}

impl Shop {
    /// A shop of which nothing is known yet: see [`Shop::refresh`].
    pub fn new(clock: Arc<DatabaseClock>, ids: Arc<Ids>, queue: Queue, reads: Reads) -> Shop {
        let known = Known { row: ShopRow::none(), pictures: BTreeMap::new() };
        let (known, reading) = (RwLock::new(Arc::new(known)), Printer::new(reads.are_inline()));
        let (kept, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Shop { clock, ids, queue, reads, known, kept, turn, reading }
    }

    /// What pages show.
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads it from the database.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let read = self.reads.ask(|reader| {
            let row = ShopRow::read(reader.tables())?;
            let pictures = EventPicture::all(reader.tables())?;
            Ok(Known { row, pictures: pictures.into_iter().map(|p| (p.event, p)).collect() })
        });
        let read = read.await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if **known != read {
            *known = Arc::new(read);
        }
        Ok(())
    }

    /// Reads it at the start; and again and again where other processes may change it.
    pub async fn follow(self: Arc<Shop>, shared: bool) {
        let mut read = false;
        loop {
            if shared || !read {
                match self.refresh().await {
                    Ok(()) => read = true,
                    Err(fault) => {
                        tracing::warn!(%fault, "cannot read the settings of the shop; it is tried again");
                    }
                }
            }
            // A task never ends.
            sleep(if shared || !read { FOLLOW } else { FOLLOW * 1_000 }).await;
        }
    }

    /// Changes what the owner says of the shop. `seen_ms`: when that was changed which the owner has seen.
    pub async fn change(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        texts: Texts,
        seen_ms: i64,
    ) -> Result<(), NotChanged> {
        let _turn = self.turn.lock().await;
        self.refresh().await?;
        let before = self.known().row.clone();
        if before.changed_ms != seen_ms {
            return Err(NotChanged::Differs);
        }
        let mut row = checked(&texts).map_err(NotChanged::Wrong)?;
        (row.logo, row.terms_version) = (before.logo, before.terms_version);
        let mut changes = Vec::new();
        let now = self.clock.now_ms();
        if row.terms != before.terms {
            row.terms_version += 1;
            let (version, text) = (row.terms_version, row.terms.clone());
            changes.push(RecordChange::put(&TermsRow { version, since_ms: now, text }));
        }
        row.changed_ms = now.max(before.changed_ms + 1);
        changes.push(RecordChange::put(&row));
        changes.push(self.line(permit.actor(), None, "name, colour or texts"));
        self.write(changes).await
    }

    /// Gives the shop a logo, or takes it away.
    pub async fn set_logo(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        file: Option<Vec<u8>>,
    ) -> Result<(), NotChanged> {
        let made = self.made(file, Use::Logo, "logo").await?;
        let _turn = self.turn.lock().await;
        self.refresh().await?;
        let known = self.known();
        let before = known.row.clone();
        let now = self.clock.now_ms();
        let picture = made.map(|made| row_of(made, now));
        let changed_ms = now.max(before.changed_ms + 1);
        let row = ShopRow { logo: picture.as_ref().map(|p| p.id), changed_ms, ..before.clone() };
        let unused = before.logo.filter(|id| {
            row.logo != Some(*id) && !known.pictures.values().any(|p| p.picture == *id)
        });
        let mut changes = vec![RecordChange::put(&row)];
        changes.extend(picture.as_ref().map(RecordChange::put));
        changes.extend(unused.map(|id| RecordChange::delete::<Picture>(vec![id.value()])));
        changes.push(self.line(permit.actor(), None, "logo"));
        self.write(changes).await
    }

    /// Gives an event a picture, changes what is told of it, or takes it away: without a file and without that.
    pub async fn set_event_picture(
        &self,
        permit: &Permit<may::ChangeEvents>,
        file: Option<Vec<u8>>,
        alt: &str,
    ) -> Result<(), NotChanged> {
        let alt = alt.trim();
        let mut wrong = Vec::new();
        check(&mut wrong, "alt", alt, ALT, false);
        if !wrong.is_empty() {
            return Err(NotChanged::Wrong(wrong));
        }
        let made = self.made(file, Use::Event, "picture").await?;
        let _turn = self.turn.lock().await;
        self.refresh().await?;
        let (known, event, now) = (self.known(), permit.event(), self.clock.now_ms());
        let before = known.pictures.get(&event);
        let mut changes = Vec::new();
        match (made, before) {
            (Some(made), _) => {
                let picture = row_of(made, now);
                let (width, height) = (picture.width, picture.height);
                let (alt, id) = (alt.to_owned(), picture.id);
                changes.push(RecordChange::put(&picture));
                let row = EventPicture { event, picture: id, alt, width, height };
                changes.push(RecordChange::put(&row));
                changes.extend(unused(&known, before, Some(id)));
            }
            (None, Some(before)) => {
                let row = EventPicture { alt: alt.to_owned(), ..before.clone() };
                changes.push(RecordChange::put(&row));
            }
            (None, None) => {
                let what = "Choose a file: a PNG, JPEG or WebP picture.";
                return Err(NotChanged::Wrong(vec![("picture", what.into())]));
            }
        }
        changes.push(self.line(permit.actor(), Some(event), "picture"));
        self.write(changes).await
    }

    /// Takes the picture of an event away.
    pub async fn remove_event_picture(
        &self,
        permit: &Permit<may::ChangeEvents>,
    ) -> Result<(), NotChanged> {
        let _turn = self.turn.lock().await;
        self.refresh().await?;
        let (known, event) = (self.known(), permit.event());
        let Some(before) = known.pictures.get(&event) else { return Ok(()) };
        let mut changes = vec![EventPicture::delete(event)];
        changes.extend(unused(&known, Some(before), None));
        changes.push(self.line(permit.actor(), Some(event), "picture"));
        self.write(changes).await
    }

    /// A picture by its id.
    pub async fn picture(&self, id: u128) -> Result<Option<Arc<Picture>>, Fault> {
        let kept = |kept: &Kept| kept.pictures.get(&id).map(Arc::clone);
        if let Some(known) = kept(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(known));
        }
        let read = self.reads.ask(move |reader| get::<Picture>(reader.tables(), &[id.value()]));
        let Some(read) = read.await?.map(Arc::new) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + read.bytes.len() > MOST_KEPT {
            *kept = Kept::default();
        }
        if kept.pictures.insert(id, Arc::clone(&read)).is_none() {
            kept.bytes += read.bytes.len();
        }
        Ok(Some(read))
    }

    /// The terms as they were in this version.
    pub async fn terms(&self, version: u32) -> Result<Option<TermsRow>, Fault> {
        self.reads.ask(move |reader| get(reader.tables(), &[version.value()])).await
    }

    /// Records that the buyer of an order has accepted the terms of this version.
    pub async fn accept_terms(&self, order: OrderId, version: u32) -> Result<(), CommandError> {
        let row = TermsAccepted { order_id: order, version, at_ms: self.clock.now_ms() };
        self.queue.write(vec![RecordChange::put(&row)]).await
    }

    /// Which terms the buyer of an order has accepted. It is not asked while there never were any.
    pub async fn accepted(&self, order: OrderId) -> Result<Option<TermsAccepted>, Fault> {
        if self.known().row.terms_version == 0 {
            return Ok(None);
        }
        self.reads.ask(move |reader| get(reader.tables(), &[order.value()])).await
    }

    async fn made(
        &self,
        file: Option<Vec<u8>>,
        for_what: Use,
        field: &'static str,
    ) -> Result<Option<Made>, NotChanged> {
        let Some(file) = file else { return Ok(None) };
        let made = self.reading.print(move || picture::make(&file, for_what)).await;
        let made = made.map_err(|_| NotChanged::Failed(CommandError::Busy))?;
        let wrong = |why: &str| NotChanged::Wrong(vec![(field, why.to_owned())]);
        made.map(Some).map_err(wrong)
    }

    /// A line of the audit log.
    fn line(&self, actor: Actor, event: Option<EventId>, detail: &str) -> RecordChange {
        let (at_ms, action) = (self.clock.now_ms(), Action::ShopChanged);
        let id = (at_ms.max(0) as u128) << 80 | self.ids.random() & ((1 << 80) - 1);
        let (order_id, detail) = (None, detail.to_owned());
        RecordChange::put(&AuditLine { id, at_ms, actor, action, event, order_id, detail })
    }

    async fn write(&self, changes: Vec<RecordChange>) -> Result<(), NotChanged> {
        self.queue.write(changes).await?;
        self.refresh().await.map_err(|_| NotChanged::Failed(CommandError::InDoubt))
    }
}

/// The picture that an event had, if nothing else shows it.
fn unused(known: &Known, before: Option<&EventPicture>, now: Option<u128>) -> Option<RecordChange> {
    let before = before?;
    let others = known.pictures.values().filter(|other| other.event != before.event);
    let shown = others.map(|other| other.picture).chain(now).chain(known.row.logo);
    let gone = !shown.into_iter().any(|id| id == before.picture);
    gone.then(|| RecordChange::delete::<Picture>(vec![before.picture.value()]))
}

fn row_of(made: Made, at_ms: i64) -> Picture {
    let Made { media_type, width, height, bytes } = made;
    let id = digest(&[b"picture", &bytes]);
    Picture { id, media_type: media_type.into(), width, height, bytes, at_ms }
}

fn check(
    wrong: &mut Vec<(&'static str, String)>,
    field: &'static str,
    text: &str,
    most: usize,
    lines: bool,
) {
    let odd = |c: char| c.is_control() && !(lines && c == '\n');
    if text.chars().count() > most {
        wrong.push((field, format!("This is longer than {most} characters.")));
    } else if text.contains(odd) {
        wrong.push((field, "There are characters in it that cannot be shown.".into()));
    }
}

/// What the owner says, if nothing is wrong with it.
fn checked(texts: &Texts) -> Result<ShopRow, Vec<(&'static str, String)>> {
    let lines = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    let accent = texts.accent.trim();
    let colour = Colour::parse(accent);
    let row = ShopRow {
        name: texts.name.trim().into(),
        accent: colour.map(Colour::hex).unwrap_or_default(),
        logo_alt: texts.logo_alt.trim().into(),
        imprint: lines(&texts.imprint),
        terms: lines(&texts.terms),
        privacy: lines(&texts.privacy),
        ..ShopRow::none()
    };
    let mut wrong = Vec::new();
    check(&mut wrong, "name", &row.name, NAME, false);
    check(&mut wrong, "logo_alt", &row.logo_alt, ALT, false);
    for (field, text) in
        [("imprint", &row.imprint), ("terms", &row.terms), ("privacy", &row.privacy)]
    {
        check(&mut wrong, field, text, TEXT, true);
    }
    if colour.is_none() && !accent.is_empty() {
        wrong.push(("accent", "Write a colour such as #5a2a83, or leave it empty.".into()));
    }
    if wrong.is_empty() { Ok(row) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_shop_is_checked_field_by_field() {
        let right = Texts { name: " Hall ".into(), accent: "#5A2A83".into(), ..Texts::default() };
        let row = checked(&right).unwrap();
        assert_eq!((row.name.as_str(), row.accent.as_str()), ("Hall", "5a2a83"));
        let wrong = Texts {
            name: "x".repeat(101),
            accent: "red".into(),
            logo_alt: "a\u{7}".into(),
            imprint: "a\r\nb".into(),
            terms: "x".repeat(50_001),
            privacy: "a\u{0}".into(),
        };
        let fields: Vec<_> =
            checked(&wrong).unwrap_err().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["name", "logo_alt", "terms", "privacy", "accent"]);
    }

    #[test]
    fn a_picture_that_something_else_shows_stays() {
        let picture = |event, picture| EventPicture {
            event: EventId(event),
            picture,
            alt: String::new(),
            width: 1,
            height: 1,
        };
        let (one, two, three) = (picture(1, 7), picture(2, 7), picture(3, 8));
        let row = ShopRow { logo: Some(9), ..ShopRow::none() };
        let all = [one.clone(), two, three.clone()].map(|p| (p.event, p));
        let known = Known { row, pictures: all.into() };
        assert_eq!(unused(&known, Some(&one), None), None);
        assert_eq!(unused(&known, Some(&three), Some(8)), None);
        assert!(unused(&known, Some(&three), Some(7)).is_some());
        assert_eq!(unused(&known, Some(&picture(4, 9)), None), None);
        assert_eq!(unused(&known, None, None), None);
    }
}
