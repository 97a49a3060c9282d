//! Pictures as a camera makes them of a QR code, each from a seed: paper or a screen, seen from somewhere, out of
//! focus, in some light, with the noise of a sensor. And pictures that have no code which could be read.
//!
//! A picture is made from a texture of the code, which is blurred first and then seen in perspective: one look-up
//! for each pixel, so that hundreds of pictures are made in seconds without optimisation.

use nts_server::qr;
use nts_server::ticket_code::{LETTERS, address};
use qrcode::{Color, QrCode};
use std::f32::consts::{PI, TAU};

/// How many texels of the texture a module is wide.
const TEXELS: usize = 4;
/// The modules around the code in the texture: its quiet zone, and what lies around a ticket.
const MARGIN: usize = 8;
/// Places that issue tickets, so that codes of versions 7 to 9 come out; with a path not all is alphanumeric.
const BASES: [&str; 5] = [
    "https://box.example",
    "https://tickets.theatre.example",
    "https://tickets.a-rather-long-name-of-a-festival.example.org:8443",
    "https://tickets.the-association-of-the-friends-of-music-in-a-small-town-by-the-sea.example.org",
    "https://box.example/Tickets",
];

/// Random numbers of a seed (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A whole number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A number between these.
    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * (self.bits() >> 40) as f32 / 16_777_216.0
    }
}

/// A clean picture of a code, with modules of this many pixels.
pub fn clean(code: &QrCode, text: String, module: usize) -> Picture {
    let (size, colors) = (code.width(), code.to_colors());
    let width = (size + 8) * module;
    let mut grey = vec![255; width * width];
    for (y, line) in grey.chunks_mut(width).enumerate().skip(4 * module).take(size * module) {
        for (x, pixel) in line.iter_mut().enumerate().skip(4 * module).take(size * module) {
            let at = (y / module - 4) * size + x / module - 4;
            if colors[at] == Color::Dark {
                *pixel = 0;
            }
        }
    }
    Picture { kind: "clean", text: Some(text), width, grey }
}

/// A grey picture.
pub struct Picture {
    /// What makes it hard to read.
    pub kind: &'static str,
    /// The text of the code in it, if it has one.
    pub text: Option<String>,
    /// Its width in pixels.
    pub width: usize,
    /// Its brightness, line by line.
    pub grey: Vec<u8>,
}

/// How a code is seen.
#[derive(Clone, Copy)]
pub struct Look {
    /// The size of a module in pixels.
    pub module: f32,
    /// By how much it is turned, in radians.
    pub turn: f32,
    /// By how much its plane is tilted, in degrees.
    pub tilt: f32,
    /// The blur: its standard deviation in modules.
    pub blur: f32,
    /// How far the camera moves meanwhile, in modules.
    pub motion: f32,
    /// The noise: its standard deviation.
    pub noise: f32,
    /// The brightness of dark and of light.
    pub tones: (f32, f32),
    /// How much darker it is at one side, from 0 to 1.
    pub slope: f32,
    /// How much darker it is in a shadow that falls on it, from 0 to 1.
    pub shadow: f32,
    /// The radius of a reflection, as a part of the width of the code; 0 is none.
    pub glare: f32,
    /// Which part of the code is covered.
    pub damage: f32,
    /// The modules of the quiet zone.
    pub quiet: usize,
    /// Whether it is seen in a mirror.
    pub mirrored: bool,
    /// The side of the picture in pixels; as large as the code needs if 0.
    pub side: usize,
}

impl Look {
    /// A look at a good code from anywhere around it.
    pub fn plain(dice: &mut Dice) -> Look {
        Look {
            module: dice.between(3.5, 7.0),
            turn: dice.between(0.0, TAU),
            tilt: 0.0,
            blur: 0.25,
            motion: 0.0,
            noise: 4.0,
            tones: (40.0, 200.0),
            slope: 0.0,
            shadow: 0.0,
            glare: 0.0,
            damage: 0.0,
            quiet: 4,
            mirrored: false,
            side: 0,
        }
    }
}

/// An address as a ticket's code has it. What it signs plays no part.
fn text(dice: &mut Dice) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let code: String = (0..LETTERS).map(|_| char::from(letters[dice.below(32)])).collect();
    // The letters alone fit into version 6.
    if dice.below(6) == 0 { code } else { address(BASES[dice.below(BASES.len())], &code) }
}

/// The modules of a code, dark or not, line by line.
struct Modules {
    size: usize,
    dark: Vec<bool>,
}

