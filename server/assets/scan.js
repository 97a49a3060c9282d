// Finds and reads a QR code (ISO/IEC 18004) in a picture of a camera. It runs as a Web Worker, so that the page
// stays quick; `scan` can be called from anywhere. Section numbers are those of the 2015 edition.
//
// From the picture to the text: grey -> relief (how far each pixel is above or below the brightness around it) ->
// finder patterns -> three of them that may be one code -> version and perspective, by the timing patterns ->
// alignment patterns -> brightness of each module -> bits -> codewords, corrected -> text. No step throws on a bad
// picture, and each tries a fixed number of times at most.
//
// Light is positive and dark is negative; for a light code on a dark ground (a phone in dark mode) the sign
// is turned. Positions are in pixels, the middle of the first pixel is at 0.5.
//
// Not read: Kanji, ECI, FNC1, structured append, Micro QR.
"use strict";

// ---- The standard: sizes, patterns, tables ----

/** The letters of alphanumeric mode (7.4.4, table 5). */
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
/** How many correcting codewords a block has (in base 36), and how many blocks there are, from version 1 (table 9). */
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
const correctingOf = (level, version) => parseInt(BLOCKS[level][0][version - 1], 36);
const blocksOf = (level, version) => Number(BLOCKS[level][1].split(" ")[version - 1]);
/** The levels as the format information numbers them (7.9.1, table 12). */
const LEVELS = ["M", "L", "H", "Q"];
/** Which modules each mask turns, by column and row (7.8.2, table 10). */
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

/** A number with the rest of its division by a generator behind it: a BCH code (annexes C and D). */
function withRest(number, generator, bits) {
  let rest = number << bits;
  for (let at = 31 - Math.clz32(rest); at >= bits; at--) if (rest >> at & 1) rest ^= generator << (at - bits);
  return number << bits | rest;
}

/** The format information of each level and mask, masked (7.9.1). */
const FORMATS = Array.from({ length: 32 }, (_, format) => withRest(format, 0b10100110111, 10) ^ 0b101010000010010);

/** The version information, of version 7 and above (7.10). */
const versionBits = (version) => withRest(version, 0b1111100100101, 12);

/** Where the alignment patterns of a version are, as rows and as columns (annex E, as a rule instead of a table). */
function alignmentLines(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const last = 4 * version + 10;
  const step = version === 32 ? 26 : 2 * Math.ceil((last - 6) / (2 * count - 2));
  return [6, ...Array.from({ length: count - 1 }, (_, at) => last - (count - 2 - at) * step)];
}

/** The middles of the alignment patterns of a version, as pairs of column and row (6.3.6). */
function alignments(version) {
  const lines = alignmentLines(version);
  const last = lines[lines.length - 1];
  // Where a finder pattern is, there is none.
  const free = (x, y) => !(x === 6 && y === 6) && !(x === 6 && y === last) && !(x === last && y === 6);
  return lines.flatMap((y) => lines.filter((x) => free(x, y)).map((x) => [x, y]));
}

/** The positions of both copies of the format information as column and row, lowest bit first (7.9.1, figure 25). */
function formatPlaces(size) {
  const first = [];
  const second = [];
  for (let bit = 0; bit < 15; bit++) {
    if (bit < 8) first.push([8, bit < 6 ? bit : bit + 1]);
    else first.push([bit === 8 ? 7 : 14 - bit, 8]);
    second.push(bit < 8 ? [size - 1 - bit, 8] : [8, size - 15 + bit]);
  }
  return [first, second];
}

/** What a module is: data, known as dark or light, or known to be no data. */
const [DATA, DARK, LIGHT, NO_DATA] = [0, 1, 2, 3];
const layouts = [];

/** What each module of a version is, line by line (6.3). */
function layout(version) {
  if (layouts[version]) return layouts[version];
  const size = 17 + 4 * version;
  const grid = new Uint8Array(size * size);
  const set = (x, y, kind) => { if (x >= 0 && y >= 0 && x < size && y < size) grid[y * size + x] = kind; };
  const rings = (x, y, radius, dark) => {
    for (let down = -radius; down <= radius; down++) {
      for (let right = -radius; right <= radius; right++) {
        set(x + right, y + down, dark(Math.max(Math.abs(right), Math.abs(down))) ? DARK : LIGHT);
      }
    }
  };
  for (const [x, y] of formatPlaces(size).flat()) set(x, y, NO_DATA);
  for (let at = 0; at < size; at++) {
    set(at, 6, at % 2 ? LIGHT : DARK);
    set(6, at, at % 2 ? LIGHT : DARK);
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) rings(x, y, 4, finderDark);
  for (const [x, y] of alignments(version)) rings(x, y, 2, (ring) => ring !== 1);
  set(8, size - 8, DARK);
  for (let bit = 0; version >= 7 && bit < 18; bit++) {
    const [long, short] = [size - 11 + bit % 3, bit / 3 | 0];
    const kind = versionBits(version) >> bit & 1 ? DARK : LIGHT;
    set(long, short, kind);
    set(short, long, kind);
  }
  layouts[version] = grid;
  return grid;
}

