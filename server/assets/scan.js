// Reads the QR code (ISO/IEC 18004:2015, whose sections are cited) in a picture of a camera. Runs as a Web Worker.
//
// Grey -> relief: how far each pixel is above or below the brightness around it -> finder patterns -> three that may
// be one code -> version and perspective, by the timing patterns -> alignment patterns -> brightness of each module
// -> codewords, corrected -> text. A bad picture throws nothing, and each step tries a fixed number of times at most.
//
// Light is positive and dark negative; for a code that is light on dark `sign` is -1. Positions in the picture are in
// pixels: the middle of the first is 0.5. Not read: Kanji, ECI, FNC1, structured append, Micro QR.
//
// A message { id, width, height, data } with RGBA bytes is answered by { id, text, corners, ms }; `corners` are those
// of the code, as { x, y }, and like `text` null if none was read.
"use strict";

// ---- The standard: sizes, patterns, tables ----

/** Correcting codewords of a block (in base 36), and how many blocks there are, by level, from version 1 (table 9). */
const BLOCKS = {
  L: ["7afkqikouikoqumosussssuuqsuuuuuuuuuuuuuu",
    "1 1 1 1 1 2 2 2 2 4 4 4 4 4 6 6 6 6 7 8 8 9 9 10 12 12 12 13 14 15 16 17 18 19 19 20 21 22 24 25"],
  M: ["agqiogimmqummoossqqqqsssssssssssssssssss",
    "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49"],
  Q: ["dmiqioimkosqokuossqusuuuusuuuuuuuuuuuuuu",
    "1 1 2 2 4 4 6 6 8 8 8 10 12 16 12 17 16 18 21 20 23 23 25 27 29 34 34 35 38 40 43 45 48 51 53 56 59 62 65 68"],
  H: ["hsmgmsqqososmooussqsuouuuuuuuuuuuuuuuuuu",
    "1 1 2 4 4 4 5 6 8 8 11 11 16 16 18 16 19 21 25 25 25 34 30 32 35 37 40 42 45 48 51 54 57 60 63 66 70 74 77 81"],
};
/** The levels as the format information numbers them (7.9.1). */
const LEVELS = "MLHQ";
/** Which modules each mask turns, by column and row (7.8.2). */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => ((x / 3 | 0) + (y >> 1)) % 2 === 0,
  (x, y) => (x * y) % 2 + (x * y) % 3 === 0,
  (x, y) => ((x * y) % 2 + (x * y) % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + (x * y) % 3) % 2 === 0,
];
/**
 * By mode: the bits of a count in versions from 1, 10 and 27, how many values there are, and the bits of one, two or
 * three values together (7.4.1, 7.4.3 to 7.4.5).
 */
const MODES = {
  1: { counts: [10, 12, 14], base: 10, bits: [4, 7, 10] },
  2: { counts: [9, 11, 13], base: 45, bits: [6, 11] },
  4: { counts: [8, 16, 16], base: 256, bits: [8] },
};
/** The digits of numeric mode and the letters of alphanumeric mode (7.4.4). */
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

const sizeOf = (version) => 17 + 4 * version;

/** A number with the rest of its division by a generator behind it: a BCH code (annexes C and D). */
function withRest(number, generator, bits) {
  let rest = number << bits;
  for (let at = 31 - Math.clz32(rest); at >= bits; at--) if (rest >> at & 1) rest ^= generator << (at - bits);
  return number << bits | rest;
}

/** The format information of each level and mask (7.9.1). */
const FORMATS = Array.from({ length: 32 }, (_, format) => withRest(format, 0b10100110111, 10) ^ 0b101010000010010);

/** The column and row of each bit of both copies of the format information, the lowest first (7.9.1, figure 25). */
function formatPlaces(size) {
  const bits = Array.from({ length: 15 }, (_, bit) => bit);
  return [
    bits.map((bit) => (bit < 8 ? [8, bit + (bit > 5)] : [14 - bit + (bit === 8), 8])),
    bits.map((bit) => (bit < 8 ? [size - 1 - bit, 8] : [8, size - 15 + bit])),
  ];
}

/** The column and row of the middle of each alignment pattern (6.3.6; annex E, as a rule instead of a table). */
function alignments(version) {
  const count = Math.floor(version / 7) + 2;
  const last = sizeOf(version) - 7;
  const step = version === 32 ? 26 : 2 * Math.ceil((last - 6) / (2 * count - 2));
  const lines = Array.from({ length: count }, (_, at) => (at ? last - (count - 1 - at) * step : 6));
  // Where a finder pattern is, there is none.
  const free = (x, y) => version > 1 && (x > 6 || y > 6) && (x > 6 || y < last) && (x < last || y > 6);
  return lines.flatMap((y) => lines.filter((x) => free(x, y)).map((x) => [x, y]));
}

