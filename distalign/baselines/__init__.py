"""What the method is compared with: an instruction in the prompt, supervised fine-tuning, and DPO."""