/** Whether this ring of a finder pattern is dark, with the separator around it (6.3.3, 6.3.4). */
const finderDark = (ring) => ring < 2 || ring === 3;

// ---- GF(256) and Reed-Solomon (7.5.2, annex B) ----

const [POWERS, LOGS] = (() => {
  const [powers, logs] = [new Uint8Array(512), new Uint8Array(256)];
  for (let at = 0, value = 1; at < 255; at++) {
    powers[at] = value;
    powers[at + 255] = value;
    logs[value] = at;
    value = value << 1 ^ (value & 0x80 ? 0x11d : 0);
  }
  return [powers, logs];
})();
const times = (a, b) => (a && b ? POWERS[LOGS[a] + LOGS[b]] : 0);
const over = (a, b) => (a ? POWERS[LOGS[a] + 255 - LOGS[b]] : 0);

/** The product of two polynomials, lowest power first, up to this many terms. */
function product(a, b, terms) {
  const out = new Uint8Array(Math.min(terms, a.length + b.length - 1));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length && i + j < out.length; j++) out[i + j] ^= times(a[i], b[j]);
  }
  return out;
}

/** The value of a polynomial, lowest power first. */
function valueAt(polynomial, x) {
  let value = 0;
  for (let at = polynomial.length - 1; at >= 0; at--) value = times(value, x) ^ polynomial[at];
  return value;
}

/** The syndromes of a block, or null if it has no error. */
function syndromes(block, correcting) {
  const out = new Uint8Array(correcting);
  let wrong = 0;
  for (let power = 0; power < correcting; power++) {
    let value = 0;
    for (const codeword of block) value = times(value, POWERS[power]) ^ codeword;
    out[power] = value;
    wrong |= value;
  }
  return wrong ? out : null;
}

/**
 * Corrects a block in place. `doubtful`: the codewords that may be anything (erasures); each costs half of what an
 * unknown error costs, and with them two correcting codewords are left as a check. Returns whether it is right now.
 */
function correct(block, correcting, doubtful) {
  const found = syndromes(block, correcting);
  if (!found) return true;
  const inverse = (at) => POWERS[(255 - (block.length - 1 - at)) % 255];
  let erased = Uint8Array.of(1);
  for (const at of doubtful) erased = product(erased, [1, POWERS[block.length - 1 - at]], correcting + 1);
  // Berlekamp and Massey, on the syndromes without what the doubtful codewords add.
  const rest = product(found, erased, correcting).subarray(doubtful.length);
  let [locator, before] = [Uint8Array.of(1), Uint8Array.of(1)];
  let [length, shift, scale] = [0, 1, 1];
  for (let step = 0; step < rest.length; step++) {
    let difference = 0;
    for (let at = 0; at < locator.length && at <= step; at++) difference ^= times(locator[at], rest[step - at]);
    if (difference === 0) { shift++; continue; }
    const next = new Uint8Array(Math.max(locator.length, before.length + shift));
    next.set(locator);
    for (let at = 0; at < before.length; at++) next[at + shift] ^= times(over(difference, scale), before[at]);
    if (2 * length <= step) {
      [length, before, scale, shift] = [step + 1 - length, locator, difference, 1];
    } else {
      shift++;
    }
    locator = next;
  }
  if (2 * length + doubtful.length > correcting - (doubtful.length ? 2 : 0)) return false;
  // The places of errors are the roots; their values are Forney's.
  const errata = product(locator, erased, correcting + 1);
  const values = product(found, errata, correcting);
  const slope = errata.map((_, at) => (at % 2 ? 0 : errata[at + 1] ?? 0));
  for (let at = 0; at < block.length; at++) {
    const x = inverse(at);
    if (valueAt(errata, x) !== 0) continue;
    const divisor = valueAt(slope, x);
    if (divisor === 0) return false;
    block[at] ^= times(POWERS[block.length - 1 - at], over(valueAt(values, x), divisor));
  }
  return !syndromes(block, correcting);
}

// ---- From modules to text ----

/** How many bits differ. */
function differing(a, b) {
  let count = 0;
  for (let bits = a ^ b; bits; bits &= bits - 1) count++;
  return count;
}

/** The format whose bits are the nearest to those of one of the copies, at most three wrong ones (annex C). */
function readFormat(modules, size) {
  let [best, fewest] = [null, 4];
  for (const places of formatPlaces(size)) {
    let bits = 0;
    places.forEach(([x, y], bit) => { if (modules[y * size + x] < 0) bits |= 1 << bit; });
    for (let format = 0; format < 32; format++) {
      const wrong = differing(bits, FORMATS[format]);
      if (wrong < fewest) [best, fewest] = [{ level: LEVELS[format >> 3], mask: format & 7 }, wrong];
    }
  }
  return best;
}

