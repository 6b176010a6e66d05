"""Texts with five targets: sentiment, stars in their order, topic, is it a question, and the share of praise.

Texts are hashed words here, without a download; `encoder="hf:FOLDER"` reads them by a pretrained network instead.
What to expect: everything above .9, since the texts follow a small grammar; on real texts expect less.
"""

import numpy as np
import pandas as pd

import polytask as pt

TOPICS = {
    "delivery": ["the parcel", "the courier", "shipping", "the box"],
    "quality": ["the fabric", "the zip", "the stitching", "the colour"],
    "service": ["the hotline", "the shop", "their answer", "the refund"],
}
GOOD = ["excellent", "quick", "friendly", "flawless", "lovely", "better than expected"]
BAD = ["broken", "slow", "rude", "torn", "late", "worse than the photo"]


def reviews(rows=1200, seed=0):
    """Sentences from a small grammar with noise, so that the example runs anywhere; your texts go in their place."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        topic, mood, ask = rng.choice(list(TOPICS)), rng.beta(0.8, 0.8), rng.random() < 0.25
        praise = [rng.random() < mood for _ in range(int(rng.integers(2, 6)))]
        parts = [f"{rng.choice(TOPICS[topic])} was {rng.choice(GOOD if good else BAD)}" for good in praise]
        text = (" and " if rng.random() < 0.5 else ", ").join(parts) + ("" if not ask else ", can you help me?")
        share = float(np.mean(praise))
        stars = 1 + int(np.clip(share * 4 + rng.normal(0, 0.4), 0, 4))
        happy = share + rng.normal(0, 0.1) > 0.5
        found.append({"review": text, "happy": happy, "stars": stars, "topic": topic, "question": ask, "praise": share})
    table = pd.DataFrame(found)
    table.loc[rng.random(rows) < 0.3, "stars"] = np.nan  # not everybody gives stars
    return table


def main():
    table = reviews()
    predictor = pt.TablePredictor(
        ["happy", "stars", "topic", "question", "praise"], kind={"stars": "ordinal"}, column_kind={"review": "text"},
        networks=1, baselines=False, steps=300, threads=1,
    )  # fmt: skip
    predictor.fit(table)
    for name, task in predictor.results["tasks"].items():
        print(f"{name} ({task['kind']}): {task['metric']} {task['test']:.3f}, of a constant {task['trivial']:.3f}")
    new = pd.DataFrame(
        {"review": ["the courier was rude and the box was torn, can you help me?", "the fabric was lovely"]}
    )
    print(predictor.predict(new).to_string())
    return predictor.results


if __name__ == "__main__":
    main()
