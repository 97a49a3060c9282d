// Reads pictures with the decoder of the scanner: grey bytes one after the other in a file, their sizes and the two
// file names as JSON on standard input. Writes for each its text and corners, and how long it took.
"use strict";
const { openSync, readSync, readFileSync } = require("fs");
const asked = JSON.parse(readFileSync(0));
const { scan } = require(asked.scanner);
const file = openSync(asked.pictures);
const answers = asked.sizes.map(([width, height]) => {
  const grey = new Uint8Array(width * height);
  if (readSync(file, grey) !== grey.length) throw new Error("the file of pictures is too short");
  const pixels = Uint32Array.from(grey, (value) => 0xff000000 | value * 0x010101);
  const data = new Uint8ClampedArray(pixels.buffer);
  const start = performance.now();
  const found = scan(data, width, height);
  return { text: found?.text ?? null, corners: found?.corners ?? null, ms: performance.now() - start };
});
process.stdout.write(JSON.stringify(answers));
