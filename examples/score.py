"""What a text costs in bits: under the model, and under the law that a sampler really has."""

import unmask

model = unmask.load("text8s")
for text in ("the history of the world", "world the of history the"):
    score = model.score(text)
    print(f"{text!r}: {score.likelihood.value:.3f} bits per character under the sampler's law")
