// Reads pictures with the decoder of the scanner: grey bytes one after the other in a file, their sizes and the two
// file names as JSON on standard input. Writes for each its text and corners, and how long it took.
"use strict";
const { openSync, readSync, readFileSync } = require("fs");
const { runInNewContext } = require("vm");
const asked = JSON.parse(readFileSync(0));
const { scan } = require(asked.scanner);
// The same as a worker, where there is no module.
const posted = [];
const worker = { postMessage: (answer) => posted.push(answer), performance, TextDecoder };
runInNewContext(readFileSync(asked.scanner, "utf8"), worker);
const file = openSync(asked.pictures);
const answers = asked.sizes.map(([width, height], at) => {
  const grey = new Uint8Array(width * height);
  if (readSync(file, grey) !== grey.length) throw new Error("the file of pictures is too short");
  const pixels = Uint32Array.from(grey, (value) => 0xff000000 | value * 0x010101);
  const data = new Uint8ClampedArray(pixels.buffer);
  // Not what it takes to compile it.
  if (at < 10) scan(data, width, height);
  const start = performance.now();
  const found = scan(data, width, height);
  const answer = { text: found?.text ?? null, corners: found?.corners ?? null, ms: performance.now() - start };
  if (at < 3) {
    worker.onmessage({ data: { id: at, width, height, data } });
    const { id, text } = posted.pop();
    if (id !== at || text !== answer.text) throw new Error(`as a worker it reads ${text}`);
  }
  return answer;
});
process.stdout.write(JSON.stringify(answers));
