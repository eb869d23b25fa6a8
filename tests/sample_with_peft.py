"""Sample an adapter with plain PEFT and ``generate``, in a process that knows nothing of Distalign.

python sample_with_peft.py BASE ADAPTER ROUNDS < prompts, one JSON list of texts.
Prints one JSON list of lists of answers, steering token removed.
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.manual_seed(0)
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
model = PeftModel.from_pretrained(model, adapter).eval()
answers = []
for text in json.load(sys.stdin):
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    outputs = model.generate(
        **inputs,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=16,
        num_return_sequences=rounds,
        pad_token_id=tokenizer.pad_token_id,
    )
    start = inputs["input_ids"].shape[1] + 1
    answers.append(tokenizer.batch_decode(outputs[:, start:], skip_special_tokens=True))
print(json.dumps(answers))