impl Modules {
    fn of(text: &str) -> Modules {
        let code = qr::Code::of(text).unwrap();
        let size = code.width();
        let dark = (0..size * size).map(|at| code.is_dark(at % size, at / size)).collect();
        Modules { size, dark }
    }

    fn mirror(&mut self) {
        let size = self.size;
        self.dark = (0..size * size).map(|at| self.dark[at % size * size + at / size]).collect();
    }

    /// Whether a module is in a finder pattern or at one.
    fn in_finder(&self, x: usize, y: usize) -> bool {
        let far = self.size - 8;
        (x < 8 || x >= far) && y < 8 || x < 8 && y >= far
    }

    /// Covers this part of the code with a dark or a light rectangle, beside its finder patterns if that is possible.
    fn cover(&mut self, dice: &mut Dice, part: f32) {
        let area = part * (self.size * self.size) as f32;
        let shape = dice.between(0.6, 1.6);
        let width = ((area * shape).sqrt() as usize).clamp(1, self.size - 1);
        let height = ((area / shape).sqrt() as usize).clamp(1, self.size - 1);
        let dark = dice.below(2) == 0;
        let place =
            |dice: &mut Dice| (dice.below(self.size - width), dice.below(self.size - height));
        let beside = |(x, y): (usize, usize)| {
            let corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)];
            corners.iter().all(|(x, y)| !self.in_finder(*x, *y))
        };
        let tries: Vec<(usize, usize)> = (0..100).map(|_| place(dice)).collect();
        let (x, y) = *tries.iter().find(|place| beside(**place)).unwrap_or(&tries[0]);
        for line in self.dark.chunks_mut(self.size).skip(y).take(height) {
            line[x..x + width].fill(dark);
        }
    }

    /// Puts chance where the data were: all that is known of a code is there, and no text.
    fn scramble(&mut self, dice: &mut Dice) {
        for y in 9..self.size - 8 {
            for x in 9..self.size - 8 {
                if x != 6 && y != 6 {
                    self.dark[y * self.size + x] = dice.below(2) == 0;
                }
            }
        }
    }

    /// The code with what is around it, from 0 (dark) to 1 (light).
    fn texture(&self, look: &Look, inverted: bool, dice: &mut Dice) -> Texture {
        let modules = self.size + 2 * MARGIN;
        let side = modules * TEXELS;
        let (first, last) = (MARGIN - look.quiet, MARGIN + self.size + look.quiet);
        let mut line = vec![0.0; side];
        let mut texels = Vec::with_capacity(side * side);
        for y in 0..modules {
            for x in 0..modules {
                let paper = (first..last).contains(&x) && (first..last).contains(&y);
                let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < self.size);
                let light = match (inside(x), inside(y)) {
                    (Some(x), Some(y)) => !self.dark[y * self.size + x],
                    _ => true,
                };
                let value = match (paper, light != inverted) {
                    (true, true) => 1.0,
                    (true, false) => 0.0,
                    // What lies around a ticket.
                    (false, _) => dice.between(0.3, 0.7),
                };
                line[x * TEXELS..(x + 1) * TEXELS].fill(value);
            }
            for _ in 0..TEXELS {
                texels.extend_from_slice(&line);
            }
        }
        Texture { side, texels }
    }
}

struct Texture {
    side: usize,
    texels: Vec<f32>,
}

impl Texture {
    /// Each texel becomes the mean of those nearer than this in its line.
    fn smear(&mut self, reach: f32) {
        if reach < 0.05 {
            return;
        }
        let whole = (reach + 0.5) as usize;
        let rest = reach + 0.5 - whole as f32;
        let side = self.side;
        let mut sums = vec![0.0; side + 2 * whole + 1];
        for line in self.texels.chunks_mut(side) {
            // Before and behind the line its ends go on.
            for at in 1..sums.len() {
                let texel = (at - 1).saturating_sub(whole).min(side - 1);
                sums[at] = sums[at - 1] + line[texel];
            }
            for at in 0..side {
                let right = at + 2 * whole;
                let low = sums[at] * rest + sums[at + 1] * (1.0 - rest);
                let high = sums[right] * (1.0 - rest) + sums[right + 1] * rest;
                line[at] = (high - low) / (2.0 * reach);
            }
        }
    }

    fn transpose(&mut self) {
        let side = self.side;
        self.texels =
            (0..side * side).map(|at| self.texels[at % side * side + at / side]).collect();
    }

    /// Blurs it by about this standard deviation in texels: two means are nearly a normal distribution.
    fn blur(&mut self, deviation: f32) {
        let reach = deviation * 1.5f32.sqrt();
        for _ in 0..2 {
            self.smear(reach);
            self.smear(reach);
            self.transpose();
        }
    }
}

