//! The tickets of an order as a PDF file, one to a page.
//!
//! A page is A5: it prints as it is on A4 and on letter, two fit on one sheet, and on a phone its letters are as
//! large as those of a page. The file is tagged (PDF/UA-1, ISO 14289-1), so that it can be read out. Nothing of
//! it depends on a clock or on chance: the same order gives the same bytes.
//!
//! It must not know: HTTP, the database, time.

mod printer;
#[cfg(test)]
mod tests;
mod text;

pub use printer::{Busy, Printer};

use crate::codes::TicketCode;
use crate::language::Lang;
use crate::qr::Code;
use boxoffice::{Event, EventSpec, Order, OrderId, Ticket, TicketState};
use krilla::color::rgb;
use krilla::configure::{Accessibility, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{Path, PathBuilder, Point, Rect, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, BBox, ContentTag, Identifier, SpanTag, Tag, TagGroup, TagTree,
};
use krilla::{Document, SerializeSettings};
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use text::{Block, fit};

/// A5 in points (ISO 216), and what stays white around the text.
const WIDTH: f32 = 419.53;
const HEIGHT: f32 = 595.28;
const MARGIN: f32 = 30.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;

/// The QR code is so wide with its quiet zone, in points: 90 mm, and less where the texts need the room.
const QR: f32 = 255.0;
/// White modules on each side of a QR code (ISO/IEC 18004, section 5.3.8).
const QUIET: usize = 4;

/// Greys, as parts of 255 of light.
const INK: u8 = 0x1a;
const SOFT: u8 = 0x4a;
const LINE: u8 = 0xb8;

/// Why there is no file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PdfError {
    /// No ticket of the order is valid.
    NoTickets,
    /// It could not be made: a bug.
    Failed(String),
}

/// What people name an order by: the last eight digits of its id, which are random.
pub fn order_number(order: OrderId) -> String {
    format!("{:08X}", order.0 & 0xffff_ffff)
}

/// The valid tickets of an order. `codes` gives the codes of each; `test`: no real money was paid.
pub fn tickets(
    lang: Lang,
    event: &Event,
    order: &Order,
    codes: &dyn Fn(&Ticket) -> TicketCode,
    test: bool,
) -> Result<Vec<u8>, PdfError> {
    let valid: Vec<&Ticket> =
        order.tickets.iter().filter(|ticket| ticket.state == TicketState::Valid).collect();
    if valid.is_empty() {
        return Err(PdfError::NoTickets);
    }
    let failed = |what: &dyn std::fmt::Debug| PdfError::Failed(format!("{what:?}"));
    let settings = SerializeSettings {
        configuration: accessible(),
        enable_tagging: true,
        ..SerializeSettings::default()
    };
    let mut document = Document::new_with(settings);
    let spec = &event.spec;
    let title = lang.pdf_title(&spec.name).into_owned();
    document.set_metadata(
        Metadata::new()
            .title(title)
            .language(lang.tag().to_owned())
            .creator("nts".to_owned())
            .document_id(format!("{:032x}", order.id.0)),
    );
    let shared = Shared::of(lang, spec, order, test);
    let (mut names, mut types) = (BTreeMap::new(), BTreeMap::new());
    let (mut tree, mut outline) = (TagTree::new(), Outline::new());
    for (at, ticket) in valid.into_iter().enumerate() {
        let line = &order.lines[usize::from(ticket.line)];
        let guest = ticket.guest.as_deref().unwrap_or(&order.buyer.name);
        let name = names.entry(guest).or_insert_with(|| {
            fit(guest, true, &[(16.0, 1), (13.0, 2), (10.0, 3), (8.5, 4)], INNER)
        });
        let ticket_type = &event.ticket_types[usize::from(line.ticket_type)].name;
        let kind = types
            .entry(ticket_type)
            .or_insert_with(|| fit(ticket_type, false, &[(12.0, 1), (10.0, 2), (8.5, 4)], INNER));
        let (code, number) = (codes(ticket), order.number_of(ticket).unwrap_or(0));
        let qr = Code::of(&code.url).map_err(|error| failed(&error))?;
        let label = lang.pdf_ticket(number);
        outline.push_child(OutlineNode::new(
            format!("{label}: {guest}"),
            XyzDestination::new(at, Point::from_xy(0.0, 0.0)),
        ));
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).expect("a size");
        let mut page = document.start_page_with(settings);
        let ticket = Face { name, kind, code: &code, qr: &qr, number };
        tree.push(shared.draw(&mut page.surface(), at, &ticket));
        page.finish();
    }
    document.set_tag_tree(tree);
    document.set_outline(outline);
    document.finish().map_err(|error| failed(&error))
}

