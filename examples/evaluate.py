"""Comparing: samplers on text, decoders on questions. Reports with plots lie in the folders."""

import unmask

text = unmask.evaluate(
    unmask.load("text8s-any", dtype="bfloat16"),
    samplers=["self-speculative", "ancestral"],
    budgets=[12],
    num_samples=16,
    out="reports/text",
    resume=True,
)
for point in text["points"]:
    numbers = point["numbers"]
    print(point["family"], numbers["spelling_accuracy"]["value"], numbers["nfe"]["value"], "NFE")

answers = unmask.answer(
    unmask.load("arithmetic"),
    "arithmetic:single",
    decoders=["left-to-right", "threshold(threshold=0.9)+dual"],
    num_questions=4,
    out="reports/answers",
    resume=True,
)
for row in answers["decoders"]:
    print(row["name"], row["accuracy"], row["passes"])