/** The codewords in the order of their modules (7.7.3), unmasked, and how sure the least sure bit of each is. */
function readCodewords(modules, version, mask) {
  const size = 17 + 4 * version;
  const kinds = layout(version);
  const turns = MASKS[mask];
  const codewords = [];
  const sure = [];
  let [byte, bits, least] = [0, 0, Infinity];
  let up = true;
  for (let right = size - 1; right > 0; right -= 2) {
    // The column of the vertical timing pattern has no data.
    if (right === 6) right--;
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (kinds[y * size + x] !== DATA) continue;
        const value = modules[y * size + x];
        byte = byte << 1 | (value < 0) ^ turns(x, y);
        least = Math.min(least, Math.abs(value));
        if (++bits < 8) continue;
        codewords.push(byte);
        sure.push(least);
        [byte, bits, least] = [0, 0, Infinity];
      }
    }
    up = !up;
  }
  return { codewords, sure };
}

/** The data of all blocks, corrected (7.6), or null. `erasures`: the part of the correction that doubtful ones get. */
function readData({ codewords, sure }, version, level, erasures) {
  const correcting = correctingOf(level, version);
  const blocks = blocksOf(level, version);
  // The last blocks are longer by one codeword of data.
  const short = Math.floor(codewords.length / blocks);
  const shorter = blocks - codewords.length % blocks;
  const data = [];
  for (let at = 0; at < blocks; at++) {
    const length = short - correcting + (at < shorter ? 0 : 1);
    const places = [];
    for (let i = 0; i < length; i++) places.push(i < short - correcting ? i * blocks + at : i * blocks + at - shorter);
    const behind = codewords.length - correcting * blocks;
    for (let i = 0; i < correcting; i++) places.push(behind + i * blocks + at);
    const block = Uint8Array.from(places, (place) => codewords[place]);
    const order = Array.from(block, (_, i) => i).sort((a, b) => sure[places[a]] - sure[places[b]]);
    if (!correct(block, correcting, order.slice(0, Math.floor(correcting * erasures)))) return null;
    data.push(...block.subarray(0, length));
  }
  return data;
}

/** The text of the data (7.4), or null if it is none that is read here. */
function readText(data, version) {
  let at = 0;
  const left = () => data.length * 8 - at;
  const take = (count) => {
    let value = 0;
    for (const end = at + count; at < end; at++) value = value << 1 | (data[at >> 3] >> (7 - at % 8) & 1);
    return value;
  };
  // How many bits a count has (table 3).
  const width = version < 10 ? 0 : version < 27 ? 1 : 2;
  let text = "";
  for (;;) {
    const mode = left() < 4 ? 0 : take(4);
    if (mode === 0) break;
    const bits = { 1: [10, 12, 14], 2: [9, 11, 13], 4: [8, 16, 16] }[mode]?.[width];
    if (!bits || left() < bits) return null;
    let count = take(bits);
    if (mode === 1) {
      for (; count > 0; count -= 3) {
        const digits = Math.min(count, 3);
        const long = [0, 4, 7, 10][digits];
        if (left() < long) return null;
        const value = String(take(long)).padStart(digits, "0");
        if (value.length > digits) return null;
        text += value;
      }
    } else if (mode === 2) {
      for (; count > 0; count -= 2) {
        const long = count > 1 ? 11 : 6;
        if (left() < long) return null;
        const value = take(long);
        if (value >= (count > 1 ? 45 * 45 : 45)) return null;
        text += count > 1 ? LETTERS[Math.floor(value / 45)] + LETTERS[value % 45] : LETTERS[value];
      }
    } else {
      if (left() < 8 * count) return null;
      const bytes = Uint8Array.from({ length: count }, () => take(8));
      try {
        text += new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      } catch {
        text += String.fromCharCode(...bytes);
      }
    }
  }
  // What follows is filled with zeros to a whole codeword and then with two codewords in turn (7.4.10). Where it is
  // not, the text is not what was meant.
  if (at % 8 && take(8 - at % 8) !== 0) return null;
  // Some programs begin with a codeword of zeros.
  if (data[at >> 3] === 0) at += 8;
  for (let pad = 0xec; at < data.length * 8; pad ^= 0xec ^ 0x11) if (take(8) !== pad) return null;
  return text || null;
}

/** The text of modules, each above zero if it is light, or null. */
function readModules(modules, version, erasures) {
  const size = 17 + 4 * version;
  // A code that is seen in a mirror has rows and columns exchanged (6.2).
  for (const mirrored of [false, true]) {
    const seen = mirrored ? modules.map((_, at) => modules[(at % size) * size + (at / size | 0)]) : modules;
    const format = readFormat(seen, size);
    if (!format) continue;
    const read = readCodewords(seen, version, format.mask);
    for (const part of erasures) {
      const data = readData(read, version, format.level, part);
      const text = data && readText(data, version);
      if (text) return text;
    }
  }
  return null;
}

// ---- From the picture to relief ----

/** The side of a block whose brightness is measured, in pixels. */
const BLOCK = 8;

