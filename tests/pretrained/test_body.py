"""Features of pretrained networks."""

from __future__ import annotations

import pyarrow as pa
import torch

from polytask.pretrained import Moments, PretrainedEncoder, TextReader, frozen_features, make_body, open_checkpoint

TABLE = pa.table({"a": ["the cat sat", "xy", "show me flights from boston to denver"], "b": ["a mat", "", ""]})


def inputs(folder, *, words=False, columns=("a",)):
    return TextReader(columns, 64, words)(TABLE, open_checkpoint(str(folder)).tokenizer(words=words))


def test_the_mean_is_that_of_each_text_alone(bert):
    checkpoint = open_checkpoint(str(bert))
    body = make_body(checkpoint, "mean", items=False).eval()
    tokenizer = checkpoint.tokenizer()
    for row, vector in zip(TABLE.to_pylist(), body(inputs(bert, columns=("a", "b"))), strict=True):
        encoded = tokenizer(row["a"], row["b"] or None, return_tensors="pt", return_token_type_ids=True)
        alone = body.network(**encoded).last_hidden_state[0]
        torch.testing.assert_close(vector, alone.mean(0), rtol=1e-4, atol=1e-5)


def test_words_have_the_vector_of_their_first_piece(bert):
    body = make_body(open_checkpoint(str(bert)), "cls", items=True).eval()
    given = inputs(bert, words=True)
    found = body(given)
    assert found.shape == (3, 1 + 7, 32)
    hidden = body.network(input_ids=given["tokens"][:1, :5].long()).last_hidden_state[0]
    torch.testing.assert_close(found[0, :4], hidden[:4], rtol=1e-4, atol=1e-5)  # [CLS] the cat sat
    assert (found[0, 4:] == 0).all() and (found[1, 2:] == 0).all()


def test_images_have_a_vector_and_one_for_every_position(vit, convnext):
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    for folder, size, places in ((vit, 16, 16), (convnext, 32, 4)):
        given = images[:, :, :size, :size]
        body = make_body(open_checkpoint(str(folder)), "mean", items=True).eval()
        found = body({"pictures": given})
        assert found.shape == (2, 1 + places, 16)
        torch.testing.assert_close(found[:, 0], found[:, 1:].mean(1))
        pixels = (given.float() / 255 - 0.5) / 0.5
        hidden = body.network(pixel_values=pixels).last_hidden_state
        other = hidden[:, 1:] if hidden.ndim == 3 else hidden.flatten(2).transpose(1, 2)
        torch.testing.assert_close(found[:, 1:], other)


def test_frozen_features_are_those_of_the_body_and_standardised_by_real_words(bert):
    body = make_body(open_checkpoint(str(bert)), "mean", items=True)
    given = inputs(bert, words=True)
    found = frozen_features(body, given)
    with torch.no_grad():
        torch.testing.assert_close(found, body.eval()(given), rtol=1e-4, atol=1e-5)
    padding = (found == 0).all(2)
    moments = Moments.of(found)
    standard = moments.standardise(found)[~padding]
    torch.testing.assert_close(standard.mean(0), torch.zeros(32), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(32), atol=1e-4, rtol=0)


def test_layers_learn_the_more_slowly_the_deeper_they_are(bert):
    body = make_body(open_checkpoint(str(bert)), "mean", items=False)
    factors = PretrainedEncoder(body, 32, rate=0.1, layer_decay=0.5).rate_factors()
    assert factors.keys() == {f"body.{name}" for name, _ in body.named_parameters()}

    def of(part: str) -> set[float]:
        return {factor for name, factor in factors.items() if part in name}

    assert of("layer.1.") == {0.1} and of("layer.0.") == {0.05} and of("embeddings.word") == {0.025}


def test_other_columns_stand_beside_every_word():
    beside = torch.nn.Linear(2, 3)
    beside.forward = lambda inputs: inputs["numeric"].repeat(1, 2)[:, :3]  # type: ignore[method-assign]
    encoder = PretrainedEncoder(None, 4, beside, items=True)
    found = encoder({"vectors": torch.zeros(2, 3, 4), "numeric": torch.tensor([[1.0, 2.0], [3.0, 4.0]])})
    assert found.shape == (2, 3, 7) and found[1, :, 4:].tolist() == [[3, 4, 3]] * 3
    single = PretrainedEncoder(None, 4, items=False)
    assert single({"vectors": torch.zeros(2, 3, 4)}).shape == (2, 4)  # tasks of rows alone
