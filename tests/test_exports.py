"""The public names: a change is a decision, seen in a diff."""

from pathlib import Path

import unmask

MODULES = {"blocks": "process.blocks", "caches": "caching.policies", "windows": "process.windows"}
OTHERS = {"__version__": "VERSION", "model_names": "shipped_names"}
PUBLIC = """
    CheckpointError ConfigError DataError MissingExtraError OrderError OutputError PromptError
    UnmaskError Ancestral Autoregressive Cached ChatModel Cosine Cost Dilated DraftVerify
    DrafterVerifierPair EarlyStop EndLast Engine EntropyBounded Factor Filter FirstHitting
    Fixed FixedPartition Guided HybridConfig HybridTransformer JointTable Klass LearnedPolicy
    Linear Lookahead Lossless LosslessBranching MarkovChain MaskGIT NoEnd PrefixVerify Prompt ReMDM
    Recipe Request Sample SeededDraws SelfDraft SelfSpeculative SemiAutoregressive StarShaped
    StreamTransformer TargetOnly TextModel Threshold TopKEntropy TopKMargin Whole Wino Work
    __version__ adapt answer answer_prompts blocks caches count_work draft_verify_across evaluate
    flush_denormals keep_freed_memory load model_names preset read_prompts read_sampler sample
    sampler_names spec_of train windows
""".split()


def test_public_names_are_pinned_and_all_can_be_imported():
    assert unmask.__all__ == sorted(PUBLIC) == dir(unmask)
    for name in {*PUBLIC} - {"__version__"}:
        wanted = f"unmask.{MODULES[name]}" if name in MODULES else OTHERS.get(name, name)
        assert getattr(unmask, name).__name__ == wanted


def test_type_checkers_are_told_the_same_names():
    source = Path(unmask.__file__).read_text()
    told = {
        line.split(" as ")[1].partition("#")[0].strip()
        for line in source.splitlines()
        if line.startswith("    from unmask.")
    }
    assert told == set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(unmask, "nonesuch")
