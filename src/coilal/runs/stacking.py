"""Stub until branch sweep is merged."""

import json


def why_alone(settings):
    return (
        None
        if settings.model.trainable == "head"
        and not settings.trainer.get("callbacks")
        and not settings.augmentation.views
        else "x"
    )


def alike(settings):
    c = {
        k: v
        for k, v in settings.config.items()
        if k
        not in (
            "seed",
            "seeds",
            "strategy",
            "study",
            "outputs",
            "records",
            "force",
            "hparams",
            "score_validation",
            "logger",
        )
    }
    c["model"] = {k: v for k, v in c["model"].items() if k != "optimizer"}
    return json.dumps(c, sort_keys=True, default=str)
