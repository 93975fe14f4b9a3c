"""How the embedded model is made: text, tokenizer, training, export, measurement. Not part of the package."""
