// An image for a model: dropped, chosen, seen by the camera, or drawn; as small as the model takes it.

import { create } from "plane.mjs";

const BETWEEN = 400; // Milliseconds between two looks of the camera.
const GREY = [0.299, 0.587, 0.114]; // Of red, green and blue (ITU-R 601), as the data's images are made grey.

/** The numbers that black and white are: [-1, 1] for images, or the range of an array that was trained on. */
export function spanOf(facts) {
  const [low, high] = facts ? [Math.min(...facts.low), Math.max(...facts.high)] : [-1, 1];
  return low >= -1 && low < 0 && high <= 1 ? [-1, 1] : [low, high];
}

/**
 * Ways to put an image in the place of `values`, [channels * height * width]: `put` is called after each. `fit` and `resize` say how an image of
 * another shape comes to that of the model. Gives what stops the camera and forgets the chosen file.
 */
export function photos(values, [channels, height, width], { span: [low, high], fit, resize }, place, put) {
  const small = create("canvas", { width, height });
  const context = small.getContext("2d", { willReadFrequently: true });
  const take = (source, wide, tall) => {
    context.imageSmoothingQuality = "high";
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
    const box = boxOf({ fit, resize }, wide, tall, width, height);
    context.fillStyle = "white"; // Under what is transparent.
    context.fillRect(...box.to);
    context.drawImage(source, ...box.from, ...box.to);
    const { data } = context.getImageData(0, 0, width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      const colours = [0, 1, 2].map((colour) => data[4 * pixel + colour] / 255);
      const grey = GREY.reduce((sum, weight, colour) => sum + weight * colours[colour], 0);
      for (let channel = 0; channel < channels; channel++)
        values[channel * width * height + pixel] = low + (high - low) * (channels === 1 ? grey : (colours[channel] ?? 1));
    }
    put();
  };
  const open = async (file) => {
    if (!file?.type.startsWith("image/")) return;
    seen?.stop();
    const bitmap = await createImageBitmap(file);
    take(bitmap, bitmap.width, bitmap.height);
  };
  const chosen = place.appendChild(create("input", { type: "file", accept: "image/*", ariaLabel: "an image" }));
  chosen.addEventListener("change", () => open(chosen.files[0]));
  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", (event) => (event.preventDefault(), open(event.dataTransfer.files[0])));
  const seen = navigator.mediaDevices ? camera(take) : null;
  if (seen) place.append(seen.button);
  return () => {
    seen?.stop();
    chosen.value = "";
  };
}

/** A button that looks through the camera, some times a second, until it is pressed again; and what stops it. */
function camera(take) {
  const button = create("button", { type: "button", textContent: "camera" });
  const video = create("video", { muted: true, playsInline: true });
  let looking = 0;
  const stop = () => {
    clearInterval(looking);
    looking = 0;
    video.srcObject?.getTracks().forEach((track) => track.stop());
    button.textContent = "camera";
  };
  button.addEventListener("click", async () => {
    if (looking) return stop();
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      await video.play();
    } catch (error) {
      button.textContent = `no camera: ${error.message}`;
      return;
    }
    button.textContent = "stop the camera";
    looking = setInterval(() => take(video, video.videoWidth, video.videoHeight), BETWEEN);
  });
  return { button, stop };
}

/** The part of an image that is taken, and where it is put: `[x, y, width, height]` each. */
export function boxOf({ fit, resize }, wide, tall, width, height) {
  const whole = [0, 0, wide, tall];
  if (resize) {
    const [h, w] = Array.isArray(resize) ? resize : [tall, wide].map((side) => (side * resize) / Math.min(wide, tall));
    return { from: whole, to: [(width - w) / 2, (height - h) / 2, w, h] };
  }
  if (fit === "stretch") return { from: whole, to: [0, 0, width, height] };
  const scale = fit === "pad" ? Math.min(width / wide, height / tall) : Math.max(width / wide, height / tall);
  if (fit === "pad") {
    const [w, h] = [wide * scale, tall * scale];
    return { from: whole, to: [(width - w) / 2, (height - h) / 2, w, h] };
  }
  const [w, h] = [width / scale, height / scale];
  return { from: [(wide - w) / 2, (tall - h) / 2, w, h], to: [0, 0, width, height] };
}
