"""Filling in blanks: "_" is a letter that is wanted, everything else stays."""

import unmask

model = unmask.load("text8s-any")  # trained to read in any order
template = "the ____ of the ____ was ______"

for seed in range(3):
    print(model.infill(template, seed=seed).text)
