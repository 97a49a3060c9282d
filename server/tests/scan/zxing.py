"""Reads pictures with ZXing-C++, a decoder that is not ours: as measure.js does, but writes only the texts."""

import json
import sys

import zxingcpp

asked = json.load(sys.stdin)
texts = []
with open(asked["pictures"], "rb") as pictures:
    for width, height in asked["sizes"]:
        grey = memoryview(pictures.read(width * height)).cast("B", (height, width))
        found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.QRCode)
        texts.append(found[0].text if found else None)
json.dump(texts, sys.stdout)
