//! Text in the fonts of the PDF: which characters they have, how wide a text is, and where its lines end.
//!
//! The fonts are DejaVu Sans: Latin with all diacritics of Europe, Vietnam and Africa, Greek, Cyrillic,
//! Armenian, Georgian, Hebrew and Arabic. Letters are shaped by `rustybuzz`, and texts that run from right to
//! left are ordered by the Unicode bidirectional algorithm (UAX 9).

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};
use std::sync::LazyLock;
use unicode_bidi::BidiInfo;
use unicode_normalization::UnicodeNormalization;

/// A font, for measuring and for drawing.
pub(super) struct Face {
    shaper: rustybuzz::Face<'static>,
    pub font: Font,
}

pub(super) static REGULAR: LazyLock<Face> = LazyLock::new(|| Face::of(dejavu::sans::regular()));
pub(super) static BOLD: LazyLock<Face> = LazyLock::new(|| Face::of(dejavu::sans::bold()));

/// What stands for characters that a font does not have, and for the rest of a text that is too long. Of `(…)`
/// the note speaks.
const REST: char = '…';

/// A part of a line in one direction, its glyphs from left to right.
#[derive(Clone)]
pub(super) struct Run {
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    /// In ems.
    width: f32,
}

/// A line, its runs from left to right.
#[derive(Clone)]
pub(super) struct Line(pub Vec<Run>);

impl Line {
    /// In points, at this size.
    pub fn width(&self, size: f32) -> f32 {
        self.0.iter().map(|run| run.width * size).sum()
    }
}

impl Run {
    pub fn width(&self, size: f32) -> f32 {
        self.width * size
    }
}

/// A text that was laid out.
#[derive(Clone)]
pub(super) struct Block {
    pub lines: Vec<Line>,
    /// Of the letters, in points.
    pub size: f32,
    pub bold: bool,
    /// The text as it was given, if the glyphs alone do not say it: some are lacking, or it runs from right
    /// to left.
    pub said: Option<String>,
    /// Whether something of it is not drawn.
    pub lacks: bool,
}

impl Block {
    pub fn face(&self) -> &'static Face {
        if self.bold { &BOLD } else { &REGULAR }
    }

    /// From one line to the next, in points.
    pub fn step(&self) -> f32 {
        self.size * 1.25
    }

    pub fn height(&self) -> f32 {
        self.step() * self.lines.len() as f32
    }
}

/// The largest of these sizes at which a text fits into so many lines of this width, in points. At the last
/// one it is cut.
pub(super) fn fit(text: &str, bold: bool, sizes: &[(f32, usize)], width: f32) -> Block {
    let face: &Face = if bold { &BOLD } else { &REGULAR };
    let (shown, mut lacks) = face.writable(text);
    let mut block = None;
    for (at, (size, most)) in sizes.iter().enumerate() {
        let mut lines = face.wrap(&shown, width / size);
        if lines.len() > *most {
            if at + 1 < sizes.len() {
                continue;
            }
            lines.truncate(*most);
            lacks = true;
            if let Some(last) = lines.last_mut() {
                while face.shape(&format!("{last}{REST}")).width(*size) > width {
                    last.pop();
                }
                last.push(REST);
            }
        }
        let right_to_left = lines.iter().any(|line| turns(line));
        let said = (lacks || right_to_left).then(|| text.to_owned());
        let lines = lines.iter().map(|line| face.shape(line)).collect();
        block = Some(Block { lines, size: *size, bold, said, lacks });
        break;
    }
    block.expect("the last size takes all")
}

fn turns(text: &str) -> bool {
    !text.is_ascii() && BidiInfo::new(text, None).has_rtl()
}

impl Face {
    fn of(bytes: &'static [u8]) -> Face {
        let shaper = rustybuzz::Face::from_slice(bytes, 0).expect("a font that we ship");
        let font = Font::new(bytes.into(), 0).expect("a font that we ship");
        Face { shaper, font }
    }

