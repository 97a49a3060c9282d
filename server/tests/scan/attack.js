// Gives the decoder what no camera gives: it must neither throw nor hang, whatever it is. Writes how many it got and
// what went wrong. The seed comes on standard input.
"use strict";
const { readFileSync } = require("fs");
const { runInNewContext } = require("vm");
const { scanner, seed } = JSON.parse(readFileSync(0));
const { scan } = require(scanner);

// Random numbers of a seed (Mulberry32).
let state = seed;
function chance() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
const below = (end) => Math.floor(chance() * end);

const wrong = [];
let [count, slowest] = [0, 0];
function attack(what, ...words) {
  count++;
  const start = performance.now();
  try {
    const found = scan(...words);
    if (found !== null) wrong.push(`${what}: ${JSON.stringify(found)}`);
  } catch (error) {
    wrong.push(`${what}: ${error.stack}`);
  }
  slowest = Math.max(slowest, performance.now() - start);
}

// Sizes that are none, and data that are not as long as the size says.
const some = new Uint8ClampedArray(4 * 64 * 64);
for (const width of [0, -1, 1, 1.5, 64, 65, NaN, Infinity, 2 ** 31, 2 ** 53, "64", null, undefined, {}, 64n]) {
  for (const height of [0, -1, 1, 63.5, 64, 65, NaN, undefined]) attack(`${width} by ${height}`, some, width, height);
}
for (const data of [undefined, null, 7, "text", {}, [], { length: 1e9 }, new ArrayBuffer(4 * 64 * 64)]) {
  attack(`data ${data}`, data, 64, 64);
}
for (let round = 0; round < 50; round++) attack("cut off", some.subarray(0, below(some.length)), 64, 64);
// Each small size, of one colour and of noise.
for (let width = 1; width < 40; width++) {
  for (const height of [1, 2, 7, 8, 9, 15, 16, 17, 31, 39]) {
    const data = new Uint8ClampedArray(4 * width * height);
    attack(`${width} by ${height}, black`, data, width, height);
    attack(`${width} by ${height}, noise`, data.map(() => below(256)), width, height);
  }
}
// Rings as finder patterns have them, at random places: many triples, and no code.
for (let round = 0; round < 40; round++) {
  const [width, height] = [100 + below(400), 100 + below(400)];
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let rings = 3 + below(60); rings > 0; rings--) {
    const size = 1 + below(5);
    const [left, top] = [below(width), below(height)];
    for (let y = 0; y < 9 * size; y++) {
      for (let x = 0; x < 9 * size; x++) {
        const ring = Math.max(Math.abs((x / size | 0) - 4), Math.abs((y / size | 0) - 4));
        const at = 4 * ((top + y) * width + left + x);
        if (left + x < width && top + y < height) data.fill(ring < 2 || ring === 3 ? 0 : 255, at, at + 3);
      }
    }
  }
  attack("rings", data, width, height);
}
// Large, and larger than is looked at.
for (const side of [640, 1280, 2048, 2049]) {
  const data = new Uint8ClampedArray(4 * side * side);
  for (let at = 0; at < data.length; at++) data[at] = below(256);
  attack(`noise of ${side}`, data, side, side);
}

// As a worker: the same file where there is no module.
const answers = [];
const worker = { postMessage: (answer) => answers.push(answer), performance, TextDecoder };
runInNewContext(readFileSync(scanner, "utf8"), worker);
worker.onmessage({ data: { id: 7, width: 64, height: 64, data: some } });
worker.onmessage({ data: { id: 8, width: 9, height: 1e9, data: some } });
const told = answers.map(({ id, text, corners, ms }) => [id, text, corners, ms >= 0]);
const expected = [[7, null, null, true], [8, null, null, true]];
if (JSON.stringify(told) !== JSON.stringify(expected)) wrong.push(`the worker: ${JSON.stringify(answers)}`);

process.stdout.write(JSON.stringify({ count, wrong, slowest }));