/** The modules of a square pattern of rings, each with its column, its row and whether it is dark. */
function rings(middleX, middleY, radius, dark) {
  const side = 2 * radius + 1;
  return Array.from({ length: side * side }, (_, at) => {
    const [x, y] = [at % side - radius, Math.floor(at / side) - radius];
    return { x: middleX + x, y: middleY + y, dark: dark(Math.max(Math.abs(x), Math.abs(y))) };
  });
}
/** A finder pattern, with its separator if the radius is 4 (6.3.3, 6.3.4). */
const finder = (x, y, radius) => rings(x, y, radius, (ring) => ring < 2 || ring === 3);
/** An alignment pattern (6.3.6). */
const alignment = (x, y) => rings(x, y, 2, (ring) => ring !== 1);
/** The timing pattern that goes right, or the one that goes down (6.3.5). */
const timing = (size, goesRight) => Array.from({ length: size - 16 }, (_, at) => {
  return { x: goesRight ? at + 8 : 6, y: goesRight ? 6 : at + 8, dark: at % 2 === 0 };
});
/** The columns and rows of the middles of the finder patterns. */
const finderPlaces = (size) => [[3, 3], [size - 4, 3], [3, size - 4]];

/** What a module is: data, known to be dark or light, or another that is no data. */
const [DATA, DARK, LIGHT, FORMAT] = [0, 1, 2, 3];
const layouts = [];

/** What each module of a version is, line by line (6.3). */
function layout(version) {
  if (layouts[version]) return layouts[version];
  const size = sizeOf(version);
  const grid = new Uint8Array(size * size);
  for (const [x, y] of formatPlaces(size).flat()) grid[y * size + x] = FORMAT;
  const known = [
    ...timing(size, true), ...timing(size, false), { x: 8, y: size - 8, dark: true },
    ...finderPlaces(size).flatMap(([x, y]) => finder(x, y, 4)),
    ...alignments(version).flatMap(([x, y]) => alignment(x, y)),
  ];
  // The version information, of version 7 and above (7.10).
  const bits = withRest(version, 0b1111100100101, 12);
  for (let bit = 0; version >= 7 && bit < 18; bit++) {
    const [far, near, dark] = [size - 11 + bit % 3, Math.floor(bit / 3), (bits >> bit & 1) === 1];
    known.push({ x: far, y: near, dark }, { x: near, y: far, dark });
  }
  for (const { x, y, dark } of known) {
    if (x >= 0 && y >= 0 && x < size && y < size) grid[y * size + x] = dark ? DARK : LIGHT;
  }
  layouts[version] = grid;
  return grid;
}

// ---- GF(256) and Reed-Solomon (7.5.2, annex B). The lowest power of a polynomial is first. ----

const POWERS = new Uint8Array(510);
const LOGS = new Uint8Array(256);
for (let at = 0, value = 1; at < 255; at++) {
  POWERS[at] = POWERS[at + 255] = value;
  LOGS[value] = at;
  value = value << 1 ^ (value & 0x80 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? POWERS[LOGS[a] + LOGS[b]] : 0);
const over = (a, b) => (a ? POWERS[LOGS[a] + 255 - LOGS[b]] : 0);

/** The product of two polynomials, up to this many terms. */
function product(a, b, terms) {
  const out = new Uint8Array(Math.min(terms, a.length + b.length - 1));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length && i + j < out.length; j++) out[i + j] ^= times(a[i], b[j]);
  }
  return out;
}
const valueAt = (polynomial, x) => polynomial.reduceRight((value, term) => times(value, x) ^ term, 0);

/**
 * Corrects a block in place, whose last codeword is first here. `doubtful`: where it may be anything (erasures); each
 * costs half of what an unknown error costs, and two correcting codewords are then left as a check. Returns whether
 * the block is right now.
 */
