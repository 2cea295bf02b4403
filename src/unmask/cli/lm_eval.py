"""`unmask lm-eval`: the command line of lm-evaluation-harness, on a large model of ours."""

from collections.abc import Sequence
from importlib.util import find_spec

from unmask.errors import MissingExtraError

_HELP = """\
usage: unmask lm-eval --model_args pretrained=MODEL[,NAME=VALUE ...] --tasks TASK [options]

Runs lm-evaluation-harness on a large model. Options are the harness's own (`unmask lm-eval run
--help` lists them, `unmask lm-eval ls tasks` the tasks); the model is `unmask` unless --model says
otherwise. For example

  unmask lm-eval --model_args pretrained=LLaDA-8B-Instruct,decoder=threshold+dual,dtype=bfloat16 \\
      --tasks gsm8k --apply_chat_template --batch_size 16 --output_path results

What --model_args may say:
  pretrained=MODEL     a folder of LLaDA or Dream as they are published, or a hub id
  decoder=NAME         how answers are decoded, as in `unmask evaluate --task`: one-by-one,
                       threshold (the default), threshold+dual, draft-verify/confidence/shadow ...
  max_gen_toks=N       room for an answer where the task does not say (256)
  num_samples=N        masked copies of a continuation of more than one token, over which its
                       log-likelihood is a mean (128); one token is exact and takes one pass
  dtype=float32|bfloat16|float16
  add_bos_token=true   begin every prompt with the token that begins a text
  seed=N               of the masked copies (0)

--batch_size is the number of sequences in a pass (the harness's default is 1), --device as
everywhere (cuda:0 where there is one). The results say the decoder, and how many passes and tokens
answers and likelihoods took.

options:
  -h, --help           show this help"""


def run(arguments: Sequence[str]) -> int:
    """Hand the command line over; the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    if find_spec("lm_eval") is None:
        raise MissingExtraError(
            "`unmask lm-eval` needs lm-evaluation-harness, which is not installed. Run "
            "`pip install 'unmask[lm-eval]'`."
        )
    from unmask.integrations.lm_eval import launch

    launch(arguments)
    return 0