/// Noise of a normal distribution, to be looked up.
pub struct Noise(Vec<f32>);

impl Noise {
    /// The same each time.
    pub fn new() -> Noise {
        let mut dice = Dice(5);
        let one = |_| {
            let (far, turn) = (dice.between(1e-6, 1.0), dice.between(0.0, TAU));
            (-2.0 * far.ln()).sqrt() * turn.cos()
        };
        Noise((0..4096).map(one).collect())
    }
}

/// What a camera sees of a texture.
fn see(
    texture: &Texture,
    size: usize,
    look: &Look,
    dice: &mut Dice,
    noise: &Noise,
) -> (usize, Vec<u8>) {
    let wide = (size + 8) as f32 * look.module;
    let side = if look.side > 0 { look.side } else { (wide * 1.4) as usize };
    let near = side as f32 * 0.03;
    let (middle_x, middle_y) = (
        side as f32 / 2.0 + dice.between(-near, near),
        side as f32 / 2.0 + dice.between(-near, near),
    );
    // The plane of the code is tilted around an axis, and looked at from twice its width.
    let (axis, tilt, far) = (dice.between(0.0, TAU), look.tilt.to_radians(), 2.2 * wide);
    let texel = TEXELS as f32 / look.module;
    let to_texture = |x: f32, y: f32| {
        let (x, y) = (x - middle_x, y - middle_y);
        let along = (x * axis.cos() + y * axis.sin()) * tilt.cos();
        let up = y * axis.cos() - x * axis.sin();
        let (u, v) = (along * axis.cos() - up * axis.sin(), along * axis.sin() + up * axis.cos());
        let depth = tilt.cos() - up * tilt.sin() / far;
        let half = texture.side as f32 / 2.0 * depth;
        let (cos, sin) = (look.turn.cos() * texel, look.turn.sin() * texel);
        (u * cos + v * sin + half, v * cos - u * sin + half, depth)
    };
    // A step to the right or down changes each of them by the same.
    let start = to_texture(0.5, 0.5);
    let (right, down) = (to_texture(1.5, 0.5), to_texture(0.5, 1.5));
    let (right_u, right_v, right_depth) = (right.0 - start.0, right.1 - start.1, right.2 - start.2);
    let (down_u, down_v, down_depth) = (down.0 - start.0, down.1 - start.1, down.2 - start.2);

    let light = dice.between(0.0, TAU);
    let (light_x, light_y) = (light.cos() / wide, light.sin() / wide);
    let edge = dice.between(-0.3, 0.3);
    let (reflected, how_far) = (dice.between(0.0, TAU), dice.between(0.0, 0.35) * wide);
    let (glare_x, glare_y) =
        (middle_x + how_far * reflected.cos(), middle_y + how_far * reflected.sin());
    let glare = (look.glare * wide).powi(2);
    let (dark, light) = look.tones;
    let most = texture.side as f32 - 2.0;
    let mut grey = Vec::with_capacity(side * side);
    let mut chance = dice.bits() | 1;
    for y in 0..side {
        let line = y as f32;
        let mut u = start.0 + line * down_u;
        let mut v = start.1 + line * down_v;
        let mut depth = start.2 + line * down_depth;
        let mut lit = (line - middle_y) * light_y - middle_x * light_x;
        for x in 0..side {
            // Behind the camera there is nothing; beyond the texture its border goes on.
            let texel =
                |at: f32| if depth < 0.05 { 0.0 } else { (at / depth - 0.5).clamp(0.0, most) };
            let (texel_x, texel_y) = (texel(u), texel(v));
            let (column, row) = (texel_x as usize, texel_y as usize);
            let (part_x, part_y) = (texel_x - column as f32, texel_y - row as f32);
            let at = row * texture.side + column;
            let here = &texture.texels[at..at + 2];
            let below = &texture.texels[at + texture.side..at + texture.side + 2];
            let top = here[0] + (here[1] - here[0]) * part_x;
            let bottom = below[0] + (below[1] - below[0]) * part_x;
            let mut value = dark + (light - dark) * (top + (bottom - top) * part_y);
            if look.slope > 0.0 {
                value *= 1.0 - look.slope * (lit * 0.8 + 0.5).clamp(0.0, 1.0);
            }
            if look.shadow > 0.0 {
                value *= 1.0 - look.shadow * ((lit - edge) * 60.0 + 0.5).clamp(0.0, 1.0);
            }
            if glare > 0.0 {
                let (x, y) = (x as f32 - glare_x, (line - glare_y) * 1.4);
                let distance = (x * x + y * y) / glare;
                if distance < 2.5 {
                    value += 260.0 * (-distance * distance).exp();
                }
            }
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            grey.push((value + look.noise * noise.0[(chance >> 40 & 4095) as usize]) as u8);
            u += right_u;
            v += right_v;
            depth += right_depth;
            lit += light_x;
        }
    }
    (side, grey)
}