function correct(block, correcting, doubtful) {
  const syndromes = () => Uint8Array.from({ length: correcting }, (_, power) => valueAt(block, POWERS[power]));
  const found = syndromes();
  if (found.every((value) => value === 0)) return true;
  let erased = Uint8Array.of(1);
  for (const at of doubtful) erased = product(erased, [1, POWERS[at]], correcting + 1);
  // Berlekamp and Massey, on the syndromes without what the doubtful codewords add.
  const rest = product(found, erased, correcting).subarray(doubtful.length);
  let [locator, before] = [Uint8Array.of(1), Uint8Array.of(1)];
  let [errors, shift, scale] = [0, 1, 1];
  for (let step = 0; step < rest.length; step++) {
    let difference = 0;
    for (let at = 0; at < locator.length && at <= step; at++) difference ^= times(locator[at], rest[step - at]);
    if (difference) {
      const next = new Uint8Array(Math.max(locator.length, before.length + shift));
      next.set(locator);
      before.forEach((term, at) => { next[at + shift] ^= times(over(difference, scale), term); });
      if (2 * errors <= step) [errors, before, scale, shift] = [step + 1 - errors, locator, difference, 0];
      locator = next;
    }
    shift++;
  }
  if (2 * errors + doubtful.length > correcting - (doubtful.length ? 2 : 0)) return false;
  // The roots say where the errors are; their values are Forney's.
  const errata = product(locator, erased, correcting + 1);
  const values = product(found, errata, correcting);
  const slope = errata.map((_, at) => (at % 2 ? 0 : errata[at + 1] ?? 0));
  for (let at = 0; at < block.length; at++) {
    const root = POWERS[255 - at];
    if (valueAt(errata, root) !== 0) continue;
    const divisor = valueAt(slope, root);
    if (divisor === 0) return false;
    block[at] ^= times(POWERS[at], over(valueAt(values, root), divisor));
  }
  return syndromes().every((value) => value === 0);
}

// ---- From modules to text ----

/** The format nearest to one of its copies, with three wrong bits at most (annex C); null if there is none. */
function readFormat(modules, size) {
  let [best, fewest] = [null, 4];
  for (const places of formatPlaces(size)) {
    for (let format = 0; format < 32; format++) {
      const wrong = places.filter(([x, y], bit) => modules[y * size + x] < 0 !== Boolean(FORMATS[format] >> bit & 1));
      if (wrong.length < fewest) [best, fewest] = [format, wrong.length];
    }
  }
  return best;
}

/** The codewords in the order of their modules (7.7.3), unmasked, each with how sure its least sure bit is. */
function readCodewords(modules, version, mask) {
  const size = sizeOf(version);
  const codewords = [];
  let [byte, bits, sure] = [0, 0, Infinity];
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    // The vertical timing pattern has a column of its own.
    if (right === 6) right--;
    for (let step = 0; step < 2 * size; step++) {
      const x = right - step % 2;
      const y = up ? size - 1 - (step >> 1) : step >> 1;
      if (layout(version)[y * size + x] !== DATA) continue;
      const value = modules[y * size + x];
      byte = byte << 1 | (value < 0) ^ MASKS[mask](x, y);
      sure = Math.min(sure, Math.abs(value));
      if (++bits < 8) continue;
      codewords.push({ byte, sure });
      [byte, bits, sure] = [0, 0, Infinity];
    }
  }
  return codewords;
}

/** The data of all blocks, corrected (7.6), or null. `erased`: which part of the correction doubtful codewords get. */
function readData(codewords, version, level, erased) {
  const correcting = parseInt(BLOCKS[level][0][version - 1], 36);
  const blocks = Number(BLOCKS[level][1].split(" ")[version - 1]);
  // The last blocks have one codeword of data more.
  const short = Math.floor(codewords.length / blocks) - correcting;
  const shorts = blocks - codewords.length % blocks;
  const data = [];
  for (let at = 0; at < blocks; at++) {
    const parts = Array.from({ length: short }, (_, i) => codewords[i * blocks + at]);
    if (at >= shorts) parts.push(codewords[short * blocks + at - shorts]);
    for (let i = correcting; i > 0; i--) parts.push(codewords[codewords.length - i * blocks + at]);
    parts.reverse();
    const doubtful = [...parts.keys()].sort((a, b) => parts[a].sure - parts[b].sure);
    const block = Uint8Array.from(parts, ({ byte }) => byte);
    if (!correct(block, correcting, doubtful.slice(0, correcting * erased))) return null;
    data.push(...block.reverse().subarray(0, -correcting));
  }
  return data;
}

/** The text of the data (7.4), or null if it is none that is read here. */
function readText(data, version) {
  const end = 8 * data.length;
  let at = 0;
  const take = (count) => {
    let value = 0;
    for (; count > 0; count--, at++) value = value << 1 | (data[at >> 3] >> (7 - at % 8) & 1);
    return value;
  };
  let text = "";
  for (let mode; end - at >= 4 && (mode = take(4)) !== 0;) {
    const { counts, base, bits } = MODES[mode] ?? {};
    if (!counts) return null;
    const values = [];
    for (let left = take(counts[(version > 9) + (version > 26)]); left > 0;) {
      const together = Math.min(left, bits.length);
      const value = at < end ? take(bits[together - 1]) : Infinity;
      if (value >= base ** together) return null;
      for (let i = together - 1; i >= 0; i--) values.push(Math.floor(value / base ** i) % base);
      left -= together;
    }
    if (at > end) return null;
    text += mode === 4 ? textOf(values) : values.map((value) => LETTERS[value]).join("");
  }
  // Zeros fill the codeword, and two codewords in turn what follows (7.4.10); some programs put one of zeros first.
  // Where they are not, a text was not meant.
  if (take(-at & 7) !== 0) return null;
  if (data[at >> 3] === 0) at += 8;
  for (let pad = 0xec; at < end; pad ^= 0xec ^ 0x11) if (take(8) !== pad) return null;
  return text || null;
}