/** The sum of the cells within `reach` of each cell, in a grid. */
function around(cells, columns, rows, reach) {
  const sums = new Float64Array((columns + 1) * (rows + 1));
  for (let y = 0; y < rows; y++) {
    for (let x = 0, line = 0; x < columns; x++) {
      line += cells[y * columns + x];
      sums[(y + 1) * (columns + 1) + x + 1] = sums[y * (columns + 1) + x + 1] + line;
    }
  }
  const out = new Float64Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    const top = Math.max(0, y - reach) * (columns + 1);
    const bottom = Math.min(rows, y + reach + 1) * (columns + 1);
    for (let x = 0; x < columns; x++) {
      const left = Math.max(0, x - reach);
      const right = Math.min(columns, x + reach + 1);
      out[y * columns + x] = sums[bottom + right] - sums[bottom + left] - sums[top + right] + sums[top + left];
    }
  }
  return out;
}

/** The grey of a picture of RGBA bytes (ITU-R BT.601). */
function greyOf(data, width, height) {
  const grey = new Uint8Array(width * height);
  for (let at = 0, from = 0; at < grey.length; at++, from += 4) {
    grey[at] = (77 * data[from] + 150 * data[from + 1] + 29 * data[from + 2] + 128) >> 8;
  }
  return { grey, width, height };
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
 * How far each pixel is above or below the mean of the blocks within `reach`; between the middles of blocks the mean
 * changes steadily. Near a finder pattern, which is mostly dark, the mean is low: so its light ring is found even if
 * blur makes it grey.
 */
function reliefOf({ grey, width, height }, reach) {
  const [columns, rows] = [Math.ceil(width / BLOCK), Math.ceil(height / BLOCK)];
  const [sums, counts] = [new Float64Array(columns * rows), new Float64Array(columns * rows)];
  for (let y = 0, at = 0; y < height; y++) {
    const line = (y / BLOCK | 0) * columns;
    for (let x = 0; x < width; x++, at++) {
      const cell = line + (x / BLOCK | 0);
      sums[cell] += grey[at];
      counts[cell]++;
    }
  }
  const pixels = around(counts, columns, rows, reach);
  const means = around(sums, columns, rows, reach).map((sum, at) => sum / pixels[at]);
  const relief = new Float32Array(width * height);
  const line = new Float64Array(columns + 1);
  for (let y = 0, at = 0; y < height; y++) {
    const down = Math.min(Math.max((y + 0.5) / BLOCK - 0.5, 0), rows - 1);
    const above = (down | 0) * columns;
    const below = Math.min((down | 0) + 1, rows - 1) * columns;
    for (let x = 0; x < columns; x++) line[x] = means[above + x] + (means[below + x] - means[above + x]) * (down % 1);
    line[columns] = line[columns - 1];
    for (let x = 0; x < width; x++, at++) {
      const right = Math.max((x + 0.5) / BLOCK - 0.5, 0);
      const cell = right | 0;
      relief[at] = grey[at] - line[cell] - (line[cell + 1] - line[cell]) * (right - cell);
    }
  }
  return { relief, width, height };
}

/** The relief at a position, between the four pixels around it. */
function heightAt({ relief, width, height }, x, y) {
  const right = Math.min(Math.max(x - 0.5, 0), width - 1.001);
  const down = Math.min(Math.max(y - 0.5, 0), height - 1.001);
  const at = (down | 0) * width + (right | 0);
  const [dx, dy] = [right - (right | 0), down - (down | 0)];
  const top = relief[at] * (1 - dx) + relief[at + 1] * dx;
  return top * (1 - dy) + (relief[at + width] * (1 - dx) + relief[at + width + 1] * dx) * dy;
}

// ---- Finder patterns (6.3.3) ----

/** Whether five runs are as 1:1:3:1:1, from their six borders. Blur makes dark runs longer or shorter. */
function isFinder(a, b, c, d, e, f) {
  const module = (f - a) / 7;
  const most = 0.6 * module;
  return module >= 0.9 && Math.abs(b - a - module) < most && Math.abs(c - b - module) < most
    && Math.abs(d - c - 3 * module) < 2 * most && Math.abs(e - d - module) < most && Math.abs(f - e - module) < most;
}

/** How far it is from within a finder pattern to its three borders in a direction, or null. */
function bordersFrom(map, x, y, dx, dy, sign, limit) {
  const out = [];
  let before = sign * heightAt(map, x, y);
  if (before > 0) return null;
  for (let step = 1; step < limit; step++) {
    const [nx, ny] = [x + step * dx, y + step * dy];
    if (nx < 0 || ny < 0 || nx > map.width || ny > map.height) return null;
    const value = sign * heightAt(map, nx, ny);
    if (value > 0 !== before > 0) {
      out.push(step - 1 + before / (before - value));
      if (out.length === 3) return out;
    }
    before = value;
  }
  return null;
}

/** The length of a finder pattern in both directions of a line through it, and where its middle is, or null. */
function acrossFinder(map, x, y, dx, dy, sign, limit) {
  const forth = bordersFrom(map, x, y, dx, dy, sign, limit);
  const back = forth && bordersFrom(map, x, y, -dx, -dy, sign, limit);
  if (!back || !isFinder(-back[2], -back[1], -back[0], forth[0], forth[1], forth[2])) return null;
  return { length: forth[2] + back[2], middle: (forth[0] - back[0] + forth[1] - back[1] + forth[2] - back[2]) / 6 };
}

/** The finder patterns of one colour, those that most lines have crossed first. */
class Finders {
  constructor(map, sign) {
    Object.assign(this, { map, sign, found: [], tried: 0 });
  }

  /** A line crosses what may be a finder pattern: is it one in other directions, too? */
  try(x, y, width) {
    for (const known of this.found) {
      if (Math.abs(known.x - x) < width / 7 && Math.abs(known.y - y) < width / 5
        && Math.abs(known.width - width) < width / 3) { known.lines++; return; }
    }
    // A picture of noise has very many.
    if (++this.tried > 4000) return;
    const limit = 1.4 * width + 3;
    const down = acrossFinder(this.map, x, y, 0, 1, this.sign, limit);
    if (!down || down.length > 2.5 * width || width > 2.5 * down.length) return;
    const right = acrossFinder(this.map, x, y + down.middle, 1, 0, this.sign, limit);
    if (!right) return;
    const at = { x: x + right.middle, y: y + down.middle };
    const slope = Math.SQRT1_2;
    const one = acrossFinder(this.map, at.x, at.y, slope, slope, this.sign, 1.5 * limit);
    const other = acrossFinder(this.map, at.x, at.y, slope, -slope, this.sign, 1.5 * limit);
    if (!one && !other) return;
    const near = this.found.find((known) => Math.hypot(known.x - at.x, known.y - at.y) < width / 5
      && Math.abs(known.width - right.length) < width / 3);
    if (near) near.lines++;
    else this.found.push({ ...at, width: right.length, height: down.length, lines: one && other ? 2 : 1 });
  }
}

/** What may be finder patterns: dark ones and, for codes that are light on dark, light ones. */
function findFinders(map) {
  const { relief, width, height } = map;
  const [dark, light] = [new Finders(map, 1), new Finders(map, -1)];
  for (let y = 0; y < height; y++) {
    let [a, b, c, d, e] = [-9, -9, -9, -9, -9];
    let before = relief[y * width];
    for (let x = 1; x < width; x++) {
      const value = relief[y * width + x];
      if (value > 0 === before > 0) { before = value; continue; }
      const f = x - 0.5 + before / (before - value);
      if (a >= 0 && isFinder(a, b, c, d, e, f)) (before > 0 ? light : dark).try((a + b + c + d + e + f) / 6, y + 0.5, f - a);
      [a, b, c, d, e] = [b, c, d, e, f];
      before = value;
    }
  }
  return [dark, light];
}

/**
 * Three finder patterns that may be those of one code, the most likely ones first: `a` at its corner, `b` right of it
 * and `c` below it (or as in a mirror).
 */
function triples({ found }) {
  const best = found.sort((a, b) => b.lines - a.lines).slice(0, 14);
  const out = [];
  for (let i = 0; i < best.length; i++) {
    for (let j = i + 1; j < best.length; j++) {
      for (let k = j + 1; k < best.length; k++) {
        const sizes = [best[i], best[j], best[k]].map((finder) => Math.sqrt(finder.width * finder.height));
        const spread = Math.max(...sizes) / Math.min(...sizes);
        if (spread > 2.2) continue;
        const triple = [[i, j, k], [j, k, i], [k, i, j]].map(([a, b, c]) => legs(best[a], best[b], best[c]))
          .sort((a, b) => a.badness - b.badness)[0];
        if (triple.badness > 1.6) continue;
        const lines = Math.min(best[i].lines, best[j].lines, best[k].lines);
        out.push({ ...triple, badness: triple.badness + spread - 1 - 0.1 * Math.min(lines, 8) });
      }
    }
  }
  return out.sort((a, b) => a.badness - b.badness);
}

/** Three finder patterns with the first at the corner, and how unlike a square's corner they are. */
function legs(a, b, c) {
  const [bx, by, cx, cy] = [b.x - a.x, b.y - a.y, c.x - a.x, c.y - a.y];
  const [right, down] = [Math.hypot(bx, by), Math.hypot(cx, cy)];
  const cosine = Math.abs(bx * cx + by * cy) / (right * down);
  const turn = bx * cy - by * cx;
  const ratio = Math.max(right, down) / Math.min(right, down);
  const size = Math.sqrt(a.width * a.height);
  // The smallest code has its finder patterns two of their widths apart, the largest 25.
  const far = Math.min(right, down) < 1.3 * size || Math.max(right, down) > 36 * size ? 9 : 0;
  return { ...(turn > 0 ? { a, b, c } : { a, b: c, c: b }), badness: cosine + ratio - 1 + far };
}

// ---- Perspective ----

/** Where a position in modules, from the middle of the corner's finder pattern, is in the picture. */
function place([a, b, c, d, e, f, g, h], u, v) {
  const depth = g * u + h * v + 1;
  return [(a * u + b * v + c) / depth, (d * u + e * v + f) / depth];
}

/**
 * The perspective in which three finder patterns, `far` modules apart, are where they are. `right` and `down`: by how
 * much farther away than the corner the other two are.
 */
function perspective({ a, b, c }, far, right, down) {
  const [g, h] = [(right - 1) / far, (down - 1) / far];
  return [
    (b.x * right - a.x) / far, (c.x * down - a.x) / far, a.x,
    (b.y * right - a.y) / far, (c.y * down - a.y) / far, a.y, g, h,
  ];
}

/** Solves linear equations in place, given as lines with the right side last; null if they do not say enough. */
function solve(lines) {
  const count = lines.length;
  for (let at = 0; at < count; at++) {
    let most = at;
    for (let i = at + 1; i < count; i++) if (Math.abs(lines[i][at]) > Math.abs(lines[most][at])) most = i;
    [lines[at], lines[most]] = [lines[most], lines[at]];
    if (!(Math.abs(lines[at][at]) > 1e-9)) return null;
    for (let i = 0; i < count; i++) {
      if (i === at) continue;
      const part = lines[i][at] / lines[at][at];
      if (part) for (let j = at; j <= count; j++) lines[i][j] -= part * lines[at][j];
    }
  }
  return lines.map((line, at) => line[count] / line[at]);
}

/** Adds one equation, with its right side last, to the normal equations of a least-squares fit. */
function addEquation(lines, equation) {
  for (let i = 0; i < lines.length; i++) {
    if (equation[i]) for (let j = 0; j <= lines.length; j++) lines[i][j] += equation[i] * equation[j];
  }
}
const noEquations = (count) => Array.from({ length: count }, () => new Array(count + 1).fill(0));

/** The perspective that fits best to points, each a position in modules and one in the picture; null if none does. */
function fit(points, far) {
  const [ox, oy] = [points[0].x, points[0].y];
  const scale = Math.hypot(points[1].x - ox, points[1].y - oy);
  const lines = noEquations(8);
  for (const point of points) {
    const [u, v] = [point.u / far, point.v / far];
    const [x, y] = [(point.x - ox) / scale, (point.y - oy) / scale];
    addEquation(lines, [u, v, 1, 0, 0, 0, -u * x, -v * x, x]);
    addEquation(lines, [0, 0, 0, u, v, 1, -u * y, -v * y, y]);
  }
  const found = solve(lines);
  if (!found) return null;
  const [a, b, c, d, e, f, g, h] = found;
  return [
    (scale * a + ox * g) / far, (scale * b + ox * h) / far, scale * c + ox,
    (scale * d + oy * g) / far, (scale * e + oy * h) / far, scale * f + oy, g / far, h / far,
  ];
}

/** How far dark and light are from each other in a pattern, from -1 (the other way round) to 1 (just as it is). */
function likeness(map, sign, radius, dark, x, y, ux, uy, vx, vy) {
  let [sum, all] = [0, 1e-6];
  for (let v = -radius; v <= radius; v++) {
    for (let u = -radius; u <= radius; u++) {
      const value = sign * heightAt(map, x + u * ux + v * vx, y + u * uy + v * vy);
      sum += dark(Math.max(Math.abs(u), Math.abs(v))) ? -value : value;
      all += Math.abs(value);
    }
  }
  return sum / all;
}

/** Where near a position in modules a pattern is: how like it, and where in the picture. */
function findPattern(map, sign, radius, dark, view, u, v, reach) {
  const [x, y] = place(view, u, v);
  const [rx, ry] = place(view, u + 0.5, v);
  const [lx, ly] = place(view, u - 0.5, v);
  const [bx, by] = place(view, u, v + 0.5);
  const [tx, ty] = place(view, u, v - 0.5);
  const [ux, uy, vx, vy] = [rx - lx, ry - ly, bx - tx, by - ty];
  let best = { like: -1, right: 0, down: 0 };
  for (let step = 0.5, far = reach; step > 0.1; far = Math.min(step, reach), step /= 2) {
    const from = best;
    for (let down = from.down - far; down <= from.down + far; down += step) {
      for (let right = from.right - far; right <= from.right + far; right += step) {
        const like = likeness(map, sign, radius, dark, x + right * ux + down * vx, y + right * uy + down * vy,
          ux, uy, vx, vy);
        if (like > best.like) best = { like, right, down };
      }
    }
  }
  const { like, right, down } = best;
  return { like, u, v, x: x + right * ux + down * vx, y: y + right * uy + down * vy };
}

/** How well the modules of a timing pattern take turns (6.3.5), the one that goes right or the one that goes down. */
function timing(map, sign, view, far, goesRight) {
  let [sum, all] = [0, 1e-6];
  for (let at = 5; at <= far - 5; at++) {
    const [x, y] = goesRight ? place(view, at, 3) : place(view, 3, at);
    const value = sign * heightAt(map, x, y);
    sum += at % 2 ? -value : value;
    all += Math.abs(value);
  }
  return sum / all;
}

/** The size of a module at a finder pattern in the direction of another one. */
function moduleAt(map, sign, from, to) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  const across = acrossFinder(map, from.x, from.y, dx, dy, sign, 2 * Math.max(from.width, from.height));
  // A square that is turned is longer from left to right.
  return (across ? across.length : Math.sqrt(from.width * from.height) * Math.max(Math.abs(dx), Math.abs(dy))) / 7;
}

