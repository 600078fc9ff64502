// The likeliest tokens of results that have a number for each token. A worker reads this: it imports nothing.

const COUNT = 5; // Tokens shown of each place.
const PLACES = 60; // The last ones: what comes after a text is at its end.

/** The results of a model for its feeds, those with a number for each token as the likeliest of them: `{ dims, likeliest }`. */
export function withLikeliest(model, results, feeds) {
  const named = model.manifest.outputs.map((port) => [port, results[port.name]]).filter(([port]) => port.tokens);
  for (const [port, result] of named) {
    const likeliest = likeliestOf(result, tokensBefore(model, port, feeds), (token) => wordOf(token, model.tokenizer));
    results[port.name] = { dims: result.dims, likeliest };
  }
  return results;
}

/** The tokens that stand at the places of a result, where it has as many as one of the texts. */
function tokensBefore(model, port, feeds) {
  const text = model.manifest.inputs.find(({ classes, shape }) => classes && shape.length === 1 && shape[0] === port.shape.at(-2));
  return text && port.shape.length === 2 ? Array.from(feeds[text.name].data, Number) : [];
}

/** Of each place `{ word, best: [{ word, share }, ...] }`; `data` has a number for each token and place. */
export function likeliestOf({ data, dims }, tokens, word) {
  const size = dims.at(-1);
  const places = data.length / size;
  const first = Math.max(0, places - PLACES);
  return Array.from({ length: places - first }, (_, place) => {
    const shares = sharesOf(data.subarray((first + place) * size, (first + place + 1) * size));
    const best = bestOf(shares).map((token) => ({ word: word(token), share: shares[token] }));
    return { word: tokens.length === places ? word(tokens[first + place]) : "", best };
  });
}

/** Probabilities of numbers: they themselves where they are that, else their softmax. */
function sharesOf(numbers) {
  const sum = numbers.reduce((total, each) => total + each, 0);
  if (Math.abs(sum - 1) < 1e-3 && numbers.every((each) => each >= 0)) return numbers;
  const most = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = Float64Array.from(numbers, (each) => Math.exp(each - most));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((each) => each / total);
}

/** The numbers of the largest shares, the largest first. */
function bestOf(shares) {
  const best = [];
  shares.forEach((share, token) => {
    if (best.length === COUNT && share <= shares[best.at(-1)]) return;
    const place = best.findIndex((other) => share > shares[other]);
    best.splice(place < 0 ? best.length : place, 0, token);
    best.length = Math.min(best.length, COUNT);
  });
  return best;
}

/** A token as text in quotes; its number where it is none by itself, as a part of a character. */
function wordOf(token, tokenizer) {
  const text = token < 0 ? "" : (tokenizer?.decode([token]) ?? "");
  return text && !text.includes("\uFFFD") ? JSON.stringify(text) : String(token);
}