/** The text of bytes: UTF-8, as all write it now, or else Latin-1, as the standard has it (7.3.5). */
function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
  } catch {
    return String.fromCharCode(...bytes);
  }
}

/** The text of modules, or null. `erased`: which parts of the correction doubtful codewords get, in turn. */
function readModules(modules, version, erased) {
  const size = sizeOf(version);
  // A code that is seen in a mirror has rows and columns exchanged.
  for (const mirrored of [false, true]) {
    const seen = mirrored ? modules.map((_, at) => modules[(at % size) * size + (at / size | 0)]) : modules;
    const format = readFormat(seen, size);
    if (format === null) continue;
    const codewords = readCodewords(seen, version, format & 7);
    for (const part of erased) {
      const data = readData(codewords, version, LEVELS[format >> 3], part);
      const text = data && readText(data, version);
      if (text) return text;
    }
  }
  return null;
}

// ---- From the picture to relief ----

/** The side of a block whose brightness is measured, in pixels. */
const BLOCK = 8;

const between = (a, b, part) => a + (b - a) * part;

/** The mean of the cells within `reach` of each cell of a grid. */
function means(cells, columns, rows, reach) {
  const wide = columns + 1;
  const sums = new Float64Array(wide * (rows + 1));
  for (let y = 0; y < rows; y++) {
    for (let x = 0, line = 0; x < columns; x++) {
      line += cells[y * columns + x];
      sums[(y + 1) * wide + x + 1] = sums[y * wide + x + 1] + line;
    }
  }
  return cells.map((_, at) => {
    const [x, y] = [at % columns, at / columns | 0];
    const [left, right] = [Math.max(0, x - reach), Math.min(columns, x + reach + 1)];
    const [top, bottom] = [Math.max(0, y - reach), Math.min(rows, y + reach + 1)];
    const [above, below] = [top * wide, bottom * wide];
    const sum = sums[below + right] - sums[below + left] - sums[above + right] + sums[above + left];
    return sum / ((right - left) * (bottom - top));
  });
}

/** A picture of half the width and height. */
function half({ grey, width, height }) {
  const [w, h] = [width >> 1, height >> 1];
  const out = new Uint8Array(w * h);
  for (let y = 0, at = 0; y < h; y++) {
    for (let x = 0, from = 2 * y * width; x < w; x++, at++, from += 2) {
      out[at] = (grey[from] + grey[from + 1] + grey[from + width] + grey[from + width + 1] + 2) >> 2;
    }
  }
  return { grey: out, width: w, height: h };
}

/**
 * How far each pixel is above or below the mean of the blocks within `reach`; from block to block the mean changes
 * steadily. Near a finder pattern, which is mostly dark, the mean is low: its light ring is seen even if blur makes
 * it grey. A rest of less than a block at the right and at the bottom is left out.
 */
function reliefOf({ grey, width: line, height: lines }, reach) {
  const [columns, rows] = [line, lines].map((pixels) => Math.floor(pixels / BLOCK));
  const [width, height] = [columns * BLOCK, rows * BLOCK];
  const sums = new Float64Array(columns * rows);
  for (let y = 0; y < height; y++) {
    for (let x = 0, cell = (y / BLOCK | 0) * columns; x < width; cell++) {
      for (const end = x + BLOCK; x < end; x++) sums[cell] += grey[y * line + x];
    }
  }
  const near = means(sums, columns, rows, reach).map((sum) => sum / (BLOCK * BLOCK));
  // Where each pixel is, in blocks from the middle of the first to that of the last.
  const within = (blocks) => (_, at) => Math.min(Math.max((at + 0.5) / BLOCK - 0.5, 0), blocks - 1.001);
  const right = new Float32Array(width).map(within(columns));
  const down = new Float32Array(height).map(within(rows));
  const relief = new Float32Array(width * height);
  const mean = new Float32Array(columns);
  for (let y = 0, at = 0; y < height; y++) {
    const cell = (down[y] | 0) * columns;
    for (let x = 0; x < columns; x++) mean[x] = between(near[cell + x], near[cell + x + columns], down[y] % 1);
    for (let x = 0; x < width; x++, at++) {
      const left = right[x] | 0;
      relief[at] = grey[y * line + x] - between(mean[left], mean[left + 1], right[x] - left);
    }
  }
  return { relief, width, height };
}