fn accessible() -> Configuration {
    let builder = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1);
    builder.finish().expect("PDF/UA-1 alone asks for nothing that contradicts itself")
}

/// What all pages of a file have in common.
struct Shared {
    lang: Lang,
    name: String,
    test: Option<Block>,
    event: Block,
    starts: Block,
    place: Option<Block>,
    show: Block,
    not_all: Block,
    order: String,
}

/// What a page has of its own.
struct Face<'a> {
    name: &'a Block,
    kind: &'a Block,
    code: &'a TicketCode,
    qr: &'a Code,
    number: u16,
}

impl Shared {
    fn of(lang: Lang, spec: &EventSpec, order: &Order, test: bool) -> Shared {
        let plain = [(12.0, 2), (10.5, 2), (9.0, 3)];
        let small = [(8.5, 3), (7.5, 4)];
        let starts = lang.event_time(spec.starts_ms, spec.ends_ms, &spec.zone);
        let starts = format!("{starts} {}", lang.place_of_zone(spec.starts_ms, &spec.zone));
        let place = (!spec.place.is_empty())
            .then(|| fit(&spec.place, false, &[(12.0, 2), (10.5, 2), (9.0, 3), (8.0, 4)], INNER));
        let test =
            test.then(|| fit(&lang.test_ticket(), true, &[(11.0, 1), (9.0, 2)], INNER - 16.0));
        Shared {
            lang,
            name: spec.name.clone(),
            test,
            event: fit(
                &spec.name,
                true,
                &[(24.0, 1), (20.0, 2), (16.0, 3), (13.0, 4), (10.0, 5), (8.5, 6)],
                INNER,
            ),
            starts: fit(&starts, false, &plain, INNER),
            place,
            show: fit(&lang.ticket_show_code(), false, &[(10.0, 1), (8.5, 2)], INNER),
            not_all: fit(&lang.pdf_not_all(), false, &small, INNER),
            order: lang.pdf_order(&order_number(order.id)).into_owned(),
        }
    }

    /// Draws a page. Gives its part of the structure.
    fn draw(&self, surface: &mut Surface, at: usize, ticket: &Face) -> TagGroup {
        let last = format!("{} · {}", self.order, self.lang.pdf_ticket(ticket.number));
        let last = fit(&last, false, &[(9.0, 1), (8.0, 2)], INNER);
        let code = fit(&ticket.code.short, true, &[(18.0, 1)], INNER);
        let texts = [Some(&self.event), Some(&self.starts), self.place.as_ref()];
        let mut texts = texts.into_iter().flatten().chain([ticket.name, ticket.kind]);
        let not_all = texts.any(|block| block.lacks).then_some(&self.not_all);
        let mut part = TagGroup::new(Tag::Section);
        let mut pen = Pen { surface, y: MARGIN };

        if let Some(test) = &self.test {
            let height = test.height() + 12.0;
            pen.frame(MARGIN, pen.y, INNER, height);
            pen.y += 6.0;
            part.push(pen.block(test, Tag::P, INK, Some(MARGIN + 8.0)));
            pen.y += 6.0 + 12.0;
        }
        let heading = Tag::Hn(NonZeroU16::MIN, Some(self.name.clone()));
        part.push(pen.block(&self.event, heading, INK, Some(MARGIN)));
        pen.y += 6.0;
        part.push(pen.block(&self.starts, Tag::P, INK, Some(MARGIN)));
        if let Some(place) = &self.place {
            pen.y += 3.0;
            part.push(pen.block(place, Tag::P, SOFT, Some(MARGIN)));
        }
        pen.y += 12.0;
        pen.rule();
        pen.y += 12.0;
        part.push(pen.block(ticket.name, Tag::P, INK, Some(MARGIN)));
        pen.y += 2.0;
        part.push(pen.block(ticket.kind, Tag::P, INK, Some(MARGIN)));
        pen.y += 6.0;

        // What stands below the QR code, from the bottom up: so it has what is left.
        let note = not_all.map_or(0.0, |note| note.height() + 6.0);
        let below = code.height() + 4.0 + self.show.height() + 12.0 + note + last.height();
        let room = HEIGHT - MARGIN - below - pen.y;
        let side = QR.min(room);
        let top = pen.y + (room - side).min(24.0) / 2.0;
        let (left, alt) = ((WIDTH - side) / 2.0, self.lang.qr_code_of(&ticket.code.short));
        let drawn = pen.qr(ticket.qr, left, top, side);
        let rect = Rect::from_xywh(left, top, side, side).expect("a square");
        let figure = Tag::Figure(Some(alt.into_owned())).with_bbox(Some(BBox::new(at, rect)));
        let mut figure = TagGroup::new(figure);
        figure.push(drawn);
        part.push(figure);
        pen.y = top + side;
        part.push(pen.block(&code, Tag::P, INK, None));
        pen.y += 4.0;
        part.push(pen.block(&self.show, Tag::P, SOFT, None));
        pen.y = HEIGHT - MARGIN - last.height() - note;
        if let Some(note) = not_all {
            part.push(pen.block(note, Tag::P, INK, Some(MARGIN)));
            pen.y += 6.0;
        }
        part.push(pen.block(&last, Tag::P, SOFT, Some(MARGIN)));
        part
    }
}