/// What is wrong with a code that is seen.
#[derive(Clone, Copy, PartialEq)]
enum Code {
    Right,
    Inverted,
    Scrambled,
}

fn seen(kind: &'static str, code: Code, look: Look, dice: &mut Dice, noise: &Noise) -> Picture {
    let text = text(dice);
    seen_text(text, kind, code, look, dice, noise)
}

/// A picture of this side of a text's code, as somebody in a queue holds it before a camera: nearly upright, not quite
/// sharp, and as large as most of the picture.
#[allow(dead_code, reason = "only the test of the queue holds codes up")]
pub fn held_up(text: &str, side: usize, dice: &mut Dice, noise: &Noise) -> Picture {
    let modules = Modules::of(text).size + 8;
    let look = Look {
        module: side as f32 * dice.between(0.6, 0.8) / modules as f32,
        turn: dice.between(-0.25, 0.25),
        tilt: dice.between(0.0, 20.0),
        blur: dice.between(0.25, 0.4),
        noise: dice.between(4.0, 9.0),
        tones: (dice.between(25.0, 50.0), dice.between(150.0, 210.0)),
        slope: dice.between(0.0, 0.3),
        side,
        ..Look::plain(dice)
    };
    seen_text(text.to_owned(), "held up", Code::Right, look, dice, noise)
}

fn seen_text(
    text: String,
    kind: &'static str,
    code: Code,
    look: Look,
    dice: &mut Dice,
    noise: &Noise,
) -> Picture {
    let mut modules = Modules::of(&text);
    if look.damage > 0.0 {
        modules.cover(dice, look.damage);
    }
    if code == Code::Scrambled {
        modules.scramble(dice);
    }
    if look.mirrored {
        modules.mirror();
    }
    let mut texture = modules.texture(&look, code == Code::Inverted, dice);
    // A pixel sees a little of what is around it, too.
    let blur = look.blur.max(0.35 / look.module);
    texture.blur(blur * TEXELS as f32);
    texture.smear(look.motion / 2.0 * TEXELS as f32);
    let (width, grey) = see(&texture, modules.size, &look, dice, noise);
    let readable = code != Code::Scrambled && look.damage < 0.4;
    Picture { kind, text: readable.then_some(text), width, grey }
}

/// What a scanner at a door sees, and must read.
pub const MODERATE: [&str; 14] = [
    "turned",
    "perspective",
    "blur",
    "noise",
    "dark",
    "low contrast",
    "inverted",
    "uneven light",
    "reflection",
    "damaged",
    "small",
    "large",
    "mirrored",
    "some of all",
];

/// The picture of this number of a moderate kind; of this side, if it is not 0.
pub fn moderate(kind: &'static str, number: u64, side: usize, noise: &Noise) -> Picture {
    let dice = &mut Dice(number);
    let mut look = Look::plain(dice);
    look.side = side;
    let mut code = Code::Right;
    match kind {
        "turned" => {}
        "perspective" => look.tilt = dice.between(15.0, 40.0),
        "blur" => look.blur = dice.between(0.4, 0.55),
        "noise" => look.noise = dice.between(14.0, 25.0),
        "dark" => {
            look.tones = (dice.between(4.0, 10.0), dice.between(35.0, 60.0));
            look.noise = dice.between(2.0, 4.0);
        }
        "low contrast" => {
            look.tones = (110.0, dice.between(140.0, 160.0));
            look.noise = dice.between(2.0, 4.0);
        }
        "inverted" => code = Code::Inverted,
        "uneven light" => {
            look.slope = dice.between(0.4, 0.75);
            look.shadow = dice.between(0.1, 0.5);
        }
        "reflection" => {
            look.glare = dice.between(0.08, 0.13);
            look.tones.1 = 170.0;
        }
        "damaged" => look.damage = dice.between(0.02, 0.05),
        "small" => look.module = dice.between(2.5, 3.0),
        "large" => {
            look.module = dice.between(8.5, 9.3);
            look.turn = dice.between(-0.1, 0.1);
            look.side = 640;
        }
        "mirrored" => look.mirrored = true,
        "some of all" => {
            look.module = dice.between(3.5, 6.0);
            look.tilt = dice.between(10.0, 30.0);
            look.blur = dice.between(0.25, 0.4);
            look.noise = dice.between(5.0, 10.0);
            look.tones = (30.0, 130.0);
            look.slope = dice.between(0.2, 0.5);
        }
        _ => panic!("{kind}"),
    }
    seen(kind, code, look, dice, noise)
}