/** What is less like a pattern than this is none. */
const LIKE = 0.5;

/** Versions and perspectives in which the timing patterns are as they should be, the best first. */
function views(map, sign, triple) {
  const { a, b, c } = triple;
  const modules = [moduleAt(map, sign, a, b), moduleAt(map, sign, b, a), moduleAt(map, sign, a, c),
    moduleAt(map, sign, c, a)];
  // In a perspective the sizes at both ends are those of the squares of the distances.
  const far = [
    Math.hypot(b.x - a.x, b.y - a.y) / Math.sqrt(modules[0] * modules[1]),
    Math.hypot(c.x - a.x, c.y - a.y) / Math.sqrt(modules[2] * modules[3]),
  ];
  if (Math.max(...far) > 1.6 * Math.min(...far)) return [];
  const version = ((far[0] + far[1]) / 2 - 10) / 4;
  // Most that is no code ends here: these are no squares with a ring.
  const rough = perspective(triple, 4 * version + 10, Math.sqrt(modules[0] / modules[1]), Math.sqrt(modules[2] / modules[3]));
  const corners = [[0, 0], [4 * version + 10, 0], [0, 4 * version + 10]];
  if (corners.some(([u, v]) => findPattern(map, sign, 3, finderDark, rough, u, v, 0).like < 0.3)) return [];
  const slack = 1 + version / 8 + Math.abs(far[0] - far[1]) / 8;
  const within = (value) => Math.min(Math.max(value, 0.6), 1.6);
  const out = [];
  for (let v = Math.max(1, Math.ceil(version - slack)); v <= Math.min(40, Math.floor(version + slack)); v++) {
    const apart = 4 * v + 10;
    const depths = [within(Math.sqrt(modules[0] / modules[1])), within(Math.sqrt(modules[2] / modules[3]))];
    const likes = [-1, -1];
    for (const range of [0.2, 0.06]) {
      for (const leg of [0, 1]) {
        const from = depths[leg];
        likes[leg] = -1;
        for (let part = -range; part <= range; part += range / 16) {
          const [right, down] = leg ? [depths[0], from + part] : [from + part, depths[1]];
          // A short timing pattern may look the same in many perspectives: then the measured one counts.
          const like = timing(map, sign, perspective(triple, apart, right, down), apart, !leg) - part * part / 2;
          if (like > likes[leg]) [likes[leg], depths[leg]] = [like, from + part];
        }
      }
    }
    const like = (likes[0] + likes[1]) / 2;
    if (like > LIKE) out.push({ version: v, view: perspective(triple, apart, ...depths), like });
  }
  return out.sort((one, other) => other.like - one.like).slice(0, 2);
}

