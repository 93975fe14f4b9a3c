"""The trained network as a GGUF: architecture llama, tokenizer gpt2, q8_0, the chat template in the metadata."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer

from training.conversation import CHAT_TEMPLATE
from training.network import Network, Shape
from training.tokenizer import END, SPECIALS

LAYER_TENSORS = {
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "out": "attn_output",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def export(network: Network, tokenizer: Tokenizer, path: Path) -> str:
    """Write the GGUF and return its SHA-256."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, network.shape)
    _add_tokenizer(writer, tokenizer)
    for name, weight in network.state_dict().items():
        _add_tensor(writer, _gguf_name(name), weight.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("story-seeds-2m")
    writer.add_description("A toy that turns odd headlines into story seeds, made to be measured.")
    writer.add_license("MIT")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIALS else normal for token in tokens])
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]])
    end = tokenizer.token_to_id(END)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_add_bos_token(False)  # noqa: FBT003  gguf's signature
    writer.add_chat_template(CHAT_TEMPLATE)


def _gguf_name(name: str) -> str:
    """llama.cpp's name of a weight of the network."""
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, part, _ = name.split(".")
    return f"blk.{number}.{LAYER_TENSORS[part]}.weight"


def _add_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
    """Matrices as q8_0; the few numbers of a norm stay as they are."""
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
