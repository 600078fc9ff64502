"""What `mai new` writes: specs that run as they stand, with a word on every line."""

_FLOW = """\
# My flow: noise is carried to data along a learned velocity (flow matching).
const width = 128                         # change it here, or with --set width=256

data x: [2] from moons(noise = 0.05)      # one example: a point in the plane

# One set of parameters, shared by every call. It speaks of one example: no batch axis.
net velocity(x: [2], s: []) -> [2] {
  h = silu(linear(concat(x, fourier(s, 64)), width))
  repeat 3 { h += silu(linear(h, width)) }        # each turn has fresh parameters
  return linear(h, 2)
}

train(steps = 3000, batch = 512, optimizer = adamw(lr = 1e-3), ema = 0.999) {
  x0 ~ normal([2])                        # a draw for each example
  s ~ uniform(0, 1)
  xs = (1 - s) * x0 + s * x
  minimize sum((x - x0 - velocity(xs, s))^2)
}

# An entry point: one .onnx file that holds the whole sampler. `steps` stays a setting of it.
export sample(steps: int = 20) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}

# The way there: `keep` has a row for every step. A picture of it may move: mai run ... --out path.gif
export path(steps: int = 20) -> [steps + 1, 2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) } keep x as xs
  return xs
}

# Back to the noise, whose density is known; on the way it changes by the divergence of the velocity.
export log_density(x: [2]) -> [] {
  l = 0
  integrate s in 1..0 using dopri5(rtol = 1e-4, atol = 1e-4) {
    v = velocity(x, s)
    dx/ds = v
    dl/ds = div(v, x)
  }
  return l + log_normal(x)
}
"""
_CLASSIFIER = """\
# My classifier of handwritten digits.
const width = 128

data x: [64], y: class[10] from digits(split = train)     # validated on the test split

net f(x: [64]) -> [10] {
  h = relu(linear(x, width))
  h = dropout(relu(linear(h, width)), 0.1)
  return linear(h, 10)
}

train(steps = 2000, batch = 128, optimizer = adamw(lr = 1e-3), schedule = cosine(warmup = 50)) {
  minimize cross_entropy(f(x), y)
  report accuracy(f(x), y)
}

export classify(x: [64]) -> [10] { return softmax(f(x)) }
"""
_IMAGES = """\
# My image classifier: a small convolutional network.
data x: [1, 8, 8], y: class[10] from digits(split = train)

net f(x: [1, 8, 8]) -> [10] {
  h = x |> conv(32, 3) |> relu |> conv(64, 3, stride = 2) |> relu
  h = h |> conv(64, 3) |> batch_norm |> relu |> avg_pool_global
  return linear(h, 10)
}

train(epochs = 20, batch = 64, optimizer = adamw(lr = 2e-3), schedule = cosine(warmup = 50)) {
  minimize cross_entropy(f(x), y)
  report accuracy(f(x), y)
}

export classify(x: [1, 8, 8]) -> [10] { return softmax(f(x)) }
"""
STARTERS = {"flow": _FLOW, "classifier": _CLASSIFIER, "images": _IMAGES}
