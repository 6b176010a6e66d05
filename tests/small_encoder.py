"""Checkpoints of transformers with few random weights, written in a moment."""

from __future__ import annotations

from pathlib import Path

import torch

SENTENCES = (
    "the cat sat on a mat in the house", "show me good or bad flights from boston to denver on monday",
    "dallas is not very red or blue it was friday", "one two three dogs ran",
)  # fmt: skip
WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})


def text_encoder(folder: Path, *, words: list[str] | None = None, width: int = 32, layers: int = 2) -> Path:
    """A BERT whose tokens are these words, and pieces of one letter for all others."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,?'"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *(words or WORDS)]
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=30))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, numbers[name]) for name in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(numbers), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def image_encoder(folder: Path, kind: str = "vit", size: int = 16) -> Path:
    """A ViT, a ConvNeXt or a Swin."""
    from transformers import ConvNextConfig, ConvNextModel, SwinConfig, SwinModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    if kind == "vit":
        config = ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                           image_size=size, patch_size=4)  # fmt: skip
        ViTModel(config).save_pretrained(folder)
    elif kind == "swin":
        config = SwinConfig(image_size=size, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4)
        SwinModel(config).save_pretrained(folder)
    else:
        ConvNextModel(
            ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], image_size=size, patch_size=2)
        ).save_pretrained(folder)
    return folder