/** The relief at a position, between the four pixels around it. */
function heightAt({ relief, width, height }, x, y) {
  const right = Math.min(Math.max(x - 0.5, 0), width - 1.001);
  const down = Math.min(Math.max(y - 0.5, 0), height - 1.001);
  const at = (down | 0) * width + (right | 0);
  const part = right - (right | 0);
  const above = between(relief[at], relief[at + 1], part);
  return between(above, between(relief[at + width], relief[at + width + 1], part), down - (down | 0));
}

// ---- Finder patterns (6.3.3) ----

/** Whether five runs are as 1:1:3:1:1, from their six borders. Blur makes runs longer and shorter. */
function isFinder(a, b, c, d, e, f) {
  const module = (f - a) / 7;
  const most = 0.6 * module;
  return module >= 0.9 && Math.abs(b - a - module) < most && Math.abs(c - b - module) < most
    && Math.abs(d - c - 3 * module) < 2 * most && Math.abs(e - d - module) < most && Math.abs(f - e - module) < most;
}

/** How far it is in a direction from the middle of a finder pattern to its three borders; null without them. */
function bordersFrom(map, sign, x, y, dx, dy, limit) {
  const out = [];
  let before = sign * heightAt(map, x, y);
  for (let step = 1; step < limit && before !== 0; step++) {
    x += dx;
    y += dy;
    if (x < 0 || y < 0 || x > map.width || y > map.height) return null;
    const value = sign * heightAt(map, x, y);
    if (value > 0 !== before > 0) out.push(step - 1 + before / (before - value));
    if (out.length === 3) return out;
    before = value;
  }
  return null;
}

/** How long a line through a finder pattern is, and how far ahead its middle is; null if there is no such pattern. */
function across(map, sign, x, y, dx, dy, limit) {
  if (sign * heightAt(map, x, y) > 0) return null;
  const [a, b, c] = bordersFrom(map, sign, x, y, dx, dy, limit) ?? [];
  const [d, e, f] = (a && bordersFrom(map, sign, x, y, -dx, -dy, limit)) ?? [];
  if (!d || !isFinder(-f, -e, -d, a, b, c)) return null;
  return { length: c + f, ahead: (a + b + c - d - e - f) / 6 };
}

/** A line from left to right crosses what may be a finder pattern: is it one from top to bottom, too? */
function addFinder(map, sign, found, x, y, width) {
  const same = (at) => Math.abs(at.x - x) < width / 6 && Math.abs(at.y - y) < width / 5
    && Math.abs(at.width - width) < width / 3;
  let known = found.find(same);
  // A picture of noise has very many.
  if (!known && ++found.tried < 3000) {
    const down = across(map, sign, x, y, 0, 1, 2.5 * width);
    const right = down && across(map, sign, x, y + down.ahead, 1, 0, 2.5 * width);
    if (!right || down.length > 2.5 * width) return;
    [x, y] = [x + right.ahead, y + down.ahead];
    known = found.find(same);
    if (!known) found.push({ x, y, width: right.length, size: Math.sqrt(right.length * down.length), lines: 1 });
  }
  if (known) known.lines++;
}

/** What may be finder patterns: the dark ones, and the light ones of codes that are light on dark. */
function findFinders(map) {
  const { relief, width, height } = map;
  const [dark, light] = [0, 1].map(() => Object.assign([], { tried: 0 }));
  for (let y = 0; y < height; y++) {
    let a, b, c, d, e;
    let before = relief[y * width];
    for (let x = 1; x < width; x++) {
      const value = relief[y * width + x];
      if (value > 0 !== before > 0) {
        const f = x - 0.5 + before / (before - value);
        if (isFinder(a, b, c, d, e, f)) {
          const sign = before > 0 ? -1 : 1;
          addFinder(map, sign, sign > 0 ? dark : light, (a + b + c + d + e + f) / 6, y + 0.5, f - a);
        }
        a = b; b = c; c = d; d = e; e = f;
      }
      before = value;
    }
  }
  return [{ sign: 1, found: dark }, { sign: -1, found: light }];
}

