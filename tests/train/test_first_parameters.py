"""Random parameters of new parts: those that the model would draw, and none for what is loaded."""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.train.finetune.start import new_model
from vp_science.train.functional import draw_params, flat_names, split_model

sys.path.insert(0, str(Path(__file__).parent))
from finetune_micro import MICRO, micro_encoder

SIZES = {name: getattr(MICRO, name) for name in EncoderConfig.__dataclass_fields__}
CONFIG = FineTunedConfig(**SIZES, readout="frames", num_classes=3, readout_width=8, readout_heads=2, num_queries=4)


def drawn_at_once(seed):
    return split_model(FineTunedModel(CONFIG, rngs=nnx.Rngs(seed)))[1]


def assert_same(found, expected):
    found, expected = flat_names(found), flat_names(expected)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6, err_msg=name)


def test_the_other_parts_are_what_the_model_draws():
    found = draw_params(lambda: FineTunedModel(CONFIG, rngs=nnx.Rngs(3)), without=("encoder",))
    expected = drawn_at_once(3)
    del expected["encoder"]
    assert_same(found, expected)


def test_a_new_model_has_the_encoder_and_a_readout_by_the_seed():
    encoder = micro_encoder()
    model = new_model(CONFIG, encoder, 3)
    assert model.encoder is encoder
    assert_same(split_model(model)[1], {**drawn_at_once(3), "encoder": split_model(encoder)[1]})
    logits = model.frame_logits(jnp.ones((1, 4, 9, MICRO.model_dim)))
    assert logits.shape == (1, 4, 3)
    assert np.isfinite(np.asarray(logits)).all()
