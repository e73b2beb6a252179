"""The assistant of transformers' assisted generation does not see prompt tokens that equal the pad token."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import transformers

from spechub_lp.gate.generation.pair import make_pair, write_pair


def main() -> None:
    transformers.utils.logging.set_verbosity_error()
    with TemporaryDirectory() as folder:
        pair = write_pair(make_pair(3), Path(folder))
        load = transformers.AutoModelForCausalLM.from_pretrained
        target, draft = load(Path(folder) / "target").eval(), load(Path(folder) / "draft").eval()
        seen = []
        draft.register_forward_hook(lambda model, given, out: seen.append(out.logits[0, -1].softmax(-1).tolist()))
        ids = torch.tensor([pair.prompt])
        mask = torch.ones_like(ids)
        target.generate(ids, attention_mask=mask, assistant_model=draft, do_sample=True, max_new_tokens=3, top_k=0,
                        pad_token_id=0)  # fmt: skip
    stated = pair.draft_distribution(pair.prompt).tolist()
    print("the assistant's first draft is drawn from", [round(x, 3) for x in seen[0]])
    print("its distribution after the prompt        ", [round(x, 3) for x in stated])
    assert max(abs(a - b) for a, b in zip(seen[0], stated, strict=True)) > 0.01, "this release sees the whole prompt"


if __name__ == "__main__":
    main()