/** A better perspective, by the finder patterns and all alignment patterns that are found. */
function refine(map, sign, view, version) {
  const far = 4 * version + 10;
  const finders = [[0, 0], [far, 0], [0, far]]
    .map(([u, v]) => findPattern(map, sign, 3, finderDark, view, u, v, 0.5));
  if (finders.some(({ like }) => like < LIKE)) return null;
  const found = alignments(version)
    .map(([x, y]) => findPattern(map, sign, 2, (ring) => ring !== 1, view, x - 3, y - 3, 2))
    .filter(({ like }) => like > LIKE);
  // Without any, the fourth corner stays where the timing patterns say.
  if (found.length === 0) {
    const [x, y] = place(view, far, far);
    found.push({ u: far, v: far, x, y });
  }
  return fit([...finders, ...found], far);
}

// ---- Modules ----

/** The relief of all modules, with one more around them. */
function sampleModules(map, sign, view, size) {
  const out = new Float32Array((size + 2) * (size + 2));
  for (let y = -1, at = 0; y <= size; y++) {
    for (let x = -1; x <= size; x++, at++) {
      let sum = 0;
      for (let down = -0.25; down <= 0.25; down += 0.25) {
        for (let right = -0.25; right <= 0.25; right += 0.25) {
          const [px, py] = place(view, x - 3 + right, y - 3 + down);
          sum += (down || right ? 1 : 2) * heightAt(map, px, py);
        }
      }
      out[at] = sign * sum / 10;
    }
  }
  return out;
}