/** Three finder patterns that may be of one code, the likeliest first: at its corner, right of it and below it. */
function triples(found) {
  const best = found.sort((one, other) => other.lines - one.lines).slice(0, 14);
  const out = [];
  for (const a of best) {
    for (const b of best) {
      for (const c of best) {
        const [bx, by, cx, cy] = [b.x - a.x, b.y - a.y, c.x - a.x, c.y - a.y];
        // Each three once, so that it turns to the right; none is nothing.
        if (!(bx * cy - by * cx > 0)) continue;
        const [right, down] = [Math.hypot(bx, by), Math.hypot(cx, cy)];
        const spread = Math.max(a.size, b.size, c.size) / Math.min(a.size, b.size, c.size);
        const ratio = Math.max(right, down) / Math.min(right, down);
        const badness = Math.abs(bx * cx + by * cy) / (right * down) + ratio + spread - 2;
        // The smallest code has its finder patterns two of their widths apart, the largest 25.
        if (badness > 2.4 || Math.min(right, down) < 1.3 * a.size || Math.max(right, down) > 36 * a.size) continue;
        out.push({ a, b, c, badness: badness - 0.1 * Math.min(a.lines, b.lines, c.lines, 8) });
      }
    }
  }
  return out.sort((one, other) => one.badness - other.badness);
}

// ---- Perspective ----

/** Where a column and a row are in the picture; the middle of a module is at whole numbers. */
function place(view, column, row) {
  const u = column - 3;
  const v = row - 3;
  const depth = view[6] * u + view[7] * v + 1;
  return [(view[0] * u + view[1] * v + view[2]) / depth, (view[3] * u + view[4] * v + view[5]) / depth];
}

/** The perspective of a triple `apart` modules wide, whose second and third are this much farther than the first. */
function perspective({ a, b, c }, apart, right, down) {
  return [b.x * right - a.x, c.x * down - a.x, a.x * apart, b.y * right - a.y, c.y * down - a.y, a.y * apart, right - 1,
    down - 1].map((value) => value / apart);
}

/** Adds an equation, its right side last, to those of a fit with the least squares. */
function addEquation(lines, equation) {
  lines.forEach((line, i) => {
    for (let j = 0; equation[i] && j < line.length; j++) line[j] += equation[i] * equation[j];
  });
}
const noEquations = (count) => Array.from({ length: count }, () => new Float64Array(count + 1));

/** Solves equations in place (Gauss and Jordan); null if they do not say enough. */
function solve(lines) {
  for (let at = 0; at < lines.length; at++) {
    const first = lines.slice(at).reduce((best, line) => (Math.abs(line[at]) > Math.abs(best[at]) ? line : best));
    lines[lines.indexOf(first)] = lines[at];
    lines[at] = first;
    if (!(Math.abs(first[at]) > 1e-9)) return null;
    for (const line of lines) {
      const part = line === first ? 0 : line[at] / first[at];
      if (part) first.forEach((value, i) => { line[i] -= part * value; });
    }
  }
  return lines.map((line, at) => line[lines.length] / line[at]);
}

/** The perspective that fits best to points, each with its column, its row and its place; null if none does. */
function fit(points, apart) {
  // Numbers of one size make the fit exact.
  const [[ox, oy], second] = points.map(({ at }) => at);
  const scale = Math.hypot(second[0] - ox, second[1] - oy);
  const lines = noEquations(8);
  for (const { column, row, at } of points) {
    const [u, v, x, y] = [(column - 3) / apart, (row - 3) / apart, (at[0] - ox) / scale, (at[1] - oy) / scale];
    addEquation(lines, [u, v, 1, 0, 0, 0, -u * x, -v * x, x]);
    addEquation(lines, [0, 0, 0, u, v, 1, -u * y, -v * y, y]);
  }
  const found = solve(lines);
  if (!found) return null;
  const [a, b, c, d, e, f, g, h] = found;
  return [
    (scale * a + ox * g) / apart, (scale * b + ox * h) / apart, scale * c + ox,
    (scale * d + oy * g) / apart, (scale * e + oy * h) / apart, scale * f + oy, g / apart, h / apart,
  ];
}

/** Less like a pattern than this is none. It goes from -1 (dark is light) over 0 (chance) to 1. */
const LIKE = 0.5;

/** How like modules are to what is seen, if they are so much farther to the right and down. */
function likeness({ map, sign }, view, modules, right = 0, down = 0) {
  let [sum, all] = [0, 1e-6];
  for (const { x, y, dark } of modules) {
    const at = place(view, x + right, y + down);
    const value = sign * heightAt(map, at[0], at[1]);
    sum += dark ? -value : value;
    all += Math.abs(value);
  }
  return sum / all;
}