    fn has(&self, c: char) -> bool {
        self.shaper.glyph_index(c).is_some_and(|glyph| glyph.0 != 0)
    }

    /// A text as far as the font has it, and whether it lacks some. Composed, because fonts have more composed
    /// letters than marks.
    fn writable(&self, text: &str) -> (String, bool) {
        let mut out = String::with_capacity(text.len());
        let mut lacks = false;
        for c in text.nfc() {
            match c {
                _ if c.is_whitespace() => out.push(' '),
                // What only says how the character before it looks.
                '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {}
                _ if !c.is_control() && !is_nothing(c) && self.has(c) => out.push(c),
                _ => {
                    lacks = true;
                    if !out.ends_with(REST) {
                        out.push(REST);
                    }
                }
            }
        }
        (out, lacks)
    }

    /// A line as it is drawn.
    pub fn shape(&self, text: &str) -> Line {
        if text.is_empty() {
            return Line(Vec::new());
        }
        if text.is_ascii() {
            return Line(vec![self.run(text, false)]);
        }
        let bidi = BidiInfo::new(text, None);
        let mut runs = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, ranges) = bidi.visual_runs(paragraph, paragraph.range.clone());
            let run = |range: std::ops::Range<usize>| {
                let rtl = levels[range.start].is_rtl();
                self.run(&text[range], rtl)
            };
            runs.extend(ranges.into_iter().map(run));
        }
        Line(runs)
    }

    fn run(&self, text: &str, right_to_left: bool) -> Run {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let direction = if right_to_left { Direction::RightToLeft } else { Direction::LeftToRight };
        buffer.set_direction(direction);
        let shaped = rustybuzz::shape(&self.shaper, &[], buffer);
        let (infos, positions) = (shaped.glyph_infos(), shaped.glyph_positions());
        // Where the characters of each glyph begin; those of one glyph end where those of the next begin.
        let mut begins: Vec<usize> = infos.iter().map(|info| info.cluster as usize).collect();
        begins.push(text.len());
        begins.sort_unstable();
        begins.dedup();
        let em = self.font.units_per_em();
        let glyphs = infos.iter().zip(positions).map(|(info, at)| {
            let begin = info.cluster as usize;
            let end = begins.partition_point(|other| *other <= begin);
            let range = begin..begins.get(end).copied().unwrap_or(text.len());
            let [x, dx, dy, y] = [at.x_advance, at.x_offset, at.y_offset, at.y_advance];
            let ems = |units: i32| units as f32 / em;
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                ems(x),
                ems(dx),
                ems(dy),
                ems(y),
                range,
                None,
            )
        });
        let width = positions.iter().map(|at| at.x_advance as f32 / em).sum();
        Run { text: text.to_owned(), glyphs: glyphs.collect(), width }
    }

    /// The lines of a text at this width, in ems. A word that is longer than a line is broken.
    fn wrap(&self, text: &str, width: f32) -> Vec<String> {
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        let space = self.shape(" ").width(1.0);
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            let mut wide = self.shape(word).width(1.0);
            if used > 0.0 && used + space + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            while wide > width {
                let fits = self.prefix(word, width);
                lines.push(word[..fits].to_owned());
                word = &word[fits..];
                wide = self.shape(word).width(1.0);
            }
            if used > 0.0 {
                line.push(' ');
                used += space;
            }
            line.push_str(word);
            used += wide;
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// So many bytes of a word fit into this width, in ems: one character at least.
    fn prefix(&self, word: &str, width: f32) -> usize {
        let ends: Vec<usize> = word.char_indices().skip(1).map(|(at, _)| at).collect();
        let fits = ends.partition_point(|end| self.shape(&word[..*end]).width(1.0) <= width);
        ends.get(fits.saturating_sub(1)).copied().unwrap_or(word.len())
    }
}

/// Code points that say nothing: PDF/UA refuses them.
fn is_nothing(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{fdd0}'..='\u{fdef}')
        || (c as u32 & 0xfffe) == 0xfffe
}