/// Draws from the top down.
struct Pen<'a, 'b> {
    surface: &'a mut Surface<'b>,
    y: f32,
}

impl Pen<'_, '_> {
    fn grey(&mut self, grey: u8) {
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill {
            paint: rgb::Color::new(grey, grey, grey).into(),
            opacity: NormalizedF32::ONE,
            rule: FillRule::NonZero,
        }));
    }

    /// A text from this place on, or in the middle of the page. Afterwards the pen is below it.
    fn block(
        &mut self,
        block: &Block,
        tag: impl Into<krilla::tagging::TagKind>,
        grey: u8,
        left: Option<f32>,
    ) -> TagGroup {
        self.grey(grey);
        let mut group = TagGroup::new(tag);
        let span = SpanTag::empty().with_actual_text(block.said.as_deref());
        group.push(self.surface.start_tagged(ContentTag::Span(span)));
        for line in &block.lines {
            let wide = line.width(block.size);
            let mut x = left.unwrap_or((WIDTH - wide) / 2.0);
            // Of a line, the letters without what hangs below them.
            let baseline = self.y + block.size * 0.95;
            for run in &line.0 {
                let font = block.face().font.clone();
                let start = Point::from_xy(x, baseline);
                self.surface.draw_glyphs(start, &run.glyphs, font, &run.text, block.size, false);
                x += run.width(block.size);
            }
            self.y += block.step();
        }
        self.surface.end_tagged();
        group
    }

    /// The dark modules of a QR code as one path.
    fn qr(&mut self, qr: &Code, left: f32, top: f32, side: f32) -> Identifier {
        let modules = qr.width();
        let module = side / (modules + 2 * QUIET) as f32;
        let mut path = PathBuilder::new();
        for y in 0..modules {
            for (x, many) in qr.dark(y) {
                // A hair higher than the row, so that no viewer shows a gap between two. Not as lines:
                // viewers move those to whole pixels.
                let rect = Rect::from_xywh(x as f32, y as f32, many as f32, 1.02);
                path.push_rect(rect.expect("modules have a size"));
            }
        }
        self.grey(0);
        let drawn = self.surface.start_tagged(ContentTag::Other);
        // In modules: whole numbers are short.
        let quiet = QUIET as f32 * module;
        let place = Transform::from_row(module, 0.0, 0.0, module, left + quiet, top + quiet);
        self.surface.push_transform(&place);
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
        self.surface.pop();
        self.surface.end_tagged();
        drawn
    }

    fn ornament(&mut self, path: Option<Path>) {
        let artifact = Artifact::with_kind(ArtifactType::Layout);
        self.grey(LINE);
        _ = self.surface.start_tagged(ContentTag::Artifact(artifact));
        if let Some(path) = path {
            self.surface.draw_path(&path);
        }
        self.surface.end_tagged();
    }

    fn rule(&mut self) {
        let mut path = PathBuilder::new();
        path.push_rect(Rect::from_xywh(MARGIN, self.y, INNER, 0.8).expect("a line"));
        self.ornament(path.finish());
    }

    fn frame(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let mut path = PathBuilder::new();
        let thick = 1.2;
        for (x, y, width, height) in [
            (x, y, width, thick),
            (x, y + height - thick, width, thick),
            (x, y, thick, height),
            (x + width - thick, y, thick, height),
        ] {
            path.push_rect(Rect::from_xywh(x, y, width, height).expect("an edge"));
        }
        self.ornament(path.finish());
    }
}