/** Modules as about -1 (dark) to 1 (light), by what is light and dark around each of them. */
function level(modules, columns) {
  const reach = 4;
  const counts = around(new Float64Array(modules.length).fill(1), columns, columns, reach);
  let middles = around(modules, columns, columns, reach).map((sum, at) => sum / counts[at]);
  let spreads = middles;
  for (let round = 0; round < 2; round++) {
    const low = modules.map((value, at) => (value < middles[at] ? 1 : 0));
    const lowCounts = around(low, columns, columns, reach);
    const lowSums = around(modules.map((value, at) => value * low[at]), columns, columns, reach);
    const sums = around(modules, columns, columns, reach);
    const lows = lowSums.map((sum, at) => (lowCounts[at] ? sum / lowCounts[at] : middles[at]));
    const highs = sums.map((sum, at) => {
      const count = counts[at] - lowCounts[at];
      return count ? (sum - lowSums[at]) / count : middles[at];
    });
    spreads = highs.map((high, at) => (high - lows[at]) / 2);
    middles = middles.map((_, at) => (highs[at] + lows[at]) / 2);
  }
  // Where all is alike (glare, a finger), nothing is sure.
  const usual = spreads.reduce((sum, spread) => sum + spread, 0) / spreads.length || 1;
  return modules.map((value, at) => {
    return Math.min(Math.max((value - middles[at]) / Math.max(spreads[at], usual / 2), -1.5), 1.5);
  });
}