/** Where within `reach` a pattern around a column and a row is likest: how like, and where in the picture. */
function findPattern(seen, view, modules, column, row, reach) {
  let best = { like: -1, right: 0, down: 0 };
  for (let step = 0.5, far = reach; far > 0.1; far = step, step /= 2) {
    const from = best;
    for (let down = from.down - far; down <= from.down + far; down += step) {
      for (let right = from.right - far; right <= from.right + far; right += step) {
        // Chance may look the same: then what is near counts.
        const like = likeness(seen, view, modules, right, down) - 0.03 * (right * right + down * down);
        if (like > best.like) best = { like, right, down };
      }
    }
  }
  return { like: best.like, column, row, at: place(view, column + best.right, row + best.down) };
}

/** The size of a module at a finder pattern, in the direction of another one. */
function moduleAt({ map, sign }, from, to) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  // From left to right, a square that is turned is longer.
  const usual = from.size * Math.max(Math.abs(dx), Math.abs(dy));
  return (across(map, sign, from.x, from.y, dx, dy, 3 * from.size)?.length ?? usual) / 7;
}

/** Versions and perspectives in which the timing patterns are as they should be, the best first. */
function views(seen, triple) {
  const legs = [triple.b, triple.c].map((to) => {
    const [here, there] = [moduleAt(seen, triple.a, to), moduleAt(seen, to, triple.a)];
    // In a plane that is tilted, sizes along a line change as the square of how near they are.
    const apart = Math.hypot(to.x - triple.a.x, to.y - triple.a.y) / Math.sqrt(here * there);
    return { apart, depth: Math.min(Math.max(Math.sqrt(here / there), 0.6), 1.6) };
  });
  const depths = legs.map(({ depth }) => depth);
  const [one, other] = legs.map(({ apart }) => (apart - 10) / 4);
  const middle = (one + other) / 2;
  const slack = 1 + middle / 8 + Math.abs(one - other) / 2;
  // Most that is no code ends here, as three squares with rings are not there.
  const rough = perspective(triple, 4 * middle + 10, ...depths);
  const isFar = ([x, y]) => likeness(seen, rough, finder(x, y, 3)) < 0.3;
  if (slack > 8 || finderPlaces(sizeOf(middle)).some(isFar)) return [];
  const out = [];
  for (let version = Math.max(1, Math.ceil(middle - slack)); version <= Math.min(40, middle + slack); version++) {
    const apart = 4 * version + 10;
    const patterns = [true, false].map((goesRight) => timing(sizeOf(version), goesRight));
    const best = [...depths];
    const likes = [-1, -1];
    for (const range of [0.2, 0.06]) {
      for (const leg of [0, 1]) {
        const from = best[leg];
        likes[leg] = -1;
        for (let part = -range; part <= range; part += range / 16) {
          const view = perspective(triple, apart, leg ? best[0] : from + part, leg ? from + part : best[1]);
          // A short pattern is as like in many perspectives: then the one that was measured counts.
          const like = likeness(seen, view, patterns[leg]) - part * part / 2;
          if (like > likes[leg]) [likes[leg], best[leg]] = [like, from + part];
        }
      }
    }
    const like = (likes[0] + likes[1]) / 2;
    if (like > LIKE) out.push({ version, view: perspective(triple, apart, ...best), like });
  }
  return out.sort((a, b) => b.like - a.like).slice(0, 2);
}

/** A better perspective, by the finder patterns and the alignment patterns that are found; null if it is no code. */
function refine(seen, view, version) {
  const size = sizeOf(version);
  const finders = finderPlaces(size).map(([x, y]) => findPattern(seen, view, finder(x, y, 3), x, y, 0.5));
  if (finders.some(({ like }) => like < LIKE)) return null;
  const found = alignments(version).map(([x, y]) => findPattern(seen, view, alignment(x, y), x, y, 2))
    .filter(({ like }) => like > LIKE);
  // Without any, the fourth corner stays where the timing patterns say.
  if (found.length === 0) found.push({ column: size - 4, row: size - 4, at: place(view, size - 4, size - 4) });
  return fit([...finders, ...found], size - 7);
}

// ---- Modules ----

/** Modules with one more around them, as about -1 (dark) to 1 (light). */
function sampleModules({ map, sign }, view, version) {
  const wide = sizeOf(version) + 2;
  const parts = [-0.25, 0, 0.25].flatMap((right) => [-0.25, 0, 0.25].map((down) => [right, down]));
  const heights = new Float32Array(wide * wide).map((_, at) => {
    let sum = 0;
    for (const part of parts) {
      const middle = place(view, at % wide - 1 + part[0], (at / wide | 0) - 1 + part[1]);
      sum += heightAt(map, middle[0], middle[1]);
    }
    return sign * sum / parts.length;
  });
  // By what is light and dark around each of them. Where all is alike (glare, a finger), nothing is sure.
  const middles = means(heights, wide, wide, 4);
  const spreads = means(heights.map((height, at) => Math.abs(height - middles[at])), wide, wide, 4);
  const usual = spreads.reduce((sum, spread) => sum + spread, 1e-6) / spreads.length;
  return heights.map((height, at) => {
    return Math.min(Math.max((height - middles[at]) / Math.max(spreads[at], usual / 2), -1.5), 1.5);
  });
}