/// What is hard to read, or too hard.
pub const HARD: [&str; 12] = [
    "steep",
    "out of focus",
    "moving",
    "much noise",
    "very dark",
    "hardly any contrast",
    "hard shadow",
    "large reflection",
    "much damage",
    "very small",
    "no margin",
    "much of all",
];

/// The picture of this number of a hard kind.
pub fn hard(kind: &'static str, number: u64, noise: &Noise) -> Picture {
    let dice = &mut Dice(number);
    let mut look = Look::plain(dice);
    match kind {
        "steep" => look.tilt = dice.between(40.0, 58.0),
        "out of focus" => {
            look.blur = dice.between(0.52, 0.62);
            look.noise = 2.0;
        }
        "moving" => look.motion = dice.between(1.0, 2.2),
        "much noise" => look.noise = dice.between(35.0, 60.0),
        "very dark" => {
            look.tones = (dice.between(3.0, 6.0), dice.between(16.0, 26.0));
            look.noise = dice.between(3.0, 5.0);
        }
        "hardly any contrast" => {
            look.tones = (110.0, dice.between(122.0, 130.0));
            look.noise = dice.between(3.0, 5.0);
        }
        "hard shadow" => {
            look.slope = dice.between(0.6, 0.9);
            look.shadow = dice.between(0.5, 0.8);
        }
        "large reflection" => {
            look.glare = dice.between(0.16, 0.26);
            look.tones.1 = 170.0;
        }
        "much damage" => look.damage = dice.between(0.07, 0.16),
        "very small" => look.module = dice.between(1.7, 2.4),
        "no margin" => look.quiet = 1,
        "much of all" => {
            look.module = dice.between(3.0, 5.0);
            look.tilt = dice.between(20.0, 40.0);
            look.blur = dice.between(0.3, 0.5);
            look.motion = dice.between(0.0, 0.8);
            look.noise = dice.between(5.0, 12.0);
            look.tones = (25.0, 110.0);
            look.slope = dice.between(0.3, 0.6);
        }
        _ => panic!("{kind}"),
    }
    seen(kind, Code::Right, look, dice, noise)
}

/// What has no code that could be read.
pub const NOTHING: [&str; 6] =
    ["white noise", "squares", "lines of text", "destroyed", "no data", "only light"];

/// The picture of this number that has no code; of this side, if it is not 0 and a code was there.
pub fn nothing(kind: &'static str, number: u64, side: usize, noise: &Noise) -> Picture {
    let dice = &mut Dice(number);
    let mut look = Look::plain(dice);
    look.side = side;
    look.module = dice.between(3.5, 6.0);
    let width = 200 + dice.below(250);
    let mut grey = Vec::with_capacity(width * width);
    match kind {
        "destroyed" => {
            look.damage = dice.between(0.45, 0.6);
            return seen(kind, Code::Right, look, dice, noise);
        }
        "no data" => return seen(kind, Code::Scrambled, look, dice, noise),
        "white noise" => {
            while grey.len() < width * width {
                grey.extend_from_slice(&dice.bits().to_le_bytes());
            }
        }
        "squares" | "lines of text" => {
            // Runs of random length, anew in each line of squares; of text, with space between lines.
            let high = 2 + dice.below(6);
            let mut line = vec![0; width];
            for y in 0..width {
                if y % high == 0 {
                    let (mut left, mut dark) = (0, false);
                    let space = kind == "lines of text" && y / high % 4 == 3;
                    for pixel in &mut line {
                        if left == 0 {
                            let runs = if kind == "squares" { 1 } else { 1 + dice.below(3) };
                            left = high * runs;
                            dark = dice.below(2) == 0;
                        }
                        left -= 1;
                        *pixel = if dark && !space { 40 } else { 210 };
                    }
                }
                grey.extend_from_slice(&line);
            }
        }
        "only light" => {
            let (x, y) = (dice.between(0.0, PI / 200.0), dice.between(0.0, PI / 200.0));
            for at in 0..width * width {
                let waves = ((at % width) as f32 * x + (at / width) as f32 * y).sin();
                let chance = noise.0[(dice.bits() & 4095) as usize];
                grey.push((120.0 + 100.0 * waves + 4.0 * chance) as u8);
            }
        }
        _ => panic!("{kind}"),
    }
    grey.truncate(width * width);
    Picture { kind, text: None, width, grey }
}
