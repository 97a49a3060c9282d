//! The shop: what its owner says of it, and pictures.

use super::{Field, RecordChange, Tables, get, page, record};
use crate::store::Fault;
use boxoffice::{EventId, OrderId};

record! {
    /// What the owner says of the shop. There is one row, with the id 0, or none.
    pub struct ShopRow: "shop", key 1 {
        /// 0.
        pub id: u32,
        /// Its name; empty: none of its own.
        pub name: String,
        /// Its colour as `5a2a83`; empty: that of the pages.
        pub accent: String,
        /// Its logo, a picture.
        pub logo: Option<u128>,
        /// What is told of the logo to those who do not see it.
        pub logo_alt: String,
        /// Who runs it, as Markdown.
        pub imprint: String,
        /// The terms that buyers accept, as Markdown; empty: none.
        pub terms: String,
        /// Which version these terms are, from 1; 0: there never were any.
        pub terms_version: u32,
        /// What happens with personal data, as Markdown.
        pub privacy: String,
        /// When it was changed last, in milliseconds since 1970. Each change has another time.
        pub changed_ms: i64,
    }
}

record! {
    /// Terms as they were at a time: an order names the version that its buyer has accepted.
    pub struct TermsRow: "terms", key 1 {
        /// From 1.
        pub version: u32,
        /// Since when, in milliseconds since 1970.
        pub since_ms: i64,
        /// The text, as Markdown.
        pub text: String,
    }
}

record! {
    /// The buyer of an order has accepted these terms.
    pub struct TermsAccepted: "terms_accepted", key 1 {
        /// The order.
        pub order_id: OrderId,
        /// The version of the terms.
        pub version: u32,
        /// When, in milliseconds since 1970.
        pub at_ms: i64,
    }
}

record! {
    /// A picture, as it is sent to browsers. It never changes: another picture has another id.
    pub struct Picture: "pictures", key 1 {
        /// A digest of its bytes.
        pub id: u128,
        /// Its media type.
        pub media_type: String,
        /// How wide it is.
        pub width: u32,
        /// How high it is.
        pub height: u32,
        /// Its file.
        pub bytes: Vec<u8>,
        /// When it came, in milliseconds since 1970.
        pub at_ms: i64,
    }
}

record! {
    /// The picture of an event.
    pub struct EventPicture: "event_pictures", key 1 {
        /// Which event.
        pub event: EventId,
        /// Which picture.
        pub picture: u128,
        /// What is told of it to those who do not see it.
        pub alt: String,
        /// How wide it is.
        pub width: u32,
        /// How high it is.
        pub height: u32,
    }
}

impl ShopRow {
    /// A shop of which nothing was said yet.
    pub fn none() -> ShopRow {
        ShopRow {
            id: 0,
            name: String::new(),
            accent: String::new(),
            logo: None,
            logo_alt: String::new(),
            imprint: String::new(),
            terms: String::new(),
            terms_version: 0,
            privacy: String::new(),
            changed_ms: 0,
        }
    }

    /// What its owner says of it.
    pub fn read(from: &mut dyn Tables) -> Result<ShopRow, Fault> {
        Ok(get::<ShopRow>(from, &[0u32.value()])?.unwrap_or_else(ShopRow::none))
    }
}

impl EventPicture {
    /// The pictures of all events.
    pub fn all(from: &mut dyn Tables) -> Result<Vec<EventPicture>, Fault> {
        let mut all: Vec<EventPicture> = Vec::new();
        loop {
            let after = all.last().map(|last| last.event.value());
            let next = page(from, after.as_ref().map(std::slice::from_ref), super::PAGE)?;
            let more = next.len() == super::PAGE;
            all.extend(next);
            if !more {
                return Ok(all);
            }
        }
    }

    /// The event has none any more.
    pub fn delete(event: EventId) -> RecordChange {
        RecordChange::delete::<EventPicture>(vec![event.value()])
    }
}