/** Where a module is among those with one more around them. */
const inner = (at, size) => ((at / size | 0) + 1) * (size + 2) + at % size + 1;

/**
 * Takes out blur, motion, and a sampling that is beside the middles: each module as the sum of itself and the eight
 * around it, weighted so that the modules that are known come out best.
 */
function sharpen(sampled, version) {
  const size = sizeOf(version);
  const kinds = layout(version);
  const near = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => down * (size + 2) + right));
  const lines = noEquations(10);
  kinds.forEach((kind, at) => {
    if (kind !== DARK && kind !== LIGHT) return;
    addEquation(lines, [...near.map((step) => sampled[inner(at, size) + step]), 1, kind === LIGHT ? 1 : -1]);
  });
  // The fewer modules are known, the more each counts for itself.
  lines.forEach((line, at) => { line[at] += 4; });
  lines[4][10] += 4;
  const weights = solve(lines);
  return weights && new Float32Array(size * size).map((_, at) => {
    return near.reduce((sum, step, i) => sum + weights[i] * sampled[inner(at, size) + step], weights[9]);
  });
}

/** Reads a code whose version and perspective are known. */
function readView(seen, view, version) {
  const size = sizeOf(version);
  const sampled = sampleModules(seen, view, version);
  const modules = new Float32Array(size * size).map((_, at) => sampled[inner(at, size)]);
  // Where what each code has is not seen, there is none.
  const known = [...layout(version).entries()].filter(([, kind]) => kind === DARK || kind === LIGHT);
  const right = known.filter(([at, kind]) => modules[at] < 0 === (kind === DARK));
  if (right.length < 0.7 * known.length) return null;
  const text = readModules(modules, version, [0]);
  if (text) return text;
  const sharp = sharpen(sampled, version);
  return sharp && readModules(sharp, version, [0, 0.3, 0.55, 0.8]);
}

/** Reads the code in a relief: its text and its corners, or null. `tries`: how many perspectives may be tried. */
function scanRelief(map, tries) {
  for (const { sign, found } of findFinders(map)) {
    const seen = { map, sign };
    for (const triple of triples(found).slice(0, 40)) {
      for (const { version, view } of views(seen, triple)) {
        if (tries.left-- <= 0) return null;
        const better = refine(seen, view, version);
        const text = better && readView(seen, better, version);
        if (!text) continue;
        const [left, right] = [-0.5, sizeOf(version) - 0.5];
        const corners = [[left, left], [right, left], [right, right], [left, right]];
        return { text, corners: corners.map(([x, y]) => place(better, x, y)) };
      }
    }
  }
  return null;
}

/** Reads the QR code in a grey picture: its text and its four corners, or null. */
function scanGrey(picture) {
  const tries = { left: 24 };
  const smaller = half(picture);
  const far = Math.ceil(Math.max(picture.width, picture.height) / BLOCK / 5);
  // Large modules in noise are found in half of the picture; blur needs the mean of what is near, a slanting look that
  // of what is far.
  for (const [seen, scale, reach] of [[picture, 1, 1], [smaller, 2, 1], [picture, 1, far], [smaller, 2, far]]) {
    if (Math.min(seen.width, seen.height) < 2 * BLOCK) return null;
    const found = scanRelief(reliefOf(seen, reach), tries);
    if (found) return { text: found.text, corners: found.corners.map(([x, y]) => ({ x: scale * x, y: scale * y })) };
  }
  return null;
}

/** How many pixels a picture has at most; of a larger one nothing is read. */
const LARGEST = 4_194_304;

/** Reads the QR code in a picture of RGBA bytes: its text and its four corners, or null. */
function scan(data, width, height) {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!whole || width * height > LARGEST || !(data?.length >= 4 * width * height)) return null;
  // As people see it (ITU-R BT.601).
  const grey = new Uint8Array(width * height);
  for (let at = 0; at < grey.length; at++) {
    grey[at] = (77 * data[4 * at] + 150 * data[4 * at + 1] + 29 * data[4 * at + 2] + 128) >> 8;
  }
  return scanGrey({ grey, width, height });
}

if (typeof module === "object") {
  module.exports = { scan };
} else {
  globalThis.onmessage = ({ data: { id, width, height, data } }) => {
    const start = performance.now();
    const { text = null, corners = null } = scan(data, width, height) ?? {};
    postMessage({ id, text, corners, ms: performance.now() - start });
  };
}
