"""Asking a large model: one question, many at once, and one watched pass by pass."""

import unmask

chat = unmask.load("arithmetic")  # LLaDA's architecture, in small; a folder of LLaDA opens alike
question = "Nora has 22 marbles and gets 7 more from Omar. How many marbles does she have now?"

print(chat.chat(question).text)

for answer in chat.chat([question, "What is 6 times 7?"]):
    print(f"{answer.text!r} in {answer.trunk_passes} passes, {answer.num_tokens} tokens")

# Every pass reveals some tokens, wherever the model is sure of them.
for step in chat.stream(question, sampler="threshold(threshold=0.9, temperature=0)+dual"):
    print(f"{step.trunk_passes:3d}  {step.text!r}")
