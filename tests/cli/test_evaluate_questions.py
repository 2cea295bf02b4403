"""`unmask evaluate --task`: questions to a large model."""

import json

import pytest

from tests.cli.command import refused, run
from tests.large_model_folder import write_large_model


@pytest.fixture
def model(tmp_path):
    return str(write_large_model(tmp_path / "model"))


@pytest.fixture
def questions(tmp_path):
    lines = [{"question": f"{n} and 30?", "answer": f"#### {n + 30}"} for n in range(4)]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def test_decoders_are_compared_and_a_report_gone_on_with(model, questions, tmp_path, capsys):
    out = tmp_path / "report"
    command = ["evaluate", model, "--task", "gsm8k", "--data", questions, "--out", str(out)]
    command += ["--max-new-tokens", "12", "--decoders", "one-by-one,threshold+dual"]
    assert run(*command) == 0
    said = capsys.readouterr().out
    assert "| one-by-one |" in said and "| threshold+dual |" in said and "4 questions" in said
    report = json.loads((out / "report.json").read_text())
    assert [row["name"] for row in report["decoders"]] == ["one-by-one", "threshold+dual"]
    assert len((out / "records" / "threshold+dual.jsonl").read_text().splitlines()) == 4
    assert "already holds a report. Go on with it by --resume" in refused(capsys, *command)
    before = (out / "records" / "one-by-one.jsonl").read_text()
    assert run(*command[:-1], "one-by-one,draft-verify", "--resume") == 0
    assert (out / "records" / "one-by-one.jsonl").read_text() == before
    assert "another run: its max_new_tokens is 12, this one's 10" in refused(
        capsys, *command, "--max-new-tokens", "10", "--resume"
    )


def test_arithmetic_is_asked_by_level(model, tmp_path, capsys):
    command = ["evaluate", model, "--task", "gsm8k", "--data", "arithmetic:easy"]
    command += ["--num-questions", "2", "--max-new-tokens", "8", "--decoders", "threshold"]
    command += ["--out", str(tmp_path / "report")]
    # The small model has room for 96 tokens, and for these words one a letter.
    assert "there is room for 0 new ones" in refused(capsys, *command)
    assert not (tmp_path / "report").exists()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_smaller_model_drafts(model, questions, tmp_path, capsys):
    drafter, out = tmp_path / "drafter", tmp_path / "report"
    write_large_model(drafter, width=16, num_blocks=1)
    command = ["evaluate", model, "--task", "gsm8k", "--data", questions, "--out", str(out)]
    command += ["--max-new-tokens", "12", "--drafter", str(drafter), "--decoders"]
    assert "none of the --decoders verifies" in refused(capsys, *command, "threshold")
    assert not out.exists()
    assert run(*command, "threshold+dual,draft-verify/exact") == 0
    assert "but not for /own: a pass of it counts as 0." in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    alone, team = report["decoders"]
    assert alone["drafter_passes"] == 0 < team["drafter_passes"]
    records = (out / "records" / "draft-verify-exact.jsonl").read_text().splitlines()
    passes = [json.loads(line)["trunk_passes"] for line in records]
    expected = sum(passes) / 4 + report["drafter_share"] * team["drafter_passes"]
    assert team["passes"] == pytest.approx(expected)
    both = [*command[:7], str(tmp_path / "both"), *command[8:]]
    assert run(*both, "threshold,drafter/threshold+dual,draft-verify") == 0
    report = json.loads((tmp_path / "both" / "report.json").read_text())
    whole, small, team = report["decoders"]
    assert small["trunk_passes"] == 0 < small["drafter_passes"]
    assert small["passes"] == pytest.approx(report["drafter_share"] * small["drafter_passes"])
    assert 0 < small["work_share"] < 1
    alone = lines(tmp_path / "both" / "records" / "drafter-threshold+dual.jsonl")
    assert run("evaluate", str(drafter), *command[2:7], str(tmp_path / "small"), *command[8:10],
               "--decoders", "threshold+dual") == 0  # fmt: skip
    own = lines(tmp_path / "small" / "records" / "threshold+dual.jsonl")
    assert [each["text"] for each in alone] == [each["text"] for each in own]
    assert [each["drafter_keys"] for each in alone] == [each["query_keys"] for each in own]
    both = [*command[:7], str(tmp_path / "own"), *command[8:]]
    assert run(*both, "threshold,draft-verify/exact/own,draft-verify/exact") == 0
    by_itself = lines(tmp_path / "own" / "records" / "draft-verify-exact-own.jsonl")
    assert not any(each["drafter_passes"] for each in by_itself)
    assert "--drafter names a model that drafts" in refused(
        capsys, *command, "draft-verify/exact/own", "--resume"
    )
    assert run("evaluate", model, *command[2:7], str(tmp_path / "alone"), *command[8:10],
               "--decoders", "draft-verify/exact") == 0  # fmt: skip
    expected = lines(tmp_path / "alone" / "records" / "draft-verify-exact.jsonl")
    for each in (*by_itself, *expected):
        del each["seconds"]
    assert by_itself == expected
    command.remove("--drafter"), command.remove(str(drafter))
    assert "needs one: name it with --drafter" in refused(capsys, *command, "drafter/threshold")
    assert "its drafter is 'drafter', this one's ''" in refused(
        capsys, *command, "threshold+dual", "--resume"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "humaneval"], "there is no task 'humaneval'"),
        (["--task", "gsm8k"], "--data is missing"),
        (
            ["--task", "gsm8k", "--data", "FILE", "--decoders", "beam"],
            "there is no decoder 'beam'",
        ),
        (["--task", "gsm8k", "--data", "arithmetic:huge"], "there is no level 'huge'"),
        (
            ["--task", "gsm8k", "--data", "arithmetic:easy", "--members", "test/"],
            "--members chooses among files",
        ),
        (["--task", "gsm8k", "--data", "nowhere.jsonl"], "there is no file nowhere.jsonl"),
        (["--task", "gsm8k", "--data", "FILE", "--num-questions", "1"], "must be at least 2"),
        (["--task", "gsm8k", "--data", "FILE", "--protocol", "x"], "has no protocol 'x'"),
        (["--task", "gsm8k", "--data", "FILE", "--max-new-tokens", "96"], "there is room for"),
        (["--task", "gsm8k", "--data", "FILE", "--max-new-tokens", "40"], "Ask for 32 or 64 new"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(
    arguments, message, model, questions, capsys, tmp_path
):
    arguments = [questions if argument == "FILE" else argument for argument in arguments]
    said = refused(capsys, "evaluate", model, *arguments, "--out", str(tmp_path / "report"))
    assert message in said
    assert not (tmp_path / "report").exists()


def test_a_model_of_text_answers_no_questions(questions, capsys, tmp_path):
    arguments = ["--task", "gsm8k", "--data", questions, "--out", str(tmp_path / "report")]
    assert "answers no questions" in refused(capsys, "evaluate", "text8s", *arguments)