/** Where a module is among those that have one more around them. */
const inner = (at, size) => ((at / size | 0) + 1) * (size + 2) + at % size + 1;

/**
 * Takes blur, motion and a sampling that is a little beside out of modules: the sum of each one and its eight
 * neighbours, weighted so that the modules that are known come out best.
 */
function sharpen(modules, version) {
  const size = 17 + 4 * version;
  const kinds = layout(version);
  const near = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => down * (size + 2) + right));
  const lines = noEquations(10);
  kinds.forEach((kind, at) => {
    if (kind !== DARK && kind !== LIGHT) return;
    const middle = inner(at, size);
    addEquation(lines, [...near.map((step) => modules[middle + step]), 1, kind === LIGHT ? 1 : -1]);
  });
  // Large weights are kept small: few modules are known.
  for (let at = 0; at < 10; at++) lines[at][at] += 4;
  lines[4][10] += 4;
  const weights = solve(lines);
  if (!weights) return null;
  return Float32Array.from(kinds, (_, at) => {
    const middle = inner(at, size);
    return near.reduce((sum, step, i) => sum + weights[i] * modules[middle + step], weights[9]);
  });
}

/** Reads a code whose version and perspective are known. */
function readView(map, sign, view, version) {
  const size = 17 + 4 * version;
  const around = level(sampleModules(map, sign, view, size), size + 2);
  const modules = Float32Array.from({ length: size * size }, (_, at) => around[inner(at, size)]);
  // Of most that is no code, what is known of each code is not there.
  const known = layout(version);
  let [right, all] = [0, 0];
  known.forEach((kind, at) => {
    if (kind === DARK || kind === LIGHT) { all++; right += modules[at] < 0 === (kind === DARK); }
  });
  if (right < 0.7 * all) return null;
  const text = readModules(modules, version, [0]);
  if (text) return text;
  const sharp = sharpen(around, version);
  return sharp && readModules(sharp, version, [0, 0.3, 0.55, 0.8]);
}

/** Reads the code in a relief: its text and its corners, or null. `tries`: how many perspectives may be tried. */
function scanRelief(map, tries) {
  if (map.width < 2 || map.height < 2) return null;
  for (const finders of findFinders(map)) {
    for (const triple of triples(finders).slice(0, 4)) {
      for (const { version, view } of views(map, finders.sign, triple)) {
        if (tries.left-- <= 0) return null;
        const better = refine(map, finders.sign, view, version);
        const text = better && readView(map, finders.sign, better, version);
        if (!text) continue;
        const size = 17 + 4 * version;
        const corners = [[0, 0], [size, 0], [size, size], [0, size]].map(([u, v]) => place(better, u - 3.5, v - 3.5));
        return { text, corners };
      }
    }
  }
  return null;
}

/** Reads the QR code in a grey picture: its text and its four corners, or null. */
function scanGrey(picture) {
  const tries = { left: 24 };
  const far = Math.ceil(Math.max(picture.width, picture.height) / BLOCK / 5);
  const smaller = half(picture);
  // Small modules are found in the picture as it is, large ones in noise at half its size; blur needs a mean of what is
  // near, a slanting look one of what is far.
  for (const [seen, scale, reach] of [[picture, 1, 1], [smaller, 2, 1], [picture, 1, far], [smaller, 2, far]]) {
    const found = scanRelief(reliefOf(seen, reach), tries);
    if (found) return { text: found.text, corners: found.corners.map(([x, y]) => ({ x: scale * x, y: scale * y })) };
  }
  return null;
}

/** The largest picture that is looked at, in pixels. */
const LARGEST = 4_194_304;

/** Reads the QR code in a picture of RGBA bytes: its text and its four corners, or null. */
function scan(data, width, height) {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!whole || width * height > LARGEST || !(data?.length >= 4 * width * height)) return null;
  return scanGrey(greyOf(data, width, height));
}

if (typeof module === "object") {
  module.exports = { scan, scanGrey };
} else {
  globalThis.onmessage = ({ data: { id, width, height, data } }) => {
    const start = performance.now();
    const found = scan(data, width, height);
    postMessage({ id, text: found?.text ?? null, corners: found?.corners ?? null, ms: performance.now() - start });
  };
}
